//! How often a token was handed out, and to whom.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many are counted side by side.
const TOGETHER: usize = 8;

/// How often a token was handed out to each of those whom its holder tells apart by numbers from zero on.
///
/// It is a counter for each, so that a token can be told of when somebody has it for the first time and be
/// counted from then on: no lock, and room for those who have it alone.
///
/// ```
/// use cambist::exchange::Uses;
///
/// let uses = Uses::default();
/// assert_eq!((uses.count(0), uses.count(0), uses.count(9)), (0, 1, 0));
/// assert_eq!((uses.by(0), uses.by(1), uses.by(9), uses.by(100)), (2, 0, 1, 0));
/// ```
#[derive(Debug, Default)]
pub struct Uses {
    here: [AtomicU64; TOGETHER],
    beyond: OnceLock<Box<Self>>,
}

impl Uses {
    /// Counts one use by this one; how many there were before.
    pub fn count(&self, by: usize) -> u64 {
        let (mut uses, mut by) = (self, by);
        loop {
            if let Some(count) = uses.here.get(by) {
                return count.fetch_add(1, Ordering::Relaxed);
            }
            (uses, by) = (uses.beyond.get_or_init(Box::default), by - TOGETHER);
        }
    }

    /// How many uses by this one there were.
    pub fn by(&self, by: usize) -> u64 {
        let (mut uses, mut by) = (self, by);
        loop {
            if let Some(count) = uses.here.get(by) {
                return count.load(Ordering::Relaxed);
            }
            let Some(beyond) = uses.beyond.get() else { return 0 };
            (uses, by) = (beyond, by - TOGETHER);
        }
    }
}

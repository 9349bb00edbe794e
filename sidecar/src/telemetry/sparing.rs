//! So many events a second, told; the rest, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// So many objections are logged a second; whoever floods the endpoint does not flood the log.
const OBJECTIONS_A_SECOND: u64 = 10;

/// Lets through so many events a second and counts the rest.
#[derive(Debug, Default)]
pub(super) struct Sparing {
    /// The second in the upper half, the events in it in the lower.
    now: AtomicU64,
    unlogged: AtomicU64,
}

impl Sparing {
    /// Whether to log one now, with the number of those that were not since the last one that was.
    pub(super) fn log(&self, second: u64) -> Option<u64> {
        let second = second & u64::from(u32::MAX);
        let counted = self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            Some(if now >> 32 == second { now.saturating_add(1) } else { second << 32 | 1 })
        });
        let before = counted.unwrap_or_else(|now| now);
        let earlier = if before >> 32 == second { before & u64::from(u32::MAX) } else { 0 };
        if earlier < OBJECTIONS_A_SECOND {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_few_lines_and_its_size() {
        let sparing = Sparing::default();
        let logged = (0..1000).filter(|_| sparing.log(7).is_some()).count();
        assert_eq!(logged, 10);
        assert_eq!(sparing.log(8), Some(990));
        assert_eq!(sparing.log(8), Some(0));
    }
}

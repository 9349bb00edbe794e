//! Rotation by the clock.

use std::time::Duration;

use cambist_core::clock::{BootTime, UnixTime};

use super::Place;
use super::state::{Entry, State};

/// When keys come and go by themselves. The default is never, which is what most clusters do.
///
/// ```
/// use cambist_sim::{Sim, issuer::Schedule};
/// use std::time::Duration;
///
/// let sim = Sim::new()?;
/// sim.issuer().follow(Schedule::rotating(45, 90));
/// let first = sim.issuer().signer();
/// sim.clock().advance(Duration::from_secs(50 * 24 * 3600));
/// assert_ne!(sim.issuer().signer(), first);
/// assert_eq!(sim.issuer().published().len(), 2);
/// # Ok::<(), cambist_sim::SimError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// How long a key signs before a new one does; `None` for ever, zero counts as a second.
    pub rotate_after: Option<Duration>,
    /// How long a key is published, unless it signs; `None` for ever.
    pub expire_after: Option<Duration>,
    /// How long a key is published before it signs.
    pub publish_ahead: Duration,
}

/// What falls due, in the order in which it is done if several do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Publish,
    Sign,
    /// The entry of this index.
    Expire(usize),
}

impl Schedule {
    /// A schedule of whole days, without publication ahead of use.
    pub const fn rotating(rotate_after_days: u64, expire_after_days: u64) -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            rotate_after: Some(Duration::from_secs(rotate_after_days * DAY)),
            expire_after: Some(Duration::from_secs(expire_after_days * DAY)),
            publish_ahead: Duration::ZERO,
        }
    }
}

impl State {
    /// Does what is due by `now`, each thing dated to its moment; `wall` is the time of day now.
    /// False if that takes a key of which there is no spare one.
    pub(super) fn keep_schedule(&mut self, now: BootTime, wall: UnixTime) -> bool {
        while let Some((due, step)) = self.next_step() {
            // What would have been due before the last change was not due then.
            let at = due.max(self.changed);
            if at > now {
                break;
            }
            match step {
                Step::Expire(index) => drop(self.entries.remove(index)),
                Step::Publish | Step::Sign => {
                    let Some(key) = self.next.take().or_else(|| self.spare.pop()) else {
                        return false;
                    };
                    self.publish(Entry::new(&key, Place::Both, at), false);
                    if step == Step::Publish {
                        self.next = Some(key);
                    } else {
                        self.sign_with(&key, at);
                    }
                }
            }
            self.record(at, wall - now.since(at));
        }
        true
    }

    fn next_step(&self) -> Option<(BootTime, Step)> {
        let Schedule { rotate_after, expire_after, publish_ahead } = self.schedule;
        let rotation = rotate_after.map(|after| {
            let after = after.max(Duration::from_secs(1));
            if self.next.is_none() && !publish_ahead.is_zero() {
                (self.signing_since + after.saturating_sub(publish_ahead), Step::Publish)
            } else {
                (self.signing_since + after, Step::Sign)
            }
        });
        let needed = [Some(&self.signer), self.next.as_ref()];
        let verifiers = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.key.is_some() && !needed.contains(&entry.key.as_ref()));
        let expiries = verifiers.filter_map(|(index, entry)| {
            expire_after.map(|after| (entry.since + after, Step::Expire(index)))
        });
        expiries.chain(rotation).min()
    }
}

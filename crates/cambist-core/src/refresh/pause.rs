//! The pause that an upstream asks for.

use std::time::Duration;

use super::{MAX_RETRY_AFTER, PROBE_AFTER};
use crate::clock::BootTime;

/// A pause that an upstream asked an identity for, with `Retry-After`: while it lasts nobody asks.
///
/// Answers may cross each other: of two that were asked for before either came, the later end holds.
/// A pause of up to [`PROBE_AFTER`] is kept to the end. Entra asks for a minute as a rule; who asks
/// for more may have a broken clock or somebody else's number, so a longer one is kept for that
/// long at a time and then probed with a single request, whose answer holds in its place.
///
/// ```
/// use cambist_core::clock::BootTime;
/// use cambist_core::refresh::{PROBE_AFTER, Pause};
/// use std::time::Duration;
///
/// let at = |secs| BootTime::from_origin(Duration::from_secs(secs));
/// let mut year = Pause::new(at(0), Duration::from_secs(365 * 86_400));
/// assert!(!year.admits(at(599)));
/// assert!(year.admits(at(600)), "the probe");
/// assert!(!year.admits(at(600)), "one only");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    asked_at: BootTime,
    until: BootTime,
    probe_at: BootTime,
}

impl Pause {
    /// A pause that was asked for at `now`: an hour at most.
    pub fn new(now: BootTime, asked: Duration) -> Self {
        let until = now + asked.min(MAX_RETRY_AFTER);
        Self { asked_at: now, until, probe_at: now + PROBE_AFTER }
    }

    /// Another answer, to a request of `sent`, asks for one at `now`. Whether it holds now.
    pub fn asked_again(&mut self, sent: BootTime, now: BootTime, asked: Duration) -> bool {
        let other = Self::new(now, asked);
        let holds = sent > self.asked_at || other.until > self.until;
        if holds {
            *self = other;
        }
        holds
    }

    /// Whether a request may go at `now`: when the pause is over, or as its probe. Whoever is told
    /// that it may is expected to go.
    pub fn admits(&mut self, now: BootTime) -> bool {
        if self.is_over(now) {
            return true;
        }
        let probe = now >= self.probe_at;
        if probe {
            self.probe_at = now + PROBE_AFTER;
        }
        probe
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: BootTime) -> bool {
        now >= self.until
    }

    /// Whether it is over because a request of `sent` was granted: that was a probe.
    pub fn is_lifted_by(&self, sent: BootTime) -> bool {
        sent > self.asked_at
    }

    /// How long nobody goes, from `now` on.
    pub fn left(&self, now: BootTime) -> Duration {
        self.until.min(self.probe_at).since(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: u64) -> BootTime {
        BootTime::from_origin(Duration::from_secs(secs))
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn of_answers_that_cross_the_later_end_holds() {
        let mut pause = Pause::new(at(10), secs(600));
        assert!(!pause.asked_again(at(5), at(11), secs(1)));
        assert_eq!((pause.left(at(20)), pause.admits(at(609))), (secs(590), false));
        assert!(pause.asked_again(at(5), at(12), secs(600)));
        assert!(!pause.admits(at(611)) && pause.admits(at(612)) && pause.admits(at(612)));
    }

    #[test]
    fn a_probes_answer_holds_in_the_place_of_what_it_probed() {
        let mut pause = Pause::new(at(0), MAX_RETRY_AFTER);
        assert!(pause.admits(at(600)));
        assert!(!pause.is_lifted_by(at(0)) && pause.is_lifted_by(at(600)));
        assert!(pause.asked_again(at(600), at(601), secs(60)));
        assert!(!pause.admits(at(660)) && pause.admits(at(661)));
    }

    #[test]
    fn a_probe_that_comes_to_nothing_is_repeated_as_late() {
        let mut pause = Pause::new(at(0), Duration::MAX);
        let sent: Vec<_> = (0..4000).filter(|now| pause.admits(at(*now))).take(6).collect();
        assert_eq!(sent, [600, 1200, 1800, 2400, 3000, 3600]);
        assert_eq!(pause.left(at(3600)), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn nobody_goes_during_a_sane_pause(asked in 1u64..=600, now in 0u64..2000) {
            prop_assert_eq!(Pause::new(at(0), secs(asked)).admits(at(now)), now >= asked);
        }
    }
}

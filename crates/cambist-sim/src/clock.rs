//! The simulator's clock: tokio's, from a chosen moment, with two knobs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};
use tokio::time::Instant;

use crate::lock;

/// A clock that follows [`tokio::time`]: paused time in a test that paused it, real time otherwise.
///
/// Clones are the same clock, so what a test does to it is seen by everything that holds one.
///
/// ```
/// use cambist_core::clock::{Clock, UnixTime};
/// use cambist_sim::clock::SimClock;
/// use std::time::Duration;
///
/// let clock = SimClock::starting_at(UnixTime::from_secs(1_795_407_225));
/// let (wall, boot) = (clock.wall(), clock.boot());
/// clock.skew(-120);
/// assert!(clock.wall() < wall);
/// clock.advance(Duration::from_secs(3600));
/// assert!(clock.boot().since(boot) >= Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    /// The wall clock at `started`, since the epoch.
    base: Duration,
    shift: Mutex<Shift>,
}

#[derive(Debug, Default)]
struct Shift {
    advanced: Duration,
    skew: i64,
}

impl SimClock {
    /// A clock whose wall shows `wall` now. A moment before 1970 counts as 1970.
    pub fn starting_at(wall: UnixTime) -> Self {
        Self::from_epoch(Duration::from_secs(u64::try_from(wall.as_secs()).unwrap_or(0)))
    }

    /// A clock that shows the machine's own time.
    #[expect(clippy::disallowed_methods, reason = "the simulated world's one look at real time")]
    pub fn system() -> Self {
        let now = std::time::SystemTime::now();
        Self::from_epoch(now.duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO))
    }

    fn from_epoch(base: Duration) -> Self {
        Self(Arc::new(Inner { started: Instant::now(), base, shift: Mutex::default() }))
    }

    /// Moves the wall and the boot clock forward together, as a suspended machine finds them when
    /// it wakes. Timers of tokio do not notice, just as a sleeping machine's do not.
    pub fn advance(&self, by: Duration) {
        let mut shift = lock(&self.0.shift);
        shift.advanced = shift.advanced.saturating_add(by);
    }

    /// Sets the wall clock wrong by `seconds` (more than it already was), and nothing else.
    pub fn skew(&self, seconds: i64) {
        let mut shift = lock(&self.0.shift);
        shift.skew = shift.skew.saturating_add(seconds);
    }

    fn elapsed(&self) -> Duration {
        self.0.started.elapsed().saturating_add(lock(&self.0.shift).advanced)
    }
}

impl Clock for SimClock {
    fn wall(&self) -> UnixTime {
        let true_wall = self.0.base.saturating_add(self.elapsed()).as_secs();
        let skew = lock(&self.0.shift).skew;
        UnixTime::from_secs(i64::try_from(true_wall).unwrap_or(i64::MAX).saturating_add(skew))
    }

    fn boot(&self) -> BootTime {
        BootTime::from_origin(self.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_paused_time() {
        let clock = SimClock::starting_at(UnixTime::from_secs(1_000));
        let boot = clock.boot();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(clock.wall(), UnixTime::from_secs(1_030));
        assert_eq!(clock.boot().since(boot), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn advance_moves_both_and_skew_the_wall_alone() {
        let clock = SimClock::starting_at(UnixTime::from_secs(1_000));
        let boot = clock.boot();
        let same = clock.clone();
        same.advance(Duration::from_secs(60));
        same.skew(-300);
        assert_eq!(clock.wall(), UnixTime::from_secs(760));
        assert_eq!(clock.boot().since(boot), Duration::from_secs(60));
    }
}

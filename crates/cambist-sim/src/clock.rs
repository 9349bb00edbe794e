//! The simulator's clocks: tokio's time, from a chosen moment, and a clock for each machine.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};
use serde::Deserialize;
use tokio::time::Instant;

use crate::lock;

/// A machine of the simulated world. Each has a clock of its own, and they need not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Machine {
    /// The node that the pod and its kubelet run on.
    Pod,
    /// Whoever serves the issuer's public documents.
    Issuer,
    /// The API server, which issues the tokens; the token proxy beside it, too.
    Api,
    /// Entra.
    Entra,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pod, Self::Issuer, Self::Api, Self::Entra];

    /// Its name in the admin API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Issuer => "issuer",
            Self::Api => "api",
            Self::Entra => "entra",
        }
    }
}

/// A clock that follows [`tokio::time`]: paused time in a test that paused it, real time otherwise.
///
/// Clones are the same clock, so what a test does to it is seen by everything that holds one.
/// [`Another`](Self::another) machine's shares the time that passes and is wrong by itself.
///
/// ```
/// use cambist_core::clock::{Clock, UnixTime};
/// use cambist_sim::clock::SimClock;
/// use std::time::Duration;
///
/// let clock = SimClock::starting_at(UnixTime::from_secs(1_795_407_225));
/// let (wall, boot) = (clock.wall(), clock.boot());
/// let pod = clock.another();
/// pod.skew(-120);
/// assert!(pod.wall() < wall && clock.wall() >= wall);
/// clock.advance(Duration::from_secs(3600));
/// assert!(clock.boot().since(boot) >= Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug)]
pub struct SimClock {
    time: Arc<Time>,
    skew: Arc<AtomicI64>,
}

/// The true time.
#[derive(Debug)]
struct Time {
    started: Instant,
    /// The wall clock at `started`, since the epoch.
    base: Duration,
    advanced: Mutex<Duration>,
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
        let time = Time { started: Instant::now(), base, advanced: Mutex::default() };
        Self { time: Arc::new(time), skew: Arc::default() }
    }

    /// Another machine's clock, right until it is [set wrong](Self::skew).
    #[must_use]
    pub fn another(&self) -> Self {
        Self { time: self.time.clone(), skew: Arc::default() }
    }

    /// Moves the wall and the boot clocks of all machines forward together, as a suspended machine
    /// finds them when it wakes. Timers of tokio do not notice, just as a sleeping machine's do not.
    pub fn advance(&self, by: Duration) {
        let mut advanced = lock(&self.time.advanced);
        *advanced = advanced.saturating_add(by);
    }

    /// From now on this machine's wall clock is wrong by `seconds`, and nothing else is; by none,
    /// it is right again.
    pub fn skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::SeqCst);
    }

    fn elapsed(&self) -> Duration {
        self.time.started.elapsed().saturating_add(*lock(&self.time.advanced))
    }
}

impl Clock for SimClock {
    fn wall(&self) -> UnixTime {
        let true_wall = self.time.base.saturating_add(self.elapsed()).as_secs();
        let skew = self.skew.load(Ordering::SeqCst);
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
    async fn advance_moves_every_machine_and_skew_the_wall_of_one() {
        let clock = SimClock::starting_at(UnixTime::from_secs(1_000));
        let boot = clock.boot();
        let (same, other) = (clock.clone(), clock.another());
        other.advance(Duration::from_secs(60));
        same.skew(-300);
        assert_eq!((clock.wall().as_secs(), other.wall().as_secs()), (760, 1_060));
        assert_eq!([&clock, &other].map(|it| it.boot().since(boot).as_secs()), [60, 60]);
        same.skew(0);
        assert_eq!(clock.wall(), other.wall());
    }
}

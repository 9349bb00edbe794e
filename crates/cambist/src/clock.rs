//! The operating system's clocks: nothing else asks it for the time. And what https servers say the
//! time is, to hold against it.
//!
//! What measures how long something has been held must go on while the machine sleeps, which each
//! system has a clock of its own for: `CLOCK_BOOTTIME` on Linux, `CLOCK_MONOTONIC` on macOS, the
//! performance counter on Windows.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cambist_core::clock::{BootTime, Clock, Reading, UnixTime};

#[cfg_attr(target_os = "linux", path = "clock/linux.rs")]
#[cfg_attr(target_os = "macos", path = "clock/macos.rs")]
#[cfg_attr(windows, path = "clock/windows.rs")]
mod system;

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it, and it is made by its name")]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> UnixTime {
        UnixTime::from_secs(i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX))
    }

    fn wall_millis(&self) -> i64 {
        i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX)
    }

    fn boot(&self) -> BootTime {
        BootTime::from_origin(system::since_origin())
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place the time comes in")]
fn since_epoch() -> Duration {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The last `Date` of an https answer, and when it was heard. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<ArcSwapOption<(UnixTime, BootTime)>>);

impl Heard {
    /// Takes note of a `Date` that came just now.
    pub(crate) fn hear(&self, date: UnixTime, clock: &dyn Clock) {
        self.0.store(Some(Arc::new((date, clock.boot()))));
    }

    /// The time by the server that was heard last; `None` if none was heard yet.
    pub(crate) fn time(&self, now: BootTime) -> Option<Reading> {
        let heard = self.0.load();
        let (date, at) = heard.as_deref()?;
        Some(Reading::alone(*date).carried(now.since(*at)))
    }

    /// The time by this machine's wall clock, held against that.
    pub(crate) fn wall(&self, clock: &dyn Clock) -> Option<Reading> {
        self.time(clock.boot()).map(|time| Reading::against(clock.wall(), time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wrong_wall_clock_is_told_by_what_was_heard() {
        let right = cambist_sim::clock::SimClock::starting_at(UnixTime::from_secs(1_000_000));
        let (clock, heard) = (right.another(), Heard::default());
        assert_eq!(heard.wall(&clock), None);
        clock.skew(-600);
        heard.hear(right.wall(), &clock);
        right.advance(Duration::from_secs(50_000));
        let told = heard.wall(&clock).unwrap();
        assert_eq!((told.at(), told.error()), (clock.wall(), Duration::from_secs(605)));
        assert_eq!(heard.time(clock.boot()).unwrap().at(), right.wall());
    }

    #[test]
    fn the_clocks_go() {
        let (wall, boot) = (SystemClock.wall(), SystemClock.boot());
        assert!(wall.as_secs() > 1_795_000_000);
        assert!(SystemClock.boot() >= boot);
    }
}

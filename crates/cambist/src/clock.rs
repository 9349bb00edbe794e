//! The operating system's clocks: the only file that asks it for the time.

use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place the time comes in")]
    fn wall(&self) -> UnixTime {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let secs = since_epoch.map(|d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
        UnixTime::from_secs(secs.unwrap_or(0))
    }

    fn boot(&self) -> BootTime {
        // `Monotonic` stands still while a Linux machine sleeps, `Boottime` does not; elsewhere
        // `Monotonic` is all there is.
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let now = rustix::time::clock_gettime(id);
        let secs = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
        BootTime::from_origin(Duration::new(secs, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go() {
        let (wall, boot) = (SystemClock.wall(), SystemClock.boot());
        assert!(wall.as_secs() > 1_795_000_000);
        assert!(SystemClock.boot() >= boot);
    }
}

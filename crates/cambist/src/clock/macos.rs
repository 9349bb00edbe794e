//! macOS: `CLOCK_MONOTONIC`, which by clock_gettime(3) goes on while the system is asleep. `Instant`
//! does not: it is `CLOCK_UPTIME_RAW` there.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(super) fn since_origin() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
}

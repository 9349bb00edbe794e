//! Linux: `CLOCK_BOOTTIME`. `CLOCK_MONOTONIC` stands still while the machine sleeps.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(super) fn since_origin() -> Duration {
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}

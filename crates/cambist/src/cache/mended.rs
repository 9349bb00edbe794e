//! When what tokens fail for was last seen to be well again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cambist_core::clock::BootTime;

/// Since when a failure that began before is no reason to wait any more. Milliseconds of boot time.
#[derive(Debug, Default)]
pub(super) struct Mended {
    upstream: AtomicU64,
    assertion: AtomicU64,
}

impl Mended {
    /// A fetch succeeded.
    pub(super) fn upstream_is(&self, now: BootTime) {
        store(&self.upstream, now);
    }

    /// There is another projected token.
    pub(super) fn assertion_is(&self, now: BootTime) {
        store(&self.assertion, now);
    }

    pub(super) fn upstream(&self) -> BootTime {
        load(&self.upstream)
    }

    pub(super) fn assertion(&self) -> BootTime {
        load(&self.assertion)
    }
}

fn store(to: &AtomicU64, now: BootTime) {
    let now = now.since(BootTime::default()).as_millis();
    to.store(u64::try_from(now).unwrap_or(0), Ordering::Relaxed);
}

fn load(from: &AtomicU64) -> BootTime {
    BootTime::from_origin(Duration::from_millis(from.load(Ordering::Relaxed)))
}

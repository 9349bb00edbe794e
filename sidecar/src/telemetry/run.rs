//! This run of the sidecar: which program, since when.

use std::sync::Arc;
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::metrics::Counted;

/// This run of the sidecar.
#[derive(Clone, Debug)]
pub(super) struct Run {
    clock: Arc<dyn Clock>,
    started: UnixTime,
    born: BootTime,
}

impl Run {
    /// It begins now.
    pub(super) fn beginning(clock: Arc<dyn Clock>) -> Self {
        let (started, born) = (clock.wall(), clock.boot());
        Self { clock, started, born }
    }

    /// When it began, by the wall clock as it was then.
    pub(super) fn started(&self) -> UnixTime {
        self.started
    }

    /// What the wall clock says now.
    pub(super) fn now(&self) -> UnixTime {
        self.clock.wall()
    }

    /// The same in milliseconds since 1970.
    pub(super) fn millis(&self) -> i64 {
        self.clock.wall_millis()
    }

    /// How long it has lasted.
    pub(super) fn uptime(&self) -> Duration {
        self.clock.boot().since(self.born)
    }

    /// Its second that it is now.
    pub(super) fn second(&self) -> u64 {
        self.uptime().as_secs()
    }
}

impl Counted for Run {
    fn register(&self, registry: &mut Registry) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running program", build);
        let start = Gauge::<i64>::default();
        start.set(self.started.as_secs());
        let help = "When the sidecar started, in seconds since 1970";
        registry.register("start_timestamp_seconds", help, start);
    }
}

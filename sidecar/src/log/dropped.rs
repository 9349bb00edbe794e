//! How many lines nobody will read.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::metrics::Counted;

/// The lines that a log dropped: for want of room, or because writing them failed. Clones count
/// together.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Counter);

impl Dropped {
    /// How many.
    pub fn get(&self) -> u64 {
        self.0.get()
    }

    pub(super) fn add(&self, lines: u64) {
        self.0.inc_by(lines);
    }
}

impl Counted for Dropped {
    fn register(&self, registry: &mut Registry) {
        let help = "Lines of the log that were dropped because nobody read them in time";
        registry.register("log_lines_dropped", help, self.0.clone());
    }
}

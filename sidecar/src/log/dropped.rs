//! How many lines nobody will read.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::metrics::Counted;

/// Which lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// The log's.
    #[default]
    Log,
    /// The audit trail's.
    Audit,
}

impl Stream {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Audit => "audit",
        }
    }
}

/// The lines of one of them that were dropped: for want of room, or because writing them failed. Clones count
/// together.
#[derive(Clone, Debug, Default)]
pub struct Dropped {
    of: Stream,
    lines: Counter,
}

impl Dropped {
    /// None of these yet.
    pub fn of(stream: Stream) -> Self {
        Self { of: stream, lines: Counter::default() }
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.lines.get()
    }

    pub(super) fn add(&self, lines: u64) {
        self.lines.inc_by(lines);
    }
}

impl Counted for Dropped {
    fn register(&self, registry: &mut Registry) {
        let (name, help) = match self.of {
            Stream::Log => (
                "log_lines_dropped",
                "Lines of the log that were dropped because nobody read them in time",
            ),
            Stream::Audit => (
                "audit_lines_dropped",
                "Lines of the audit trail that were dropped because nobody took them in time",
            ),
        };
        registry.register(name, help, self.lines.clone());
    }
}

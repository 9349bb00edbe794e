//! What is counted, and its text: OpenMetrics, or Prometheus' own. What is counted, and under which name,
//! stands beside what it counts.

use std::fmt;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

mod closed;
mod durations;
mod format;
mod held;

pub(crate) use closed::{Each, EachPair};
pub(crate) use durations::Durations;
pub(crate) use format::Format;
pub use held::Held;

/// What every metric's name begins with.
const PREFIX: &str = "cambist";

/// Labels whose words are known from the start: never free text.
pub(crate) type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Something that counts.
pub trait Counted {
    /// Adds its metrics, once: each with its name, without prefix and unit's suffix, and its help.
    fn register(&self, registry: &mut Registry);
}

/// All metrics of a sidecar.
pub struct Metrics(Registry);

impl Metrics {
    /// The metrics of all these.
    pub fn of(all: &[&dyn Counted]) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        for counted in all {
            counted.register(&mut registry);
        }
        Self(registry)
    }

    /// Everything as text, with what is held.
    pub(crate) fn encode(&self, held: Held<'_>, format: Format) -> String {
        let mut of_now = Registry::with_prefix(PREFIX);
        held.register(&mut of_now);
        let mut text = String::new();
        // Writing to a `String` cannot fail, and neither do our labels.
        let _ = encode_registry(&mut text, &self.0);
        let _ = encode_registry(&mut text, &of_now);
        let _ = encode_eof(&mut text);
        match format {
            Format::OpenMetrics => text,
            Format::Text => format::as_text(&text),
        }
    }

    /// What is counted alone, for tests.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.encode(Held::default(), Format::OpenMetrics)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod bounded;
#[cfg(test)]
mod moved;
#[cfg(test)]
mod names;
#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;

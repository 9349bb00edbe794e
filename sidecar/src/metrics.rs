//! What is counted, in OpenMetrics: the registry and its text. What is counted, and under which name,
//! stands beside what it counts.

use std::fmt;

use cambist::cache::Entry;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

mod closed;
mod held;

pub(crate) use closed::{Each, EachPair};

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

    /// Everything as OpenMetrics text, with what each identity holds as told.
    pub fn encode<'e>(&self, entries: impl IntoIterator<Item = (&'e str, Entry)>) -> String {
        let mut of_now = Registry::with_prefix(PREFIX);
        held::held(entries, &mut of_now);
        let mut text = String::new();
        // Writing to a `String` cannot fail, and neither do our labels.
        let _ = encode_registry(&mut text, &self.0);
        let _ = encode_registry(&mut text, &of_now);
        let _ = encode_eof(&mut text);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod names;
#[cfg(test)]
mod tests;

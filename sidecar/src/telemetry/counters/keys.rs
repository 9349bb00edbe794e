//! Looks for the issuer's keys, and what is said against them.

use cambist::Event;
use cambist::event::{KeySource, KeysOutcome};
use cambist_core::admission::{Assertion, Mode, Standing};
use prometheus_client::registry::Registry;

use crate::key_age::Rules;
use crate::metrics::{Counted, EachPair};

/// Why enforcement refuses.
const OBJECTIONS: [&str; 3] = ["key_overdue", "key_compromised", "unchecked_held"];
const JUDGING: [Mode; 2] = [Mode::Audit, Mode::Enforce];

const SOURCES: usize = KeySource::ALL.len();
const OUTCOMES: usize = KeysOutcome::ALL.len();

#[derive(Debug)]
pub(super) struct Keys {
    mode: Mode,
    fetches: EachPair<KeySource, KeysOutcome, SOURCES, OUTCOMES>,
    objections: EachPair<&'static str, Mode, 3, 2>,
}

impl Keys {
    pub(super) fn new(rules: Option<&Rules>) -> Self {
        Self {
            mode: rules.map_or(Mode::Off, |rules| rules.mode),
            fetches: EachPair::new(
                (KeySource::ALL, ("source", KeySource::as_str)),
                (KeysOutcome::ALL, ("outcome", KeysOutcome::as_str)),
            ),
            objections: EachPair::new(
                (OBJECTIONS, ("reason", |reason| reason)),
                (JUDGING, ("mode", Mode::as_str)),
            ),
        }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::KeysFetched(it) => self.fetches.inc(it.source, it.outcome()),
            Event::Admitted(it) => self.admitted(it.assertion),
            Event::Fetched(it) => {
                // Other reasons than enforcement's do not count.
                if let Err(error) = it.outcome {
                    self.objections.inc(error.reason().as_str(), self.mode);
                }
            }
            _ => {}
        }
    }

    /// In audit mode, counts what enforcement would have refused.
    fn admitted(&self, assertion: &Assertion) {
        if self.mode != Mode::Audit {
            return;
        }
        if let Standing::Unchecked(_) = assertion.standing() {
            self.objections.inc("unchecked_held", self.mode);
        }
        if let Some(objection) = assertion.objection() {
            self.objections.inc(objection.as_str(), self.mode);
        }
    }
}

impl Counted for Keys {
    fn register(&self, registry: &mut Registry) {
        let help = "Looking for the issuer's keys, by source";
        self.fetches.register(registry, "key_fetches", help);
        let help = "Projected tokens that were refused for their key, or would be where enforced";
        self.objections.register(registry, "key_objections", help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::counted;

    #[test]
    fn every_look_and_objection_is_where_its_labels_say() {
        let keys = Keys::new(None);
        keys.fetches.inc(KeySource::Api, KeysOutcome::Failed);
        keys.objections.inc("key_compromised", Mode::Enforce);
        keys.objections.inc("dns", Mode::Enforce);
        keys.objections.inc("key_overdue", Mode::Off);
        assert_eq!(
            counted(&keys),
            [
                "cambist_key_fetches_total{source=\"api\",outcome=\"failed\"} 1",
                "cambist_key_objections_total{reason=\"key_compromised\",mode=\"enforce\"} 1",
            ]
        );
    }
}

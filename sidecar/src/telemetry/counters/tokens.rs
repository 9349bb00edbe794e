//! The work for tokens.

use std::time::Duration;

use cambist::Event;
use cambist::event::Hop;
use cambist_core::admission::Standing;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::metrics::{Counted, Labels};

#[derive(Debug)]
pub(super) struct Tokens {
    fetches: Family<Labels<3>, Counter>,
    fetch_seconds: Histogram,
    admissions: Family<Labels<2>, Counter>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            fetches: Family::default(),
            fetch_seconds: Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
            admissions: Family::default(),
        }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Admitted(it) => self.admitted(it.assertion.standing()),
            Event::Fetched(it) => {
                let reason = it.outcome.err().map(|error| error.reason().as_str());
                self.fetched(it.hop(), reason, it.took);
            }
            _ => {}
        }
    }

    /// The work for a token ended; `reason` is why it failed.
    fn fetched(&self, hop: Hop, reason: Option<&'static str>, took: Duration) {
        let outcome = if reason.is_some() { "failed" } else { "ok" };
        let hop = ("hop", hop.as_str());
        let labels = [hop, ("outcome", outcome), ("reason", reason.unwrap_or("none"))];
        self.fetches.get_or_create(&labels).inc();
        self.fetch_seconds.observe(took.as_secs_f64());
    }

    fn admitted(&self, standing: Standing) {
        let labels = match standing {
            Standing::Verified(_) => [("standing", "verified"), ("reason", "none")],
            Standing::Unchecked(reason) => [("standing", "unchecked"), ("reason", reason.as_str())],
        };
        self.admissions.get_or_create(&labels).inc();
    }
}

impl Counted for Tokens {
    fn register(&self, registry: &mut Registry) {
        let help = "Work for a token (read, judge, exchange), by its end";
        registry.register("fetches", help, self.fetches.clone());
        let help = "How long the work for a token took";
        registry.register("fetch_duration_seconds", help, self.fetch_seconds.clone());
        let help = "Projected tokens that may be sent: verified, or unchecked and why";
        registry.register("admissions", help, self.admissions.clone());
    }
}

#[cfg(test)]
mod tests {
    use cambist_core::admission::Unchecked;

    use super::*;
    use crate::testing::counted;

    #[test]
    fn every_token_is_where_its_labels_say() {
        let tokens = Tokens::new();
        tokens.fetched(Hop::Blueprint, Some("entra_throttled"), Duration::from_secs(1));
        tokens.admitted(Standing::Unchecked(Unchecked::NoKeys));
        let text = counted(&tokens).join("\n");
        for line in [
            "cambist_fetches_total{hop=\"blueprint\",outcome=\"failed\",reason=\"entra_throttled\"} 1",
            "cambist_fetch_duration_seconds_sum 1.0",
            "cambist_admissions_total{standing=\"unchecked\",reason=\"no_keys\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}

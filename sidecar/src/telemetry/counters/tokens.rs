//! The work for tokens.

use std::time::Duration;

use cambist::Event;
use cambist::event::{Fetched, Hop};
use cambist_core::admission::Standing;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::metrics::{Counted, Durations, Labels};
use crate::telemetry::OTHER;

#[derive(Debug)]
pub(super) struct Tokens {
    fetches: Family<Labels<3>, Counter>,
    fetch_seconds: Durations,
    entra_errors: Family<[(&'static str, String); 1], Counter>,
    admissions: Family<Labels<2>, Counter>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            fetches: Family::default(),
            fetch_seconds: Durations::default(),
            entra_errors: Family::default(),
            admissions: Family::default(),
        }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Admitted(it) => self.admitted(it.assertion.standing()),
            Event::Fetched(it) => {
                let reason = it.outcome.err().map(|error| error.reason().as_str());
                self.fetched(it.hop(), reason, it.took);
                self.refused(it);
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
        self.fetch_seconds.observe(took);
    }

    /// Entra may have said why not.
    fn refused(&self, it: &Fetched<'_>) {
        let Err(error) = it.outcome else { return };
        // The refusal of a blueprint is told once of itself, and once more of each token that is missing for it.
        let told = it.hop() == Hop::Resource && error.blueprint().is_some();
        if let Some(entra) = error.entra().filter(|_| !told) {
            let code = entra.known_code().map_or(OTHER.to_owned(), |code| format!("AADSTS{code}"));
            self.entra_errors.get_or_create(&[("code", code)]).inc();
        }
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
        let help =
            "Refusals of Entra's, by the AADSTS code: one of those that cambist knows, or other";
        registry.register("entra_errors", help, self.entra_errors.clone());
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

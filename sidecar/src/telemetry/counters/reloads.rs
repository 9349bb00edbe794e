//! What was changed while the sidecar ran, and what became of it.

use cambist::Event;
use cambist::event::{FileKind, FileOutcome};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::event::Reloaded;
use crate::metrics::{Counted, EachPair};
use crate::telemetry::run::Run;

/// The file of identities, with the secrets that it names.
const POLICY: &str = "policy";

const WHAT: [&str; 4] =
    [FileKind::Ca.as_str(), FileKind::Certificate.as_str(), FileKind::Token.as_str(), POLICY];

#[derive(Debug)]
pub(super) struct Reloads {
    all: EachPair<&'static str, FileOutcome, { WHAT.len() }, { FileOutcome::ALL.len() }>,
    run: Run,
    loaded: Gauge,
    successful: Gauge,
}

impl Reloads {
    /// What is in force at the start of this run was taken up then.
    pub(super) fn new(run: Run) -> Self {
        let outcomes = (FileOutcome::ALL, ("outcome", FileOutcome::as_str as fn(_) -> _));
        let (loaded, successful) = (Gauge::default(), Gauge::default());
        loaded.set(run.started().as_secs());
        successful.set(1);
        Self {
            all: EachPair::new((WHAT, ("what", |what| what)), outcomes),
            run,
            loaded,
            successful,
        }
    }

    pub(super) fn policy(&self, it: &Reloaded<'_>) {
        match it {
            Reloaded::Applied { .. } => {
                self.all.inc(POLICY, FileOutcome::Applied);
                self.loaded.set(self.run.now().as_secs());
            }
            Reloaded::Refused { .. } => self.all.inc(POLICY, FileOutcome::Refused),
            Reloaded::Unchanged => {}
        }
        self.successful.set(i64::from(!matches!(it, Reloaded::Refused { .. })));
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        if let Event::FileChanged(it) = event {
            self.all.inc(it.kind.as_str(), it.outcome());
        }
    }
}

impl Counted for Reloads {
    fn register(&self, registry: &mut Registry) {
        let help = "Changed files, by whether what they hold was taken up";
        self.all.register(registry, "reloads", help);
        let help = "When the policy that is in force was taken up, with its secrets, in seconds since 1970";
        registry.register("config_loaded_timestamp_seconds", help, self.loaded.clone());
        let help = "Whether the policy and its secrets are in force as they stand: 0 while what was last found is no good. Of other files \
            file_usable tells";
        registry.register("config_last_reload_successful", help, self.successful.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::counted;

    #[test]
    fn every_kind_of_file_is_counted() {
        let run = Run::beginning(std::sync::Arc::new(cambist::SystemClock));
        let reloads = Reloads::new(run);
        for kind in FileKind::ALL {
            reloads.all.inc(kind.as_str(), FileOutcome::Refused);
        }
        reloads.policy(&Reloaded::Refused { problem: "" });
        reloads.policy(&Reloaded::Applied {
            identities: 1,
            callers: 1,
            token_files: &[],
            warnings: &[],
        });
        reloads.policy(&Reloaded::Unchanged);
        let found = counted(&reloads);
        let (counts, gauges): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|it| it.starts_with("cambist_reloads"));
        assert_eq!(gauges[0], "cambist_config_last_reload_successful 1");
        assert!(gauges[1].starts_with("cambist_config_loaded_timestamp_seconds "), "{gauges:?}");
        assert_eq!(
            counts,
            [
                "cambist_reloads_total{what=\"ca\",outcome=\"refused\"} 1",
                "cambist_reloads_total{what=\"certificate\",outcome=\"refused\"} 1",
                "cambist_reloads_total{what=\"policy\",outcome=\"applied\"} 1",
                "cambist_reloads_total{what=\"policy\",outcome=\"refused\"} 1",
                "cambist_reloads_total{what=\"token\",outcome=\"refused\"} 1",
            ]
        );
    }
}

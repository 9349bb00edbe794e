//! What was changed while the sidecar ran, and what became of it.

use cambist::Event;
use cambist::event::{FileKind, FileOutcome};
use prometheus_client::registry::Registry;

use crate::event::Reloaded;
use crate::metrics::{Counted, EachPair};

/// The file of identities, with the secrets that it names.
const POLICY: &str = "policy";

const WHAT: [&str; 3] = [FileKind::Ca.as_str(), FileKind::Token.as_str(), POLICY];

#[derive(Debug)]
pub(super) struct Reloads {
    all: EachPair<&'static str, FileOutcome, { WHAT.len() }, { FileOutcome::ALL.len() }>,
}

impl Reloads {
    pub(super) fn new() -> Self {
        let outcomes = (FileOutcome::ALL, ("outcome", FileOutcome::as_str as fn(_) -> _));
        Self { all: EachPair::new((WHAT, ("what", |what| what)), outcomes) }
    }

    pub(super) fn policy(&self, it: &Reloaded<'_>) {
        match it {
            Reloaded::Applied { .. } => self.all.inc(POLICY, FileOutcome::Applied),
            Reloaded::Refused { .. } => self.all.inc(POLICY, FileOutcome::Refused),
            Reloaded::Unchanged => {}
        }
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::counted;

    #[test]
    fn every_kind_of_file_is_counted() {
        let reloads = Reloads::new();
        for kind in FileKind::ALL {
            reloads.all.inc(kind.as_str(), FileOutcome::Refused);
        }
        reloads.policy(&Reloaded::Refused { problem: "" });
        reloads.policy(&Reloaded::Applied { identities: 1, callers: 1, warnings: &[] });
        reloads.policy(&Reloaded::Unchanged);
        assert_eq!(
            counted(&reloads),
            [
                "cambist_reloads_total{what=\"ca\",outcome=\"refused\"} 1",
                "cambist_reloads_total{what=\"policy\",outcome=\"applied\"} 1",
                "cambist_reloads_total{what=\"policy\",outcome=\"refused\"} 1",
                "cambist_reloads_total{what=\"token\",outcome=\"refused\"} 1",
            ]
        );
    }
}

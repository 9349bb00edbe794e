//! The reader that writes the audit log, each trouble once a minute in full and then by its number.

use cambist_core::admission::Mode;
use cambist_core::foreign::Foreign;

use super::repeats::{Again, Repeats};
use super::run::Run;
use super::sparing::Sparing;
use crate::event::Event;
use crate::key_age::{Changes, Rules};

mod endpoint;
mod library;
mod policy;

/// The target of audit events, so that they can be filtered and found.
pub(crate) const AUDIT: &str = "cambist_sidecar::audit";

/// What was told so far.
#[derive(Debug)]
pub(super) struct Log {
    run: Run,
    rules: Option<Rules>,
    refusals: Repeats,
    denials: Repeats,
    failures: Repeats,
    fetches: Repeats,
    looks: Repeats,
    objections: Sparing,
    changes: Changes,
}

impl Log {
    pub(super) fn new(run: Run, rules: Option<Rules>) -> Self {
        Self {
            run,
            rules,
            refusals: Repeats::default(),
            denials: Repeats::default(),
            failures: Repeats::default(),
            fetches: Repeats::default(),
            looks: Repeats::default(),
            objections: Sparing::default(),
            changes: Changes::default(),
        }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Library(event) => self.library(event),
            Event::Refused(it) => self.refused(it),
            Event::TurnedAway(it) => self.turned_away(it),
            Event::Failed(it) => self.failed(it),
            Event::SentAway(it) => self.sent_away(it),
            Event::WouldDeny(it) => self.would_deny(it),
            Event::Granted(it) => endpoint::granted(it),
            Event::Reloaded(it) => policy::reloaded(it),
        }
    }

    /// Tells how often what was told before came again, if its minute is over.
    pub(super) fn sum_up(&self) {
        let second = self.run.second();
        for (what, repeats) in [
            ("refused", &self.refusals),
            ("would deny", &self.denials),
            ("no token to give", &self.failures),
            ("not issued", &self.fetches),
            ("no issuer keys", &self.looks),
        ] {
            for Again { reason, who, about, times } in repeats.over(second) {
                let about = Foreign::new(&*about);
                let (who, about) = (&*who, about.as_str());
                tracing::warn!(target: AUDIT, reason, who, about, what, unlogged = times, "again");
            }
        }
    }

    fn mode(&self) -> Mode {
        self.rules.as_ref().map_or(Mode::Off, |rules| rules.mode)
    }
}

//! The reader that writes the log of the sidecar's own work: exchanges, keys, files. Each trouble once a minute in full
//! and then by its number. What callers got is told in the audit trail.

use std::sync::atomic::{AtomicU64, Ordering};

use super::repeats::{Again, Repeats};
use super::run::Run;
use crate::event::{Event, Reloaded};
use crate::key_age::{Changes, Rules};
use crate::telemetry::MESSAGE;
use cambist_core::foreign::{Foreign, brief};

mod library;

/// The target of these events, so that they can be filtered and found.
pub(crate) const WORK: &str = "cambist_sidecar::work";

/// What was told so far.
#[derive(Debug)]
pub(super) struct Log {
    run: Run,
    rules: Option<Rules>,
    fetches: Repeats,
    looks: Repeats,
    changes: Changes,
    /// How many lines of the audit trail were told to be lost.
    lost: AtomicU64,
}

impl Log {
    pub(super) fn new(run: Run, rules: Option<Rules>) -> Self {
        let (fetches, looks) = (Repeats::default(), Repeats::default());
        Self { run, rules, fetches, looks, changes: Changes::default(), lost: AtomicU64::new(0) }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Library(event) => self.library(event),
            Event::Reloaded(Reloaded::Applied { warnings, .. }) => {
                warnings
                    .iter()
                    .for_each(|it| tracing::warn!(target: WORK, "{}", brief(it, MESSAGE)));
            }
            Event::Reloaded(Reloaded::Refused { problem }) => {
                let detail = brief(problem, MESSAGE);
                tracing::warn!(
                    target: WORK,
                    what = "policy",
                    detail,
                    "the changed policy cannot be used; what was in force before is so still"
                );
            }
            _ => {}
        }
    }

    /// Tells that lines of the audit trail were lost, so many by now: that stream itself may be what is broken. Whoever
    /// calls it does so once a minute.
    pub(super) fn lost(&self, by_now: u64) {
        let lines = by_now.saturating_sub(self.lost.swap(by_now, Ordering::Relaxed));
        if lines > 0 {
            tracing::warn!(
                target: WORK,
                lines,
                "lines of the audit trail were lost: nobody took them in time, or they could not be written"
            );
        }
    }

    /// Tells how often what was told before came again, if its minute is over.
    pub(super) fn sum_up(&self) {
        let second = self.run.second();
        for (what, repeats) in [("not issued", &self.fetches), ("no issuer keys", &self.looks)] {
            for Again { reason, who, about, times } in repeats.over(second) {
                let about = Foreign::new(&*about);
                let (who, about) = (&*who, about.as_str());
                tracing::warn!(target: WORK, reason, who, about, what, unlogged = times, "again");
            }
        }
    }
}

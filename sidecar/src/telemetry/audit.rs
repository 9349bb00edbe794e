//! The audit trail: who got whose token and who did not, and what changed about that. Each thing once in full; what
//! comes again, once a minute by its number, so that nothing is lost in silence.
//!
//! Of an event a typed [`Record`] is made, and told to all who take records.

use std::borrow::Cow;

use cambist::{Error, Event as Work};
use cambist_core::admission::{Mode, Refusal, Refused};
use cambist_core::foreign::Foreign;

use super::MESSAGE;
use super::repeats::{Again, Repeats};
use super::run::Run;
use crate::event::Event;
use crate::key_age::Rules;

mod grants;
mod record;
mod requests;
mod table;
mod to;
mod trail;
mod trust;
mod words;

pub use record::{Record, SCHEMA, Time};
pub use table::table;
pub use to::To;
pub use trail::Trail;
pub use words::{Kind, KnownBy, Outcome};

use grants::Grants;

/// The target of what the log has of it, so that it can be filtered and found.
const AUDIT: &str = "cambist_sidecar::audit";

/// Makes records of events.
#[derive(Debug)]
pub(super) struct Audit {
    run: Run,
    rules: Option<Rules>,
    pub(super) trail: Trail,
    refusals: Repeats,
    denials: Repeats,
    failures: Repeats,
    recalls: Repeats,
    objections: Repeats,
    grants: Grants,
}

impl Audit {
    pub(super) fn new(run: Run, rules: Option<Rules>) -> Self {
        Self {
            run,
            rules,
            trail: Trail::default(),
            refusals: Repeats::default(),
            denials: Repeats::default(),
            failures: Repeats::default(),
            recalls: Repeats::default(),
            objections: Repeats::default(),
            grants: Grants::default(),
        }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Granted(it) => self.granted(it),
            Event::Refused(it) => self.refused(it),
            Event::TurnedAway(it) => self.turned_away(it),
            Event::Failed(it) => self.failed(it),
            Event::SentAway(it) => self.sent_away(it),
            Event::WouldDeny(it) => self.would_deny(it),
            Event::Reloaded(it) => self.reloaded(it),
            Event::Library(Work::Admitted(it)) => self.admitted(it),
            Event::Library(Work::Fetched(it)) => self.fetched(it),
            Event::Library(Work::FileChanged(it)) => self.file_changed(it),
            Event::Library(_) => {}
        }
    }

    /// Hands a record to all who take them. None of them waits for anything.
    fn tell(&self, record: &Record<'_>) {
        self.trail.take(record);
    }

    /// Tells how often what had a record came again: tokens that were handed out, and whatever else has its minute
    /// behind it by this second.
    pub(super) fn sum_up(&self, second: u64) {
        self.grants.sum_up(|had, times| {
            self.tell(&Record {
                outcome: Some(Outcome::Granted),
                count: Some(times),
                caller: text(&had.caller),
                identity: text(&had.identity),
                client_id: text(&had.client_id),
                resource: text(&had.resource),
                client_request_id: text(&had.client_request_id),
                token_sha256: text(&had.token_sha256),
                ..self.record(Kind::Repeated)
            });
        });
        for (outcome, repeats) in [
            (Outcome::Refused, &self.refusals),
            (Outcome::WouldDeny, &self.denials),
            (Outcome::Failed, &self.failures),
            (Outcome::SentAway, &self.recalls),
            (Outcome::KeyObjection, &self.objections),
        ] {
            repeats.over(second).iter().for_each(|again| self.repeated(outcome, again));
        }
    }

    fn repeated(&self, outcome: Outcome, again: &Again) {
        let Again { reason, who, about, times } = again;
        let some = |text: &str| (!text.is_empty()).then(|| foreign(text)).flatten();
        let mut record = Record {
            outcome: Some(outcome),
            count: Some(*times),
            reason: text(reason),
            ..self.record(Kind::Repeated)
        };
        match (outcome, &**about) {
            (Outcome::KeyObjection, key) => (record.client_id, record.key) = (some(who), some(key)),
            (_, "") | (Outcome::Refused, "none") => record.caller = some(who),
            (Outcome::Refused, "admin") => record.listener = text("admin"),
            (Outcome::Refused, protocol) => {
                (record.caller, record.protocol) = (some(who), some(protocol));
            }
            (_, wanted) => {
                // No identity has a blank in its name.
                let (identity, resource) = wanted.split_once(' ').unwrap_or((wanted, ""));
                record.caller = some(who);
                (record.identity, record.resource) = (some(identity), some(resource));
            }
        }
        self.tell(&record);
    }

    fn record(&self, kind: Kind) -> Record<'static> {
        Record::new(kind, Time(self.run.millis()))
    }

    fn mode(&self) -> Mode {
        self.rules.as_ref().map_or(Mode::Off, |rules| rules.mode)
    }
}

/// What enforcement says of the key, if that is why there is no token.
pub(super) fn key_refused(error: &Error) -> Option<&Refused> {
    let source = std::error::Error::source(error)?;
    match source.downcast_ref()? {
        Refusal::Key(refused) => Some(refused),
        _ => None,
    }
}

fn text(text: &str) -> Option<Cow<'_, str>> {
    Some(text.into())
}

/// Text that others wrote, in the form in which it may be repeated.
fn foreign(text: &str) -> Option<Cow<'static, str>> {
    Some(Foreign::new(text).as_str().to_owned().into())
}

#[cfg(test)]
mod tests;

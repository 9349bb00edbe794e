//! The reader that keeps what `/status.json` tells beside what is held.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use cambist::event::{KeySource, KeysFetched, KeysOutcome};
use cambist_core::admission::{Standing, Unchecked};
use cambist_core::clock::UnixTime;
use cambist_core::foreign::brief;

use super::MESSAGE;
use super::run::Run;
use crate::event::{Event, Reloaded};

const UNCHECKED: [Unchecked; 4] =
    [Unchecked::NoKeys, Unchecked::UnknownKid, Unchecked::UnusableKey, Unchecked::ClockSkew];

/// What was heard last.
#[derive(Debug)]
pub(super) struct Status {
    run: Run,
    reloads: Mutex<Reloads>,
    keys: Mutex<Vec<KeyNews>>,
    unchecked: [AtomicU64; UNCHECKED.len()],
}

/// What became of the last changes of the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reloads {
    /// When what is in force was taken over; none if that was at the start.
    pub(crate) applied: Option<UnixTime>,
    /// Since when what is there is no good, and why.
    pub(crate) refused: Option<(UnixTime, String)>,
}

/// The last that was heard of a key source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyNews {
    /// Where.
    pub source: KeySource,
    /// When.
    pub at: UnixTime,
    /// Whether keys were read.
    pub outcome: KeysOutcome,
    /// In words.
    pub detail: String,
}

impl Status {
    pub(super) fn new(run: Run) -> Self {
        let unchecked = UNCHECKED.map(|_| AtomicU64::default());
        Self { run, reloads: Mutex::default(), keys: Mutex::default(), unchecked }
    }

    fn reloaded(&self, it: &Reloaded<'_>) {
        let now = self.run.now();
        let mut reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        match it {
            Reloaded::Applied { .. } => *reloads = Reloads { applied: Some(now), refused: None },
            Reloaded::Refused { problem } => reloads.refused = Some((now, brief(problem, MESSAGE))),
            Reloaded::Unchanged => reloads.refused = None,
        }
    }

    pub(super) fn reloads(&self) -> Reloads {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Library(cambist::Event::KeysFetched(it)) => self.keys_fetched(it),
            Event::Library(cambist::Event::Admitted(it)) => self.admitted(it.assertion.standing()),
            Event::Reloaded(it) => self.reloaded(it),
            Event::Library(_)
            | Event::Refused(_)
            | Event::TurnedAway(_)
            | Event::Failed(_)
            | Event::SentAway(_)
            | Event::WouldDeny(_)
            | Event::Granted(_) => {}
        }
    }

    fn keys_fetched(&self, it: &KeysFetched<'_>) {
        let detail = it.result.err().map(|error| brief(error, MESSAGE)).unwrap_or_default();
        let news = KeyNews { source: it.source, at: it.at, outcome: it.outcome(), detail };
        let mut all = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|known| known.source == it.source) {
            Some(known) => *known = news,
            None => all.push(news),
        }
    }

    fn admitted(&self, standing: Standing) {
        let Standing::Unchecked(reason) = standing else { return };
        let at = UNCHECKED.iter().position(|known| *known == reason);
        if let Some(count) = at.and_then(|at| self.unchecked.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn key_news(&self) -> Vec<KeyNews> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn unchecked(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.unchecked.iter().map(|count| count.load(Ordering::Relaxed));
        UNCHECKED.iter().map(|reason| reason.as_str()).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_itself() {
        let clock = std::sync::Arc::new(cambist::SystemClock);
        let status = Status::new(Run::beginning(clock));
        status.admitted(Standing::Unchecked(Unchecked::UnusableKey));
        let counted: Vec<_> = status.unchecked().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("unusable_key", 1)]);
    }
}

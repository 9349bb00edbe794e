//! Adding what was seen.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::{Endpoint, FLAP, History, Observed, Run, Sighting};
use crate::fact::Source;
use crate::role::Signings;
use crate::words::span;
use cambist_core::clock::{Reading, UnixTime};
use cambist_core::jwks::Thumbprint;

/// Most runs that are held. Ten years of weekly rotation need that many; an issuer that shows other
/// keys at each look must not fill the memory.
const MAX_RUNS: usize = 1024;

/// Most keys that are remembered, for the same reason.
const MAX_KEYS: usize = 1024;

/// Most places that keys take in all runs together.
const MAX_PLACES: usize = 16 * 1024;

/// Longest name and entity tag that are kept, in bytes.
const MAX_TEXT: usize = 128;

/// How wrong a clock may be that dates what is recorded. A history forgets no mistake: of a look that
/// is dated months back, a young key would be old for good.
pub const MAX_CLOCK_ERROR: Duration = Duration::from_secs(300);

/// Why a look is not recorded: nobody knows well enough when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this clock says {}, which is {} off the https date that came with the answer; looks are recorded up to {}: set this machine's clock right, by NTP, or see what the server says", .0.at(), span(.0.error()), span(MAX_CLOCK_ERROR)
)]
pub struct LeftOut(Reading);

impl History {
    /// Adds a look at a key set.
    ///
    /// # Errors
    /// [`LeftOut`] if it is dated by a clock that is off by more than [`MAX_CLOCK_ERROR`]; nothing is
    /// added then.
    pub fn observe(&mut self, seen: &Sighting) -> Result<(), LeftOut> {
        if seen.at.error() > MAX_CLOCK_ERROR {
            return Err(LeftOut(seen.at));
        }
        let at = seen.at.at();
        self.sequence = self.sequence.saturating_add(1);
        for (key, kids) in &seen.kids {
            // A name that is the thumbprint itself needs no remembering.
            let thumbprint = key.to_string();
            let notable = |kid: &&String| **kid != thumbprint && kid.len() <= MAX_TEXT;
            let kids: Vec<_> = kids.iter().filter(notable).cloned().collect();
            if !kids.is_empty() {
                self.kids.entry(*key).or_default().extend(kids);
            }
        }
        // Whole seconds, as everything in the document.
        let error = Duration::from_secs(seen.at.error().as_secs());
        let modified = seen.last_modified.filter(|modified| *modified <= at);
        let run = Run {
            source: seen.source,
            keys: seen.keys.clone(),
            from: at,
            to: at,
            n: 1,
            stale: seen.stale,
            error,
            best: Observed { at, stale: seen.stale, error },
            pause: Some(Duration::ZERO),
            last_modified: modified,
            modified,
            etag: seen.etag.clone().filter(|etag| etag.len() <= MAX_TEXT),
        };
        match self.inside(&run).or_else(|| self.continued(&run)) {
            Some(index) => self.runs[index].take(run),
            None => {
                self.runs.push(run);
                self.normalise();
            }
        }
        self.trim_kids();
        while self.is_full() && self.forget() {}
        Ok(())
    }

    fn is_full(&self) -> bool {
        let places = self.runs.iter().map(|run| run.keys.len()).sum::<usize>();
        let keys = || self.runs.iter().flat_map(|run| &run.keys).collect::<HashSet<_>>().len();
        self.runs.len() > MAX_RUNS || places > MAX_PLACES || places > MAX_KEYS && keys() > MAX_KEYS
    }

    /// A look at `at` that found the set of this `ETag` unchanged, as a 304 says.
    ///
    /// `None` if this history holds no such set of `source`.
    pub fn unchanged(&self, source: Source, at: Reading, etag: &str) -> Option<Sighting> {
        let runs = self.runs.iter().filter(|run| run.source == source);
        let tagged = runs.filter(|run| run.etag.as_deref() == Some(etag));
        let run = tagged.max_by_key(|run| run.to)?;
        Some(Sighting {
            source,
            at,
            stale: run.stale,
            last_modified: run.modified,
            etag: run.etag.clone(),
            keys: run.keys.clone(),
            kids: run.keys.iter().map(|key| (*key, BTreeSet::new())).collect(),
        })
    }

    /// The run that an observation which comes late lies within, unless a key was first seen between it
    /// and the end of that run: then it may be the last before that.
    fn inside(&self, new: &Run) -> Option<usize> {
        let of_source = || self.runs.iter().filter(|run| run.source == new.source);
        let first = |key: &Thumbprint| {
            of_source().filter(|run| run.keys.contains(key)).map(|run| run.from).min()
        };
        self.runs.iter().position(|run| {
            let within = run.from <= new.from && new.from <= run.to;
            let fits = run.source == new.source && within && run.keys == new.keys;
            let meanwhile = || of_source().filter(|it| new.from < it.to && it.from <= run.to);
            fits && meanwhile()
                .flat_map(|it| it.keys.difference(&run.keys))
                .all(|key| first(key).is_none_or(|first| first <= new.from || first > run.to))
        })
    }

    /// The run that a new observation continues.
    ///
    /// The latest run of its source, if the set is the same. An earlier one too, if the set just
    /// flaps: within [`FLAP`], and if between the two no key was seen for the first time (whose
    /// absence before that moment would be forgotten).
    fn continued(&self, new: &Run) -> Option<usize> {
        let same_source = |run: &&Run| run.source == new.source;
        let same = |run: &Run| run.source == new.source && run.keys == new.keys;
        let runs = self.runs.iter().enumerate();
        let (index, run) = runs.filter(|(_, run)| same(run)).max_by_key(|(_, run)| run.to)?;
        if new.from < run.to {
            return None;
        }
        let of_source = || self.runs.iter().filter(same_source);
        let mut later = of_source().filter(|other| other.to > run.to).peekable();
        let flaps = new.from.since(run.to) <= FLAP;
        if later.peek().is_some() && !flaps {
            return None;
        }
        let by_then = of_source().filter(|other| other.from <= run.to).flat_map(|run| &run.keys);
        let by_then: HashSet<_> = by_then.collect();
        later.flat_map(|other| &other.keys).all(|key| by_then.contains(key)).then_some(index)
    }

    /// Adds a verified token that `key` signed.
    pub fn observe_token(&mut self, key: Thumbprint, issued: UnixTime, expires: UnixTime) {
        self.sequence = self.sequence.saturating_add(1);
        let seen = Signings::of(issued, expires);
        self.signings.entry(key).and_modify(|held| *held = held.join(seen)).or_insert(seen);
    }

    /// Adds where a discovery document says that the key set is.
    pub fn observe_endpoint(&mut self, at: UnixTime, uri: &str) {
        self.sequence = self.sequence.saturating_add(1);
        let seen = Endpoint { at, uri: uri.to_owned() };
        self.endpoint = self.endpoint.take().max(Some(seen));
    }
}

//! Merging: a join of semilattices, so that order and repetition do not matter.

use super::{History, Run};
use cambist_core::foreign::Foreign;

/// Two histories are of different issuers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a history of {found} cannot be merged into one of {expected}; issuers are compared byte for byte, a trailing slash included"
)]
pub struct AnotherIssuer {
    expected: Foreign,
    found: Foreign,
}

/// How many names of one key are kept: the first few, by their letters, so that merging stays
/// independent of order.
const MAX_KIDS: usize = 4;

impl History {
    /// Takes in all that `other` knows.
    ///
    /// # Errors
    /// If it is of another issuer.
    pub fn merge(&mut self, other: &Self) -> Result<(), AnotherIssuer> {
        if self.issuer != other.issuer {
            let (expected, found) = (Foreign::new(&self.issuer), Foreign::new(&other.issuer));
            return Err(AnotherIssuer { expected, found });
        }
        self.sequence = self.sequence.max(other.sequence);
        self.endpoint = self.endpoint.take().max(other.endpoint.clone());
        for (key, kids) in &other.kids {
            self.kids.entry(*key).or_default().extend(kids.iter().cloned());
        }
        for (key, seen) in &other.signings {
            self.signings.entry(*key).and_modify(|held| *held = held.join(*seen)).or_insert(*seen);
        }
        self.runs.extend(other.runs.iter().cloned());
        self.forgotten.join(&other.forgotten);
        self.take_announcements(other);
        self.normalise();
        Ok(())
    }

    /// Brings runs into their one form: of each source, key set and beginning there is one, since what
    /// begins at one moment is one observer's, seen at different times.
    pub(super) fn normalise(&mut self) {
        self.runs.sort_by(|a, b| (a.source, &a.keys, a.from).cmp(&(b.source, &b.keys, b.from)));
        let mut runs: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in self.runs.drain(..) {
            match runs.last_mut() {
                Some(last)
                    if (last.source, &last.keys, last.from)
                        == (run.source, &run.keys, run.from) =>
                {
                    last.join(run);
                }
                _ => runs.push(run),
            }
        }
        self.runs = runs;
        self.trim_kids();
    }

    /// Keeps a few names of each key.
    pub(super) fn trim_kids(&mut self) {
        for kids in self.kids.values_mut() {
            while kids.len() > MAX_KIDS {
                kids.pop_last();
            }
        }
    }
}

impl Run {
    /// Both as one, of the same beginning. Each member is a join of its own.
    fn join(&mut self, other: Self) {
        self.n = self.n.max(other.n);
        self.pause = self.pause.zip(other.pause).map(|(a, b)| a.max(b));
        self.add(other);
    }

    /// Takes in one more observation.
    pub(super) fn take(&mut self, one: Self) {
        self.n = self.n.saturating_add(1);
        let pause = one.from.since(self.to);
        self.pause = self.pause.map(|held| held.max(pause));
        self.add(one);
    }

    fn add(&mut self, other: Self) {
        if other.from == self.from {
            let first = |run: &Self| (run.stale.saturating_add(run.error), run.stale);
            if first(&other) < first(self) {
                (self.stale, self.error) = (other.stale, other.error);
            }
        }
        self.best = self.best.better(other.best);
        self.modified = self.modified.max(other.modified);
        self.etag = (self.to, self.etag.take()).max((other.to, other.etag)).1;
        self.to = self.to.max(other.to);
        self.last_modified = match (self.last_modified, other.last_modified) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

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
        self.normalise();
        Ok(())
    }

    /// Brings runs into their one form: of each source and key set, the connected parts of all that
    /// was observed. Which parts connect does not depend on the order in which they came.
    pub(super) fn normalise(&mut self) {
        self.runs.sort_by(|a, b| {
            (a.source, &a.keys, a.from, a.to).cmp(&(b.source, &b.keys, b.from, b.to))
        });
        let mut runs: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in self.runs.drain(..) {
            match runs.last_mut() {
                Some(last)
                    if (last.source, &last.keys) == (run.source, &run.keys)
                        && run.from <= last.to =>
                {
                    last.join(run);
                }
                _ => runs.push(run),
            }
        }
        self.runs = runs;
        for kids in self.kids.values_mut() {
            while kids.len() > MAX_KIDS {
                kids.pop_last();
            }
        }
    }
}

impl Run {
    /// Both as one. Each member is a join of its own.
    pub(super) fn join(&mut self, other: Self) {
        self.etag = (self.to, self.etag.take()).max((other.to, other.etag)).1;
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
        self.n = self.n.max(other.n);
        self.stale = self.stale.max(other.stale);
        self.error = self.error.max(other.error);
        self.last_modified = match (self.last_modified, other.last_modified) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

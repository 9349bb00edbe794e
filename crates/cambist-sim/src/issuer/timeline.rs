//! What a key set was, and when.

use std::time::Duration;

use cambist_core::clock::{BootTime, UnixTime};
use serde_json::Value;

/// How many past key sets are remembered for a stale cache to serve.
const HISTORY: usize = 64;

/// A key set as it was written once.
#[derive(Clone, Debug)]
pub(super) struct Version {
    since: BootTime,
    pub(super) modified: UnixTime,
    pub(super) set: Value,
}

/// Oldest first, and never empty.
#[derive(Debug)]
pub(super) struct Timeline {
    past: Vec<Version>,
    last: Version,
}

impl Timeline {
    pub(super) fn new(set: Value, since: BootTime, modified: UnixTime) -> Self {
        Self { past: Vec::new(), last: Version { since, modified, set } }
    }

    /// The set as it is from now on; nothing happens if it was that before.
    pub(super) fn record(&mut self, set: Value, since: BootTime, modified: UnixTime) {
        if self.last.set != set {
            self.write(set, since, modified);
        }
    }

    /// The same set once more, with a date of its own.
    pub(super) fn rewrite(&mut self, since: BootTime, modified: UnixTime) {
        self.write(self.last.set.clone(), since, modified);
    }

    fn write(&mut self, set: Value, since: BootTime, modified: UnixTime) {
        let next = Version { since, modified, set };
        self.past.push(std::mem::replace(&mut self.last, next));
        if self.past.len() == HISTORY {
            self.past.remove(0);
        }
    }

    pub(super) fn last(&self) -> &Version {
        &self.last
    }

    /// What it was `age` ago, or the oldest known.
    pub(super) fn before(&self, now: BootTime, age: Duration) -> &Version {
        let mut versions = std::iter::once(&self.last).chain(self.past.iter().rev());
        let then = versions.find(|version| now.since(version.since) >= age);
        then.unwrap_or_else(|| self.past.first().unwrap_or(&self.last))
    }
}

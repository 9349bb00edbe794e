//! How long and how well an issuer was watched.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::{History, Run};
use crate::fact::Source;
use crate::serial::{maybe_seconds, seconds};
use cambist_core::clock::UnixTime;

/// How long and how well an issuer's keys were watched: what every verdict of their age rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Watch {
    /// The first look at the key set that counts, if there was any.
    pub since: Option<UnixTime>,
    /// The last.
    pub until: Option<UnixTime>,
    /// How many looks there were.
    pub looks: u64,
    /// The longest pause between them, and after the last; `None` if it is not on record.
    #[serde(serialize_with = "maybe_seconds::serialize", rename = "longestPauseSeconds")]
    pub longest_pause: Option<Duration>,
    /// Everywhere that keys were seen.
    pub sources: BTreeSet<Source>,
    /// How wrong the clocks may have been, at worst, that dated what was seen.
    #[serde(serialize_with = "seconds::serialize", rename = "clockErrorSeconds")]
    pub clock_error: Duration,
}

impl Watch {
    /// Over what `histories` of one issuer saw of `primary`, the set that decides what is trusted.
    pub fn of<'a>(histories: impl IntoIterator<Item = &'a History>, primary: Source) -> Self {
        let runs: Vec<&Run> = histories.into_iter().flat_map(|history| &history.runs).collect();
        let sources = runs.iter().map(|run| run.source).collect();
        let mut runs: Vec<_> = runs.into_iter().filter(|run| run.source == primary).collect();
        runs.sort_by_key(|run| run.from);
        let mut longest = (!runs.is_empty()).then_some(Duration::ZERO);
        let mut until: Option<UnixTime> = None;
        for run in &runs {
            let before = until.map_or(Duration::ZERO, |until| run.from.since(until));
            longest = longest.zip(run.pause).map(|(a, b)| a.max(b).max(before));
            until = until.max(Some(run.to));
        }
        Self {
            since: runs.first().map(|run| run.from),
            until,
            looks: runs.iter().map(|run| u64::from(run.n)).sum(),
            longest_pause: longest,
            sources,
            clock_error: runs
                .iter()
                .map(|run| run.error.max(run.best.error))
                .max()
                .unwrap_or_default(),
        }
    }

    /// The same as seen at `now`: since the last look there is a pause, too.
    #[must_use]
    pub(crate) fn at(self, now: UnixTime) -> Self {
        let open = self.until.map(|until| now.since(until)).unwrap_or_default();
        Self { longest_pause: self.longest_pause.map(|longest| longest.max(open)), ..self }
    }
}

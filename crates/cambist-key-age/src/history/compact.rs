//! Forgetting, so that years fit into one small object.

use std::collections::{BTreeMap, BTreeSet};

use super::History;
use crate::fact::Source;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

impl History {
    /// Forgets an eighth of what can be forgotten, the oldest first. Answers whether there was any.
    ///
    /// Never forgotten is what bears witness for a key of the latest sets: the run that first had
    /// it, those that lacked it just before, the latest run. So no verdict of today changes. Of a key
    /// that is gone its first day stays, so that it does not come back young.
    pub(super) fn forget(&mut self) -> bool {
        let latest = self.latest_places();
        let mut marked = false;
        for (index, run) in self.runs.iter_mut().enumerate() {
            if !latest.contains(&index) {
                marked |= run.etag.take().is_some();
            }
        }
        if marked {
            return true;
        }
        let witnesses = self.witnesses();
        let mut free: Vec<(UnixTime, usize)> = self
            .runs
            .iter()
            .enumerate()
            .filter(|(index, _)| !witnesses.contains(index))
            .map(|(index, run)| (run.to, index))
            .collect();
        if free.is_empty() {
            return false;
        }
        free.sort_unstable();
        free.truncate(free.len().div_ceil(8));
        let dropped: BTreeSet<_> = free.into_iter().map(|(_, index)| index).collect();
        self.mark_forgotten(&dropped);
        let mut index = 0;
        self.runs.retain(|_| {
            index += 1;
            !dropped.contains(&(index - 1))
        });
        let known: BTreeSet<Thumbprint> =
            self.runs.iter().flat_map(|run| run.keys.iter().copied()).collect();
        let newest = self.signings.values().map(|seen| seen.last).max();
        self.signings.retain(|key, seen| known.contains(key) || Some(seen.last) == newest);
        self.kids.retain(|key, _| known.contains(key));
        true
    }

    /// Leaves a mark of each key whose first sighting is in a run that goes.
    fn mark_forgotten(&mut self, dropped: &BTreeSet<usize>) {
        let mut firsts: BTreeMap<(Source, Thumbprint), (UnixTime, usize)> = BTreeMap::new();
        for (index, run) in self.runs.iter().enumerate() {
            for key in &run.keys {
                let first = firsts.entry((run.source, *key)).or_insert((run.from, index));
                *first = (*first).min((run.from, index));
            }
        }
        for ((source, key), (first, index)) in firsts {
            if dropped.contains(&index) {
                self.forgotten.add(source, key, first);
            }
        }
    }

    /// The places of the latest run of each source.
    fn latest_places(&self) -> BTreeSet<usize> {
        let latest = |source| {
            let of_source = self.runs.iter().enumerate().filter(|(_, run)| run.source == source);
            of_source.max_by_key(|(_, run)| (run.to, run.from)).map(|(index, _)| index)
        };
        SOURCES.into_iter().filter_map(latest).collect()
    }

    /// The places of the runs that today's verdicts need.
    fn witnesses(&self) -> BTreeSet<usize> {
        let mut out = self.latest_places();
        let keys: BTreeSet<_> =
            SOURCES.into_iter().flat_map(|source| self.published(source)).collect();
        for source in SOURCES {
            for key in &keys {
                let of_source =
                    self.runs.iter().enumerate().filter(|(_, run)| run.source == source);
                let (with, without): (Vec<_>, Vec<_>) =
                    of_source.partition(|(_, run)| run.keys.contains(key));
                let Some((first, run)) = with.iter().min_by_key(|(_, run)| run.from) else {
                    continue;
                };
                let begins = run.from;
                out.insert(*first);
                let dated = with.iter().filter_map(|(i, run)| Some((run.last_modified?, *i)));
                out.extend(dated.min().map(|(_, index)| index));
                let before = without.iter().filter(|(_, run)| run.from < begins);
                let mut before: Vec<_> = before
                    .map(|(i, run)| (if run.to < begins { run.to } else { run.from }, *i))
                    .collect();
                before.sort_unstable();
                out.extend(before.iter().rev().take(2).map(|(_, index)| *index));
            }
        }
        out
    }
}

const SOURCES: [Source; 3] = [Source::Public, Source::Api, Source::File];

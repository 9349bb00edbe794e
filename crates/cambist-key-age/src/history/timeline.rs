//! The runs of one source, arranged so that what is asked of each key is found without reading all of
//! them again: an issuer that shows other keys at each look must not cost the square of that.

use std::collections::BTreeMap;

use super::lifetime::Absence;
use super::{FLAP, Run};
use crate::fact::Source;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

pub(super) struct Timeline<'a> {
    /// By beginning, with how many observations there were from there on.
    by_from: Vec<(&'a Run, u64)>,
    /// By end, with how many observations there were up to there.
    by_to: Vec<(&'a Run, u64)>,
    /// For each place in `by_from`, when two observations from there on were over at the earliest.
    twice: Vec<Option<UnixTime>>,
    /// The runs with each key, by beginning.
    with: BTreeMap<Thumbprint, Vec<&'a Run>>,
}

impl<'a> Timeline<'a> {
    pub(super) fn of(runs: &'a [Run], source: Source) -> Self {
        let mut runs: Vec<_> = runs.iter().filter(|run| run.source == source).collect();
        // Of observations at one moment, the one that is known least well comes last.
        runs.sort_by_key(|run| (run.to, run.stale, run.error));
        let mut sum = 0;
        let by_to = runs.iter().map(|run| (*run, add(&mut sum, run.n))).collect();
        runs.sort_by_key(|run| (run.from, run.stale, run.error));
        let mut sum = 0;
        let mut by_from: Vec<_> =
            runs.iter().rev().map(|run| (*run, add(&mut sum, run.n))).collect();
        by_from.reverse();
        let mut ends: [Option<UnixTime>; 2] = [None, None];
        let mut twice: Vec<_> = runs
            .iter()
            .rev()
            .map(|run| {
                // A run of two observations ends twice.
                for _ in 0..run.n.min(2) {
                    ends = soonest(ends, run.to);
                }
                ends[1]
            })
            .collect();
        twice.reverse();
        let mut with: BTreeMap<_, Vec<_>> = BTreeMap::new();
        runs.sort_by_key(|run| (run.from, run.to));
        for run in runs {
            for key in &run.keys {
                with.entry(*key).or_default().push(run);
            }
        }
        Self { by_from, by_to, twice, with }
    }

    /// Every key, and the runs with it by their beginning.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&Thumbprint, &Vec<&'a Run>)> {
        self.with.iter()
    }

    /// The last observation before `first`, when some key was first seen, and how many there were. None
    /// of them had the key.
    pub(super) fn before(&self, first: UnixTime) -> Option<(Absence, u64)> {
        let ended = self.by_to.partition_point(|(run, _)| run.to < first);
        let begun = self.by_from.partition_point(|(run, _)| run.from < first);
        let whole = ended.checked_sub(1).and_then(|last| self.by_to.get(last));
        // Of a run that goes on beyond `first`, only its start is known to be before.
        let cut = begun.checked_sub(1).and_then(|last| self.by_from.get(last));
        let points = whole.map(|(run, _)| (run.to, *run)).into_iter();
        let points = points.chain(cut.map(|(run, _)| (run.from, *run)));
        let (at, run) = points.max_by_key(|(at, run)| (*at, run.stale, run.error))?;
        let seen = whole.map_or(0, |(_, sum)| *sum);
        let seen = seen.saturating_add(count(begun.saturating_sub(ended)));
        Some((Absence { at, stale: run.stale, error: run.error }, seen))
    }

    /// When a key that was last seen at `last` was first seen to be gone, if two observations agree.
    pub(super) fn gone(&self, last: UnixTime) -> Option<UnixTime> {
        let begins = self.by_from.partition_point(|(run, _)| run.from <= last);
        let ends = self.by_to.partition_point(|(run, _)| run.to <= last);
        let (later, going_on) = (self.by_from.get(begins), self.by_to.get(ends));
        let begun_later = self.by_from.len() - begins;
        let seen = later.map_or(0, |(_, sum)| *sum);
        let seen =
            seen.saturating_add(count((self.by_to.len() - ends).saturating_sub(begun_later)));
        let points = later.map(|(run, _)| run.from).into_iter();
        points.chain(going_on.map(|(run, _)| run.to)).min().filter(|_| seen >= 2)
    }

    /// The latest return of a key that was gone by at least two observations and for longer than sets
    /// flap. `with` are the runs with it.
    pub(super) fn returned(&self, with: &[&Run]) -> Option<(UnixTime, UnixTime)> {
        let mut out = None;
        let mut last = with.first()?.to;
        for run in with {
            if run.from.since(last) > FLAP {
                let after = self.by_from.partition_point(|(run, _)| run.from <= last);
                let twice = self.twice.get(after).copied().flatten();
                if twice.is_some_and(|twice| twice < run.from) {
                    out = Some((last, run.from));
                }
            }
            last = last.max(run.to);
        }
        out
    }
}

fn add(sum: &mut u64, n: u32) -> u64 {
    *sum = sum.saturating_add(u64::from(n));
    *sum
}

fn count(places: usize) -> u64 {
    u64::try_from(places).unwrap_or(u64::MAX)
}

/// The two soonest of three.
fn soonest([first, second]: [Option<UnixTime>; 2], next: UnixTime) -> [Option<UnixTime>; 2] {
    let Some(held) = first else { return [Some(next), None] };
    let (held, next) = (held.min(next), held.max(next));
    [Some(held), Some(second.map_or(next, |second| second.min(next)))]
}

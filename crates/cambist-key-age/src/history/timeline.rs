//! The runs of one source, arranged so that what is asked of each key is found without reading all of
//! them again: an issuer that shows other keys at each look must not cost the square of that.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{FLAP, Observed, Run};
use crate::fact::Source;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// Looks further apart than this are no unbroken watch: daily ones, and two hours for whatever delays
/// them.
const UNBROKEN: Duration = Duration::from_secs(26 * 3600);

pub(super) struct Timeline<'a> {
    /// By beginning, with the best of the beginnings up to there.
    by_from: Vec<(&'a Run, Observed)>,
    /// By end, with how many observations there were up to there, and the best of them.
    by_to: Vec<(&'a Run, u64, Observed)>,
    /// By the moment of which the first observation tells, with what follows from there on.
    by_begin: Vec<(Order, Later)>,
    /// By the moment of which the best observation tells, with the earliest end from there on.
    by_best: Vec<(Order, UnixTime)>,
    /// When somebody was looking without a longer pause, in order.
    watched: Vec<(UnixTime, UnixTime)>,
    /// The runs with each key, by beginning.
    with: BTreeMap<Thumbprint, Vec<&'a Run>>,
}

/// The moment of which an observation tells at least, and when it was made.
type Order = (UnixTime, UnixTime);

/// What is known of all runs from some place on.
#[derive(Clone, Copy)]
struct Later {
    /// How many observations they have.
    n: u64,
    /// When the earliest begins.
    begins: UnixTime,
    /// When two observations were over at the earliest.
    twice: [Option<UnixTime>; 2],
}

impl<'a> Timeline<'a> {
    pub(super) fn of(runs: &'a [Run], source: Source) -> Self {
        let mut runs: Vec<_> = runs.iter().filter(|run| run.source == source).collect();
        runs.sort_by_key(|run| run.to);
        let (mut sum, mut best) = (0, None);
        let by_to = runs
            .iter()
            .map(|run| (*run, add(&mut sum, run.n), keep(&mut best, run.best)))
            .collect();
        runs.sort_by_key(|run| (run.from, run.to));
        let mut best = None;
        let by_from = runs.iter().map(|run| (*run, keep(&mut best, run.begin()))).collect();
        let watched = watched(&runs);
        let mut with: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for run in &runs {
            for key in &run.keys {
                with.entry(*key).or_default().push(*run);
            }
        }
        let by_best = ends(&mut runs);
        Self { by_from, by_to, by_begin: begins(&mut runs), by_best, watched, with }
    }

    /// Every key, and the runs with it by their beginning.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&Thumbprint, &Vec<&'a Run>)> {
        self.with.iter()
    }

    /// The runs with this key, the earliest first.
    pub(super) fn with(&self, key: Thumbprint) -> &[&'a Run] {
        self.with.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The observation before `first`, when some key was first seen, that tells of the latest moment,
    /// and how many there were. None of them had the key.
    pub(super) fn before(&self, first: UnixTime) -> Option<(Observed, u64)> {
        let ended = self.by_to.partition_point(|(run, ..)| run.to < first);
        let begun = self.by_from.partition_point(|(run, _)| run.from < first);
        let whole = ended.checked_sub(1).and_then(|last| self.by_to.get(last));
        // Of a run that goes on beyond `first`, only its start is known to be before.
        let cut = begun.checked_sub(1).and_then(|last| self.by_from.get(last));
        let whole_best = whole.map(|(.., best)| *best);
        let best = [whole_best, cut.map(|(_, best)| *best)].into_iter().flatten();
        let best = best.reduce(Observed::better)?;
        let seen = whole.map_or(0, |(_, sum, _)| *sum);
        Some((best, seen.saturating_add(count(begun.saturating_sub(ended)))))
    }

    /// When somebody was looking, in order.
    pub(super) fn watched(self) -> Vec<(UnixTime, UnixTime)> {
        self.watched
    }

    /// Since when somebody was looking without a pause when a key was first seen at `first`.
    pub(super) fn unbroken(&self, first: UnixTime) -> UnixTime {
        let after = self.watched.partition_point(|(from, _)| *from <= first);
        let span = after.checked_sub(1).and_then(|last| self.watched.get(last));
        span.filter(|(_, to)| *to >= first).map_or(first, |(from, _)| *from)
    }

    /// When a key that was last seen at `last` was first seen to be gone, if two observations agree. A
    /// set that may be older than that says nothing.
    pub(super) fn gone(&self, last: UnixTime) -> Option<UnixTime> {
        let begins = self.by_begin.partition_point(|(order, _)| *order <= (last, last));
        let ends = self.by_best.partition_point(|(order, _)| *order <= (last, last));
        let (later, going_on) = (self.by_begin.get(begins), self.by_best.get(ends));
        let begun_later = self.by_begin.len() - begins;
        let seen = later.map_or(0, |(_, later)| later.n);
        let only_end = (self.by_best.len() - ends).saturating_sub(begun_later);
        let seen = seen.saturating_add(count(only_end));
        let points = later.map(|(_, later)| later.begins).into_iter();
        points.chain(going_on.map(|(_, end)| *end)).min().filter(|_| seen >= 2)
    }

    /// The latest return of a key that was gone by at least two observations and for longer than sets
    /// flap. `with` are the runs with it. An old copy is neither an absence nor a return.
    pub(super) fn returned(&self, with: &[&Run]) -> Option<(UnixTime, UnixTime)> {
        let mut out = None;
        let mut last = with.first()?.to;
        for run in with {
            if run.from.since(last) > FLAP {
                let after = self.by_begin.partition_point(|(order, _)| *order <= (last, last));
                let [_, twice] = self.by_begin.get(after).map_or([None; 2], |(_, it)| it.twice);
                // Seen before the return, and not in a set that may be newer than the one it is in.
                let before = |twice| twice < run.from && twice <= run.best.since();
                if twice.is_some_and(before) {
                    out = Some((last, run.from));
                }
            }
            last = last.max(run.to);
        }
        out
    }
}

fn begins(runs: &mut [&Run]) -> Vec<(Order, Later)> {
    let order = |run: &Run| (run.begin().since(), run.from);
    runs.sort_by_key(|run| order(run));
    let mut later: Option<Later> = None;
    let mut out: Vec<_> = runs
        .iter()
        .rev()
        .map(|run| {
            let held = later.unwrap_or(Later { n: 0, begins: run.from, twice: [None; 2] });
            let mut twice = held.twice;
            // A run of two observations ends twice.
            for _ in 0..run.n.min(2) {
                twice = soonest(twice, run.to);
            }
            let n = held.n.saturating_add(u64::from(run.n));
            let it = Later { n, begins: held.begins.min(run.from), twice };
            later = Some(it);
            (order(run), it)
        })
        .collect();
    out.reverse();
    out
}

fn ends(runs: &mut [&Run]) -> Vec<(Order, UnixTime)> {
    let order = |run: &Run| (run.best.since(), run.to);
    runs.sort_by_key(|run| order(run));
    let mut earliest: Option<UnixTime> = None;
    let mut out: Vec<_> = runs
        .iter()
        .rev()
        .map(|run| {
            let end = earliest.map_or(run.to, |held| held.min(run.to));
            earliest = Some(end);
            (order(run), end)
        })
        .collect();
    out.reverse();
    out
}

/// When somebody was looking, by runs in order of their beginnings.
fn watched(runs: &[&Run]) -> Vec<(UnixTime, UnixTime)> {
    let mut parts: Vec<(UnixTime, UnixTime)> = Vec::with_capacity(runs.len());
    for run in runs {
        if run.pause.is_some_and(|pause| pause <= UNBROKEN) {
            parts.push((run.from, run.to));
        } else {
            parts.extend([(run.from, run.from), (run.to, run.to)]);
        }
    }
    parts.sort_unstable();
    let mut out: Vec<(UnixTime, UnixTime)> = Vec::new();
    for (from, to) in parts {
        match out.last_mut() {
            Some(last) if from.since(last.1) <= UNBROKEN => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

fn keep(best: &mut Option<Observed>, next: Observed) -> Observed {
    let better = best.map_or(next, |held| held.better(next));
    *best = Some(better);
    better
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

//! What a history proves of each key.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{FLAP, History, Run};
use crate::clock::UnixTime;
use crate::jwks::Thumbprint;
use crate::key_age::fact::{Fact, Grade, Source, Subject};

/// How near in time two sources must lack a key to confirm each other.
const AGREE: Duration = Duration::from_secs(3600);

/// When one source published a key, as far as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The key.
    pub key: Thumbprint,
    /// The last confirmed observation without it before the first with it.
    pub absent: Option<Absence>,
    /// The first observation with it.
    pub first: UnixTime,
    /// How wrong the clock may have been that dated the first.
    pub error: Duration,
    /// The last observation with it.
    pub last: UnixTime,
    /// The first observation without it after the last with it, once that is confirmed.
    pub gone: Option<UnixTime>,
    /// It was gone for longer than sets flap, and then published again: (last seen, seen again).
    pub returned: Option<(UnixTime, UnixTime)>,
}

/// A confirmed observation without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// When.
    pub at: UnixTime,
    /// How far out of date the set may have been.
    pub stale: Duration,
    /// How wrong the clock may have been.
    pub error: Duration,
}

impl History {
    /// The lifetimes of the keys that `source` ever published, the earliest first.
    pub fn lifetimes(&self, source: Source) -> Vec<Lifetime> {
        let runs: Vec<_> = self.runs.iter().filter(|run| run.source == source).collect();
        let mut of: BTreeMap<Thumbprint, Vec<&Run>> = BTreeMap::new();
        for run in &runs {
            for key in &run.keys {
                of.entry(*key).or_default().push(run);
            }
        }
        let mut out: Vec<_> = of
            .into_iter()
            .filter_map(|(key, mut with)| {
                with.sort_by_key(|run| (run.from, run.to));
                let without: Vec<_> =
                    runs.iter().copied().filter(|run| !run.keys.contains(&key)).collect();
                let (first, error) = with.first().map(|run| (run.from, run.error))?;
                let last = with.iter().map(|run| run.to).max()?;
                let absent = self.absence(key, source, &without, first);
                let (gone, returned) = (gone(&without, last), returned(&with, &without));
                Some(Lifetime { key, absent, first, error, last, gone, returned })
            })
            .collect();
        out.sort_by_key(|life| (life.first, life.key));
        out
    }

    /// The last absence before `first`. One observation alone may have met the one server that had
    /// not restarted yet: it takes two, or another source that agrees.
    fn absence(
        &self,
        key: Thumbprint,
        source: Source,
        without: &[&Run],
        first: UnixTime,
    ) -> Option<Absence> {
        // Of a run that goes on beyond `first`, only its start is known to be before.
        let points = without
            .iter()
            .filter(|run| run.from < first)
            .map(|run| if run.to < first { (run.to, run.n, *run) } else { (run.from, 1, *run) });
        let points: Vec<_> = points.collect();
        let seen = points.iter().fold(0u32, |sum, (_, n, _)| sum.saturating_add(*n));
        let (at, _, run) = points.into_iter().max_by_key(|(at, ..)| *at)?;
        let (stale, error) = (run.stale, run.error);
        let agrees = |run: &Run| {
            run.source != source
                && !run.keys.contains(&key)
                && run.from <= at + AGREE
                && run.to + AGREE >= at
        };
        (seen >= 2 || self.runs.iter().any(agrees)).then_some(Absence { at, stale, error })
    }

    /// The facts that this history proves, none of them known better than `trust`: Proven for one's
    /// own, and at most Attested for one that others may write.
    ///
    /// `primary` is the source whose sets relying parties read, and decides what is trusted;
    /// of the other sources a key is only known to exist. See [`History::primary`].
    pub fn facts(&self, primary: Source, trust: Grade) -> Vec<Fact> {
        let mut out = Vec::new();
        for life in self.lifetimes(primary) {
            out.push(Fact::published(life.key, life.first, primary).give_or_take(life.error));
            out.extend(life.absent.map(|Absence { at, stale, error }| {
                Fact::absent(life.key, at, stale, primary).give_or_take(error)
            }));
            out.extend(self.unmodified(life.key, primary));
            out.extend(life.gone.map(|gone| retired(&life, gone)));
        }
        for source in [Source::Public, Source::Api, Source::File] {
            if source != primary {
                let lives = self.lifetimes(source);
                out.extend(
                    lives.iter().map(|life| {
                        Fact::held(life.key, life.first, source).give_or_take(life.error)
                    }),
                );
            }
        }
        for (key, seen) in &self.signings {
            out.push(Fact::signed(*key, seen.first));
            let others = self.signings.iter().filter(|(other, _)| *other != key);
            let before = others.map(|(_, other)| other.last).filter(|last| *last < seen.first);
            out.extend(before.max().map(|still| Fact::not_yet_signing(*key, still)));
        }
        out.into_iter().map(|fact| fact.at_most(trust)).collect()
    }

    /// The earliest `Last-Modified` of a set with the key: it did not change since, so it was there.
    fn unmodified(&self, key: Thumbprint, source: Source) -> Option<Fact> {
        let runs = self.runs.iter().filter(|run| run.source == source && run.keys.contains(&key));
        let (modified, at) = runs.filter_map(|run| Some((run.last_modified?, run.from))).min()?;
        Fact::unmodified(key, modified, at.max(modified))
    }
}

/// When a key was first seen to be gone, if two observations agree.
fn gone(without: &[&Run], last: UnixTime) -> Option<UnixTime> {
    let after = without.iter().filter(|run| run.to > last);
    let points = after.map(|run| if run.from > last { (run.from, run.n) } else { (run.to, 1) });
    let points: Vec<_> = points.collect();
    let seen = points.iter().fold(0u32, |sum, (_, n)| sum.saturating_add(*n));
    points.iter().map(|(at, _)| *at).min().filter(|_| seen >= 2)
}

/// The latest return of a key that was gone by at least two observations and for longer than sets
/// flap.
fn returned(with: &[&Run], without: &[&Run]) -> Option<(UnixTime, UnixTime)> {
    let mut out = None;
    let mut last = with.first()?.to;
    for run in with {
        let between = without.iter().filter(|other| other.from > last && other.to < run.from);
        let seen = between.fold(0u32, |sum, other| sum.saturating_add(other.n));
        if run.from.since(last) > FLAP && seen >= 2 {
            out = Some((last, run.from));
        }
        last = last.max(run.to);
    }
    out
}

fn retired(life: &Lifetime, gone: UnixTime) -> Fact {
    let published = Fact::published(life.key, life.last, Source::Public);
    Fact {
        subject: Subject::Retired,
        not_before: Some(life.last),
        not_after: Some(gone),
        at: gone,
        detail: format!("published until {}, gone at {gone}", life.last),
        ..published
    }
}

//! What a history proves of each key.

use std::collections::BTreeMap;
use std::time::Duration;

use super::timeline::Timeline;
use super::{History, Run};
use crate::fact::{Fact, Grade, Source, Subject};
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// How near in time two sources must lack a key to confirm each other.
const AGREE: Duration = Duration::from_secs(3600);

/// When one source published a key, as far as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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
        let timeline = Timeline::of(&self.runs, source);
        let mut out: Vec<_> = timeline
            .keys()
            .map(|(key, with)| {
                let (first, error) = with.first().map(|run| (run.from, run.error))?;
                let last = with.iter().map(|run| run.to).max()?;
                let absent = self.absence(*key, source, &timeline, first);
                let (gone, returned) = (timeline.gone(last), timeline.returned(with));
                Some(Lifetime { key: *key, absent, first, error, last, gone, returned })
            })
            .collect::<Option<_>>()
            .unwrap_or_default();
        out.sort_by_key(|life: &Lifetime| (life.first, life.key));
        out
    }

    /// The last absence before `first`. One observation alone may have met the one server that had
    /// not restarted yet: it takes two, or another source that agrees.
    fn absence(
        &self,
        key: Thumbprint,
        source: Source,
        timeline: &Timeline<'_>,
        first: UnixTime,
    ) -> Option<Absence> {
        let (absence, seen) = timeline.before(first)?;
        let agrees = |run: &Run| {
            run.source != source
                && run.from <= absence.at + AGREE
                && run.to + AGREE >= absence.at
                && !run.keys.contains(&key)
        };
        (seen >= 2 || self.runs.iter().any(agrees)).then_some(absence)
    }

    /// The facts that this history proves, none of them known better than `trust`: Proven for one's
    /// own, and at most Attested for one that others may write.
    ///
    /// `primary` is the source whose sets relying parties read, and decides what is trusted;
    /// of the other sources a key is only known to exist. See [`History::primary`].
    pub fn facts(&self, primary: Source, trust: Grade) -> Vec<Fact> {
        let mut out = Vec::new();
        let modified = self.modified(primary);
        for life in self.lifetimes(primary) {
            out.push(Fact::published(life.key, life.first, primary).give_or_take(life.error));
            out.extend(life.absent.map(|Absence { at, stale, error }| {
                Fact::absent(life.key, at, stale, primary).give_or_take(error)
            }));
            let unmodified = modified.get(&life.key);
            out.extend(unmodified.and_then(|(modified, at)| {
                Fact::unmodified(life.key, *modified, (*at).max(*modified))
            }));
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
        let mut ends: Vec<_> = self.signings.values().map(|seen| seen.last).collect();
        ends.sort_unstable();
        for (key, seen) in &self.signings {
            out.push(Fact::signed(*key, seen.first));
            // Its own end is not among those before its beginning.
            let before = ends.partition_point(|last| *last < seen.first);
            let still = before.checked_sub(1).and_then(|place| ends.get(place));
            out.extend(still.map(|still| Fact::not_yet_signing(*key, *still)));
        }
        out.into_iter().map(|fact| fact.at_most(trust)).collect()
    }

    /// The earliest `Last-Modified` of a set with each key, and when that was seen: the set did not
    /// change since, so the key was there.
    fn modified(&self, source: Source) -> BTreeMap<Thumbprint, (UnixTime, UnixTime)> {
        let mut out = BTreeMap::new();
        for run in self.runs.iter().filter(|run| run.source == source) {
            let Some(modified) = run.last_modified else { continue };
            for key in &run.keys {
                let earliest = out.entry(*key).or_insert((modified, run.from));
                *earliest = (*earliest).min((modified, run.from));
            }
        }
        out
    }
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

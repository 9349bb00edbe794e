//! What a history proves of each key.

use std::time::Duration;

use super::timeline::Timeline;
use super::{FLAP, History, Observed, Run};
use crate::fact::{Fact, Grade, Source, Subject};
use crate::policy::Policy;
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
    /// The confirmed observation without it, before the first with it, that tells of the latest moment.
    pub absent: Option<Observed>,
    /// Since when somebody had been looking without a pause when it was first seen.
    pub unbroken: UnixTime,
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

impl History {
    /// The lifetimes of the keys that `source` ever published, the earliest first.
    pub fn lifetimes(&self, source: Source) -> Vec<Lifetime> {
        let timeline = Timeline::of(&self.runs, source);
        let mut out: Vec<_> = timeline
            .keys()
            .map(|(key, with)| {
                let run = with.first()?;
                let forgotten = self.forgotten.first(source, *key);
                // Of a key that was seen before what is remembered, the day is known on which that was.
                let earlier = forgotten.filter(|day| day.ends <= run.from);
                let (first, error) =
                    earlier.map_or((run.from, run.error), |day| (day.ends, Duration::ZERO));
                let before = forgotten.map_or(first, |day| day.begins.min(first));
                let last = with.iter().map(|run| run.to).max()?;
                Some(Lifetime {
                    key: *key,
                    absent: self.absence(*key, source, &timeline, before),
                    unbroken: timeline.unbroken(before).min(before),
                    first,
                    error,
                    last,
                    gone: timeline.gone(last),
                    returned: timeline.returned(with),
                })
            })
            .collect::<Option<_>>()
            .unwrap_or_default();
        out.sort_by_key(|life: &Lifetime| (life.first, life.key));
        out
    }

    /// When somebody was looking at `source` with no longer pause than a daily look has, from and to, in order.
    /// Between two of these there was a longer one, or that there was none is not on record.
    pub fn watched(&self, source: Source) -> Vec<(UnixTime, UnixTime)> {
        Timeline::of(&self.runs, source).watched()
    }

    /// The best absence before `first`. One observation alone may have met the one server that had
    /// not restarted yet: it takes two, or another source that agrees.
    fn absence(
        &self,
        key: Thumbprint,
        source: Source,
        timeline: &Timeline<'_>,
        first: UnixTime,
    ) -> Option<Observed> {
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
    ///
    /// An absence shows that a key was not there then, not that it was not there yet: a key that was
    /// retired before anybody looked and is put back reads young. It is Proven only where the issuer
    /// had been watched without pause for as long as `policy` lets a key live.
    pub fn facts(&self, primary: Source, trust: Grade, policy: &Policy) -> Vec<Fact> {
        let mut out = Vec::new();
        let timeline = Timeline::of(&self.runs, primary);
        for life in self.lifetimes(primary) {
            out.push(Fact::published(life.key, life.first, primary).give_or_take(life.error));
            out.extend(life.absent.map(|Observed { at, stale, error }| {
                let fact = Fact::absent(life.key, at, stale, primary).give_or_take(error);
                self.graded(fact, &life, primary, policy)
            }));
            out.extend(modified(timeline.with(life.key), &life));
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

    /// An absence as good as the watch that it ended.
    fn graded(&self, fact: Fact, life: &Lifetime, source: Source, policy: &Policy) -> Fact {
        let long = policy.limits.is_some_and(|limits| {
            let lived = limits.expire_after().saturating_add(policy.grace);
            life.first.since(life.unbroken) > lived
        });
        // The API server's set says nothing of one that was uploaded elsewhere before.
        let proven = source == Source::Public && long;
        let grade = match (self.forgotten.more, proven) {
            (true, _) => Grade::Assumed,
            (false, true) => Grade::Proven,
            (false, false) => Grade::Attested,
        };
        // Two absences may come from the one server that lags behind a rollout.
        let rollout = if source == Source::Api { FLAP } else { Duration::ZERO };
        let not_before = fact.not_before.map(|moment| moment - rollout);
        Fact { not_before, ..fact }.at_most(grade)
    }
}

/// The earliest `Last-Modified` of a set with the key that no look refutes: the set did not change
/// since, so the key was there. One that a look does refute is told while it is still served. `with` are
/// the runs with the key.
fn modified(with: &[&Run], life: &Lifetime) -> Vec<Fact> {
    let absent = life.absent.map(Observed::since);
    let credible = |modified: &UnixTime| absent.is_none_or(|absent| *modified >= absent);
    let dates = with.iter().flat_map(|run| {
        let dates = [run.last_modified, run.modified].into_iter().flatten();
        dates.map(|modified| (modified, run.from))
    });
    let earliest = dates.filter(|(modified, _)| credible(modified)).min();
    let latest = with.iter().max_by_key(|run| run.to);
    let served = latest.and_then(|run| Some((run.modified?, run.from)));
    let refuted = served.filter(|(modified, _)| !credible(modified));
    let told = earliest.into_iter().chain(refuted);
    told.filter_map(|(modified, at)| Fact::unmodified(life.key, modified, at.max(modified)))
        .collect()
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

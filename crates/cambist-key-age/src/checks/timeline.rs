//! K112, K113, K203 to K205 and K210: what the history shows of rotations.

use std::time::Duration;

use crate::fact::Source;
use crate::finding::{CheckId, Finding};
use crate::history::{History, Lifetime};
use crate::policy::Policy;
use crate::words::span;
use cambist_core::clock::UnixTime;

/// For how long after it a rotation is still worth a word.
const MEMORY: Duration = Duration::from_secs(90 * 24 * 3600);

/// K112: a key that was gone is published again.
pub fn returned_keys(history: &History, source: Source) -> Vec<Finding> {
    let now_published = history.published(source);
    let lives = history.lifetimes(source);
    let back = lives.iter().filter(|life| now_published.contains(&life.key));
    let finding = |life: &Lifetime| {
        let (last, again) = life.returned?;
        let text =
            format!("gone from the {source} key set after {last}, published again at {again}");
        Some(Finding::new(CheckId::K112, Some(life.key), text))
    };
    back.filter_map(finding).collect()
}

/// K113: the newest key appeared when its predecessor had lived less than half as long as usual: as keys
/// did before it in this history, else as they do on the `platform`. (What a policy allows at most says
/// nothing of what is usual.) Told for `policy.warn_before` after it appeared,
/// and never of a key that was expected then: that was planned.
pub fn unplanned_rotation(
    history: &History,
    source: Source,
    platform: Option<Duration>,
    policy: &Policy,
    now: UnixTime,
) -> Option<Finding> {
    let lives = history.lifetimes(source);
    let (newest, older) = lives.split_last()?;
    if history.expected(newest.key).is_some_and(|said| said.holds(newest.first)) {
        return None;
    }
    let appeared = newest.absent?;
    let place = older.iter().rposition(|life| life.first <= appeared.at)?;
    // The longest that the predecessor can have been the newest.
    let since = older.get(place)?.absent?;
    let longest = newest.first.since(since.at - since.stale);
    let cadence = usual(older.get(..=place)?).or(platform)?;
    let early = longest < cadence / 2 && now.since(newest.first) <= policy.warn_before;
    let text = format!(
        "first seen at {}, at most {} after the key before it; usual are {}",
        newest.first,
        span(longest),
        span(cadence)
    );
    early.then(|| Finding::new(CheckId::K113, Some(newest.key), text))
}

/// How long keys usually were the newest, if that was seen twice at least: the middle one.
fn usual(lives: &[Lifetime]) -> Option<Duration> {
    let seen: Vec<_> = lives.iter().filter(|life| life.absent.is_some()).collect();
    let mut spans: Vec<_> =
        seen.windows(2).map(|pair| pair[1].first.since(pair[0].first)).collect();
    spans.sort_unstable();
    (spans.len() >= 2).then(|| spans.get(spans.len() / 2).copied())?
}

/// K203: a key is gone while tokens that it signed may still be valid.
pub fn removed_too_soon(
    history: &History,
    source: Source,
    policy: &Policy,
    now: UnixTime,
) -> Vec<Finding> {
    let finding = |life: &Lifetime| {
        let (gone, seen) = (life.gone?, history.signings().get(&life.key)?);
        let valid_until = seen.expires.max(seen.last + policy.max_token_life);
        let text = format!(
            "gone since {gone}; it signed at {}, and such tokens may be valid until {valid_until}",
            seen.last
        );
        (now < valid_until).then(|| Finding::new(CheckId::K203, Some(life.key), text))
    };
    history.lifetimes(source).iter().filter_map(finding).collect()
}

/// K204: two keys were published together for less than tokens live and caches last.
pub fn short_overlap(
    history: &History,
    source: Source,
    policy: &Policy,
    now: UnixTime,
) -> Vec<Finding> {
    let needed = policy.max_token_life + policy.cache_life;
    let lives = history.lifetimes(source);
    let finding = |old: &Lifetime| {
        let gone = old.gone.filter(|gone| now.since(*gone) <= MEMORY)?;
        // The longest that each remaining key can have stood beside it; unknown if any is.
        let remaining = lives.iter().filter(|life| life.key != old.key && life.last >= gone);
        let together = remaining.map(|life| {
            if life.first <= old.first {
                return Some(gone.since(old.first));
            }
            life.absent.map(|absent| gone.since((absent.at - absent.stale).max(old.first)))
        });
        let together: Option<Vec<_>> = together.collect();
        let longest = together?.into_iter().max()?;
        let text = format!(
            "it was beside its successor for at most {}; tokens and caches together last {}",
            span(longest),
            span(needed)
        );
        (longest < needed).then(|| Finding::new(CheckId::K204, Some(old.key), text))
    };
    lives.iter().filter_map(finding).collect()
}

/// K205: a key signed while a key set without it could still be in caches. Kubernetes promises to
/// publish a key for at least the cache life before it signs.
pub fn signed_too_soon(history: &History, source: Source, policy: &Policy) -> Vec<Finding> {
    let finding = |life: &Lifetime| {
        let (absent, seen) = (life.absent?, history.signings().get(&life.key)?);
        let cached_until = absent.at + policy.cache_life;
        let text = format!(
            "it signed at {}; a set without it, served at {}, was good until {cached_until}",
            seen.first, absent.at
        );
        (seen.first < cached_until).then(|| Finding::new(CheckId::K205, Some(life.key), text))
    };
    history.lifetimes(source).iter().filter_map(finding).collect()
}

/// K210: the API server's keys changed, and the public set, looked at more than a cache life later,
/// has not.
pub fn forgotten_upload(history: &History, policy: &Policy) -> Option<Finding> {
    let (public, api) = (history.latest(Source::Public)?, history.latest(Source::Api)?);
    let changed = history
        .runs()
        .iter()
        .any(|run| run.source == Source::Api && run.keys != api.keys && run.from < api.from);
    let late = public.to >= api.from + policy.cache_life;
    let stood_still = public.from < api.from && public.keys != api.keys;
    let modified =
        public.last_modified.map_or_else(String::new, |at| format!(" (Last-Modified {at})"));
    let text = format!(
        "the API server's set changed by {}; the public one is as it was at {}{modified}",
        api.from, public.from
    );
    (changed && late && stood_still).then(|| Finding::new(CheckId::K210, None, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use crate::history::tests::look;
    use crate::testing::{ISSUER, NOW};
    use crate::vectors::{DAY, HOUR, key, watch};

    const PUBLIC: Source = Source::Public;

    /// Key 1, then both for `overlap`, then key 2 until a day after.
    fn rotated(overlap: Duration) -> History {
        let mut history = History::new(ISSUER);
        watch(&mut history, &[1], NOW - DAY * 45, NOW, HOUR);
        let end = NOW + overlap;
        if !overlap.is_zero() {
            watch(&mut history, &[1, 2], NOW + HOUR, end, HOUR);
        }
        watch(&mut history, &[2], end + HOUR, end + DAY, HOUR);
        history
    }

    #[test]
    fn k112_is_a_key_that_comes_back() {
        let mut history = rotated(DAY * 2);
        assert!(returned_keys(&history, PUBLIC).is_empty());
        history.observe(&look(PUBLIC, NOW + DAY * 4, &[1, 2])).unwrap();
        let found = returned_keys(&history, PUBLIC);
        assert_eq!((found.len(), found[0].key), (1, Some(key(1))));
    }

    #[test]
    fn k113_is_a_key_well_ahead_of_the_usual_schedule() {
        let policy = Policy::default();
        let mut history = rotated(DAY * 2);
        let platform = Some(DAY * 45);
        let ask = |history: &History, platform, now| {
            unplanned_rotation(history, PUBLIC, platform, &policy, now)
        };
        // Of the first key nobody knows since when it was there.
        assert!(ask(&history, platform, NOW + DAY * 3).is_none());
        let early = NOW + DAY * 10;
        watch(&mut history, &[2], NOW + DAY * 3 + HOUR, early - HOUR, HOUR);
        watch(&mut history, &[2, 3], early, early + DAY, HOUR);
        let found = ask(&history, platform, early + DAY).unwrap();
        assert_eq!((found.key, found.severity), (Some(key(3)), Severity::Info));
        assert!(ask(&history, platform, early + DAY * 8).is_none());
        let mut announced = history.clone();
        announced.expect(key(3), early, early + DAY);
        assert!(ask(&announced, platform, early + DAY).is_none());
        assert!(ask(&history, Some(DAY * 7), early + DAY).is_none());
        // What the policy asks for says nothing of what is usual.
        assert!(ask(&history, None, early + DAY).is_none());
    }

    #[test]
    fn k113_learns_what_is_usual() {
        let policy = Policy::default();
        let mut history = History::new(ISSUER);
        let mut at = NOW;
        let mut rotate = |name: u8, after: Duration| {
            watch(&mut history, &[name, name + 1], at, at + DAY, HOUR);
            watch(&mut history, &[name + 1], at + DAY + HOUR, at + after - HOUR, HOUR);
            at = at + after;
            let found = unplanned_rotation(&history, PUBLIC, Some(DAY * 90), &policy, at);
            found.map(|found| found.key)
        };
        // Every 14 days, ever since: better than was asked for, and nobody's alarm.
        for name in 1..4 {
            _ = rotate(name, DAY * 14);
        }
        for name in 4..8 {
            assert_eq!(rotate(name, DAY * 14), None, "{name}");
        }
        assert_eq!(rotate(8, DAY * 5), None, "the key before it was not early");
        assert_eq!(rotate(9, DAY * 5), Some(Some(key(10))));
    }

    #[test]
    fn k203_counts_from_the_last_token() {
        let policy = Policy::default();
        let mut history = rotated(DAY * 2);
        let gone = NOW + DAY * 2 + HOUR;
        let ask = |history: &History, now| removed_too_soon(history, PUBLIC, &policy, now);
        assert!(ask(&history, gone + HOUR).is_empty());
        history.observe_token(key(1), gone - HOUR * 2, gone - HOUR);
        assert_eq!(ask(&history, gone + HOUR).len(), 1);
        assert!(ask(&history, gone + DAY).is_empty());
    }

    #[test]
    fn k204_compares_overlap_with_token_and_cache_life() {
        let policy = Policy::default();
        let ask = |overlap| {
            let history = rotated(overlap);
            short_overlap(&history, PUBLIC, &policy, NOW + overlap + DAY).len()
        };
        assert_eq!((ask(Duration::ZERO), ask(HOUR * 12), ask(DAY * 2)), (1, 1, 0));
        let old = rotated(HOUR * 12);
        assert!(short_overlap(&old, PUBLIC, &policy, NOW + DAY * 200).is_empty());
    }

    #[test]
    fn k205_compares_the_first_token_with_the_last_set_without_the_key() {
        let policy = Policy::default();
        for (lead, expected) in [(Duration::from_secs(1800), 1), (HOUR * 2, 0)] {
            let mut history = rotated(DAY * 2);
            // The last set without it was served at NOW.
            history.observe_token(key(2), NOW + lead, NOW + lead + HOUR);
            assert_eq!(signed_too_soon(&history, PUBLIC, &policy).len(), expected);
        }
    }

    #[test]
    fn k210_is_an_upload_that_did_not_happen() {
        let policy = Policy::default();
        let mut history = History::new(ISSUER);
        watch(&mut history, &[1], NOW, NOW + DAY, HOUR);
        history.observe(&look(Source::Api, NOW, &[1])).unwrap();
        assert!(forgotten_upload(&history, &policy).is_none());
        history.observe(&look(Source::Api, NOW + DAY, &[1, 2])).unwrap();
        assert!(forgotten_upload(&history, &policy).is_none());
        history.observe(&look(PUBLIC, NOW + DAY + HOUR, &[1])).unwrap();
        assert_eq!(forgotten_upload(&history, &policy).unwrap().id, CheckId::K210);
        history.observe(&look(PUBLIC, NOW + DAY + HOUR * 2, &[1, 2])).unwrap();
        assert!(forgotten_upload(&history, &policy).is_none());
    }
}

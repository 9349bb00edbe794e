//! The time series that tell of an issuer's keys: the same wherever they are exported, so that one alert
//! and one dashboard serve both the sidecar and the command. Moments, never ages, which would be wrong a
//! minute later.

use std::collections::BTreeMap;
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::foreign::Foreign;

use crate::finding::Finding;
use crate::history::Watch;
use crate::judge::KeyJudgement;
use crate::role::{Role, Signer};
use crate::verdict::Verdict;

/// What is to be told.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever exports fills it in whole: what is left out is not told"
)]
pub struct Told<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Its verdict.
    pub verdict: Verdict,
    /// When UNKNOWN is decided.
    pub decides_at: Option<UnixTime>,
    /// Which key signs, and as of when.
    pub signer: Option<Signer>,
    /// How long and how well it was watched.
    pub watch: &'a Watch,
    /// Its keys, each by its name: the `kid`, else the thumbprint.
    pub keys: Vec<(String, &'a KeyJudgement)>,
    /// What was found.
    pub findings: Vec<&'a Finding>,
    /// When its keys were last read.
    pub read_at: Option<UnixTime>,
}

/// The gauges of one name, of which there is one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Its name, without the prefix `cambist_`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its series.
    pub samples: Vec<Sample>,
}

/// One gauge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// Names and values of its labels, the issuer first; nothing in them that would break a line.
    pub labels: Vec<(&'static str, String)>,
    /// Seconds since 1970, seconds, a count, or 0 and 1.
    pub value: i64,
}

type Moment = fn(&KeyJudgement) -> Option<UnixTime>;

/// What of a key is a moment. When it is to be replaced and to be gone depends on how old it is: while
/// nobody knows that, there is only the latest moment that is possible, which moves on with each new
/// beginning. An alert on that would never be raised, so there is none.
const MOMENTS: [(&str, &str, Moment); 5] = [
    (
        "issuer_key_trusted_since_min_timestamp_seconds",
        "The key was not yet published at this moment.",
        |key| key.trusted_not_before,
    ),
    (
        "issuer_key_trusted_since_max_timestamp_seconds",
        "The key was published by this moment.",
        |key| key.trusted_by,
    ),
    (
        "issuer_key_last_signed_timestamp_seconds",
        "When the newest token seen of this key was issued.",
        |key| key.last_signed,
    ),
    (
        "issuer_key_rotate_by_timestamp_seconds",
        "When the key is to be replaced, without grace; not told while its age is unknown.",
        |key| key.rotate_by.filter(|_| key.age_verdict != Verdict::Unknown),
    ),
    (
        "issuer_key_expire_by_timestamp_seconds",
        "When the key is to be gone, without grace; not told while its age is unknown.",
        |key| key.expire_by.filter(|_| key.age_verdict != Verdict::Unknown),
    ),
];

const KEY_VERDICT: &str = "1 for the verdict on the key, 0 for every other.";

/// Everything that is told, those without a series left out.
pub fn families(told: &Told<'_>) -> Vec<Family> {
    let mut out = Out { issuer: label(told.issuer), families: Vec::new() };
    let keys = named(&told.keys);
    for (name, help, moment) in MOMENTS {
        let samples = keys
            .iter()
            .filter_map(|(kid, key)| Some((of_key(kid, key).to_vec(), moment(key)?.as_secs())));
        out.add(name, help, samples);
    }
    let verdicts = keys.iter().flat_map(|(kid, key)| {
        Verdict::ALL.map(|verdict| {
            let mut labels = of_key(kid, key).to_vec();
            labels.push(("verdict", verdict.to_string()));
            (labels, i64::from(verdict == key.verdict))
        })
    });
    out.add("issuer_key_verdict", KEY_VERDICT, verdicts);
    let count = |role| told.keys.iter().filter(|(_, key)| key.role == role).count();
    let roles = Role::ALL.map(|role| (vec![("role", role.to_string())], whole(count(role))));
    out.add("issuer_keys", "Keys that are published or sign, by role.", roles);
    let status = Verdict::ALL
        .map(|verdict| (vec![("status", verdict.to_string())], i64::from(verdict == told.verdict)));
    let help = "1 for the verdict on the issuer's keys, 0 for every other.";
    out.add("issuer_status", help, status);
    let mut checks: BTreeMap<_, i64> = BTreeMap::new();
    for found in &told.findings {
        *checks.entry((found.id, found.severity)).or_default() += 1;
    }
    let checks = checks.into_iter().map(|((id, severity), count)| {
        let id = id.as_str().to_owned();
        (vec![("id", id), ("severity", severity.to_string())], count)
    });
    out.add("issuer_check", "How many findings a check has now, by its id in docs/checks.md; a check without one is not told.", checks);
    for (name, help, value) in moments(told) {
        out.add(name, help, value.map(|value| (Vec::new(), value)));
    }
    for (name, help, value) in deadlines(&keys) {
        out.add(name, help, value.map(|value| (Vec::new(), value)));
    }
    let sources = told.watch.sources.iter();
    let sources = sources.map(|source| (vec![("source", source.to_string())], 1));
    out.add("issuer_watched_source", "1 for each place where keys were seen.", sources);
    out.families.extend(told.read_at.map(|at| last_read(told.issuer, at)));
    out.families
}

/// When the keys were last read, which is told where nothing is judged, too.
pub fn last_read(issuer: &str, at: UnixTime) -> Family {
    Family {
        name: "issuer_last_observation_timestamp_seconds",
        help: "When the issuer's keys were last read.",
        samples: vec![Sample { labels: vec![("issuer", label(issuer))], value: at.as_secs() }],
    }
}

/// What there is one of: moments, and how well the issuer was watched.
fn moments(told: &Told<'_>) -> [(&'static str, &'static str, Option<i64>); 6] {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let watch = told.watch;
    [
        (
            "issuer_decides_at_timestamp_seconds",
            "When UNKNOWN is decided unless a rotation is seen before.",
            told.decides_at.map(UnixTime::as_secs),
        ),
        (
            "issuer_signer_as_of_timestamp_seconds",
            "When the newest token seen was issued: as of then it is known who signs.",
            told.signer.map(|signer| signer.as_of.as_secs()),
        ),
        (
            "issuer_watched_since_timestamp_seconds",
            "The first look at the key set.",
            watch.since.map(UnixTime::as_secs),
        ),
        (
            "issuer_watched_looks",
            "How many looks at the key set there were.",
            Some(i64::try_from(watch.looks).unwrap_or(i64::MAX)),
        ),
        (
            "issuer_watched_longest_pause_seconds",
            "The longest pause between looks, where it is on record.",
            watch.longest_pause.map(seconds),
        ),
        (
            "issuer_watched_clock_error_seconds",
            "How wrong the clocks may have been that dated what was seen.",
            Some(seconds(watch.clock_error)),
        ),
    ]
}

/// The first of its keys' moments, for an alert that need not know how many there are.
fn deadlines(keys: &[(String, &KeyJudgement)]) -> [(&'static str, &'static str, Option<i64>); 2] {
    let known = keys.iter().filter(|(_, key)| key.age_verdict != Verdict::Unknown);
    let replaced = known.clone().filter(|(_, key)| key.role.may_sign());
    let first = |moments: &mut dyn Iterator<Item = UnixTime>| moments.min().map(UnixTime::as_secs);
    [
        (
            "issuer_rotate_by_timestamp_seconds",
            "When the first of the keys that may sign is to be replaced, without grace; not told while no such key's age is known.",
            first(&mut replaced.filter_map(|(_, key)| key.rotate_by)),
        ),
        (
            "issuer_expire_by_timestamp_seconds",
            "When the first of the keys is to be gone, without grace; not told while no key's age is known.",
            first(&mut known.filter_map(|(_, key)| key.expire_by)),
        ),
    ]
}

struct Out {
    issuer: String,
    families: Vec<Family>,
}

type Labels = Vec<(&'static str, String)>;

impl Out {
    fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, i64)>,
    ) {
        let sample = |(labels, value): (Labels, i64)| {
            let issuer = [("issuer", self.issuer.clone())];
            Sample { labels: issuer.into_iter().chain(labels).collect(), value }
        };
        let samples: Vec<_> = samples.into_iter().map(sample).collect();
        if !samples.is_empty() {
            self.families.push(Family { name, help, samples });
        }
    }
}

fn of_key(kid: &str, key: &KeyJudgement) -> [(&'static str, String); 2] {
    [("kid", kid.to_owned()), ("role", key.role.to_string())]
}

/// The keys, each by a name of its own: two series with the same labels would spoil the whole scrape, so
/// that keys which share a name, or as much of it as is told, go by their thumbprints.
fn named<'a>(keys: &[(String, &'a KeyJudgement)]) -> Vec<(String, &'a KeyJudgement)> {
    let mut times = BTreeMap::new();
    for (kid, _) in keys {
        *times.entry(label(kid)).or_insert(0) += 1;
    }
    let name = |kid: &str, key: &KeyJudgement| {
        let kid = label(kid);
        if times.get(&kid) == Some(&1) { kid } else { key.key.to_string() }
    };
    keys.iter().map(|(kid, key)| (name(kid, key), *key)).collect()
}

/// What others wrote, as a label: short, in one line, and what it looks like.
fn label(text: &str) -> String {
    Foreign::new(text).as_str().to_owned()
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cambist_core::clock::Reading;
    use cambist_core::jwks::Thumbprint;

    use super::*;
    use crate::{Fact, Known, Policy, Source, judge};

    const NOW: UnixTime = UnixTime::from_secs(1_795_407_225);
    const DAY: i64 = 24 * 3600;

    fn at(days: i64) -> Reading {
        Reading::alone(UnixTime::from_secs(NOW.as_secs() + days * DAY))
    }

    fn told(days: i64, kid: &str) -> Vec<Family> {
        let key = Thumbprint::of_spki(b"a key");
        let known = Known {
            facts: vec![Fact::published(key, NOW, Source::Public)],
            published: BTreeSet::from([key]),
            ..Known::default()
        };
        let judged = judge(&known, &Policy::default(), at(days));
        families(&Told {
            issuer: "https://i.test/",
            verdict: judged.verdict,
            decides_at: judged.decides_at,
            signer: judged.signer,
            watch: &judged.watch,
            keys: judged.keys.iter().map(|key| (kid.to_owned(), key)).collect(),
            findings: Vec::new(),
            read_at: Some(NOW),
        })
    }

    fn family<'a>(families: &'a [Family], name: &str) -> Option<&'a Family> {
        families.iter().find(|family| family.name == name)
    }

    #[test]
    fn what_is_only_bounded_is_told_once_it_is_known() {
        for (days, known) in [(1, false), (60, true), (94, true)] {
            let families = told(days, "k");
            for by in ["rotate_by_timestamp_seconds", "expire_by_timestamp_seconds"] {
                let of = |prefix: &str| {
                    let found = family(&families, &format!("{prefix}_{by}"))?;
                    Some(found.samples.iter().map(|sample| sample.value).collect::<Vec<_>>())
                };
                let (of_key, of_issuer) = (of("issuer_key"), of("issuer"));
                assert_eq!(of_key.is_some(), known, "{by} after {days} d: {families:#?}");
                assert_eq!(of_issuer, of_key, "of one key, its own");
            }
            assert_eq!(family(&families, "issuer_decides_at_timestamp_seconds").is_some(), !known);
        }
    }

    #[test]
    fn a_key_has_one_set_of_labels_and_its_verdict_a_family_of_its_own() {
        let families = told(94, "k");
        for family in &families {
            for sample in &family.samples {
                let names: Vec<_> = sample.labels.iter().map(|(name, _)| *name).collect();
                assert_eq!(sample.labels[0], ("issuer", "https://i.test/".to_owned()));
                match family.name {
                    "issuer_key_verdict" => {
                        assert_eq!(names, ["issuer", "kid", "role", "verdict"]);
                    }
                    name if name.starts_with("issuer_key_") => {
                        assert_eq!(names, ["issuer", "kid", "role"], "{name}");
                    }
                    _ => {}
                }
            }
        }
        let verdicts = &family(&families, "issuer_key_verdict").unwrap().samples;
        let true_one = |sample: &&Sample| sample.value == 1;
        let true_ones: Vec<_> = verdicts.iter().filter(true_one).collect();
        assert_eq!((verdicts.len(), true_ones.len()), (5, 1));
        assert_eq!(true_ones[0].labels[3].1, "OVERDUE");
    }

    #[test]
    fn an_issuer_is_due_when_the_first_of_its_keys_is() {
        let keys = [(b"a", 0), (b"b", -10)].map(|(name, day)| (Thumbprint::of_spki(name), day));
        let facts =
            keys.iter().map(|(key, day)| Fact::published(*key, at(*day).at(), Source::Public));
        let published = keys.iter().map(|(key, _)| *key).collect();
        let known = Known { facts: facts.collect(), published, ..Known::default() };
        let mut judged = judge(&known, &Policy::default(), at(94));
        let first = |judged: &[KeyJudgement]| {
            let keys: Vec<_> = judged.iter().map(|key| (String::new(), key)).collect();
            deadlines(&keys).map(|(.., value)| value)
        };
        let least =
            |moment: Moment| judged.keys.iter().filter_map(moment).min().map(UnixTime::as_secs);
        let expected = [least(|key| key.rotate_by), least(|key| key.expire_by)];
        assert!(expected[0].is_some() && expected[0] < expected[1], "{expected:?}");
        assert_eq!(first(&judged.keys), expected);
        // Who signs no more is not to be replaced, and is to be gone.
        judged.keys.iter_mut().for_each(|key| key.role = Role::Verifier);
        assert_eq!(first(&judged.keys), [None, expected[1]]);
    }

    #[test]
    fn a_key_s_name_breaks_no_line_and_has_an_end() {
        let families = told(1, &format!("a\nb\u{1b}{}", "x".repeat(5000)));
        let kid = &families[0].samples[0].labels[1].1;
        assert!(kid.starts_with(r"a\nb\u{1b}x") && kid.len() < 256, "{kid}");
    }

    #[test]
    fn keys_that_share_a_name_are_told_apart() {
        let keys = [b"a", b"b", b"c"].map(|name| Thumbprint::of_spki(name));
        let facts = keys.map(|key| Fact::published(key, NOW, Source::Public)).to_vec();
        let known = Known { facts, published: keys.into(), ..Known::default() };
        let judged = judge(&known, &Policy::default(), at(1));
        let long = "x".repeat(300);
        let kids = [format!("{long}1"), format!("{long}2"), "c".to_owned()];
        let keys: Vec<_> = kids.into_iter().zip(&judged.keys).collect();
        let named: BTreeSet<_> = named(&keys).into_iter().map(|(name, _)| name).collect();
        assert_eq!(named.len(), 3);
        assert!(
            named.contains("c") && !named.iter().any(|name| name.starts_with('x')),
            "{named:?}"
        );
    }
}

//! History: which keys were published when, as a small document that merges without coordination.
//!
//! It is run-length encoded: a key set that does not change takes one [`Run`] however often it is
//! seen. Two histories of one issuer merge into one, in any order and as often as one likes, with
//! the same result; so replicas need no coordination. Every fact is computed from it anew.
//!
//! The checksum in the document detects corruption, not tampering: whoever may write the document
//! can write a matching checksum. What comes from a history that others write is therefore capped
//! at a grade (see [`History::facts`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fact::Source;
use super::published::PublishedSet;
use super::role::Signings;
use cambist_core::clock::{Reading, UnixTime};
use cambist_core::jwks::Thumbprint;

mod compact;
mod document;
mod expected;
mod forgotten;
mod lifetime;
mod merge;
mod observe;
mod timeline;
mod watch;

pub use document::{HistoryError, MAX_HISTORY_BYTES};
pub use expected::Expectation;
pub use lifetime::Lifetime;
pub use merge::AnotherIssuer;
pub use observe::{LeftOut, MAX_CLOCK_ERROR};
pub use watch::Watch;

use forgotten::Forgotten;

/// Servers that restart one by one show a new key set by turns. What changes and changes back
/// within this time is no change.
pub const FLAP: Duration = Duration::from_secs(6 * 3600);

/// What was seen of an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    issuer: String,
    sequence: u64,
    endpoint: Option<Endpoint>,
    /// Sorted by source, key set and beginning, which tell them apart.
    runs: Vec<Run>,
    forgotten: Forgotten,
    kids: BTreeMap<Thumbprint, BTreeSet<String>>,
    signings: BTreeMap<Thumbprint, Signings>,
    expected: BTreeMap<Thumbprint, Expectation>,
}

/// Observations of one key set by one observer, with none of another between them.
///
/// How often and how regularly it was seen is kept, and its two ends; what is between them is not. So
/// runs of different observers are never joined: each end may be the last that was seen before some
/// key was there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// Where it was seen.
    pub source: Source,
    /// The keys in it.
    pub keys: BTreeSet<Thumbprint>,
    /// The first observation.
    pub from: UnixTime,
    /// The last observation.
    pub to: UnixTime,
    /// How many observations there were.
    pub n: u32,
    /// How far out of date the first may have been: `Age` and `max-age` together.
    pub stale: Duration,
    /// How wrong the clock may have been that dated the first.
    pub error: Duration,
    /// The observation that tells of the latest moment; not the last, if that was from an old cache.
    pub best: Observed,
    /// The longest pause between two observations, if that is on record.
    pub pause: Option<Duration>,
    /// The earliest `Last-Modified` it came with.
    pub last_modified: Option<UnixTime>,
    /// The latest.
    pub modified: Option<UnixTime>,
    /// The `ETag` of the last observation.
    pub etag: Option<String>,
}

/// One observation: when, and of when that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// When, by the observer's clock.
    pub at: UnixTime,
    /// How far out of date the set may have been.
    pub stale: Duration,
    /// How wrong the clock may have been.
    pub error: Duration,
}

impl Observed {
    /// The set was so at some moment since then.
    pub fn since(self) -> UnixTime {
        self.at - self.stale - self.error
    }

    /// Of two, the one that tells of the later moment.
    fn better(self, other: Self) -> Self {
        let order = |it: &Self| (it.since(), it.at, it.stale);
        if order(&other) > order(&self) { other } else { self }
    }
}

impl Run {
    /// The first observation.
    fn begin(&self) -> Observed {
        Observed { at: self.from, stale: self.stale, error: self.error }
    }
}

/// Where the discovery document last said that the key set is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Endpoint {
    /// When it said so.
    pub at: UnixTime,
    /// The `jwks_uri`.
    pub uri: String,
}

/// One look at a complete key set that came with HTTP 200 (or was confirmed by a 304).
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Where.
    pub source: Source,
    /// When.
    pub at: Reading,
    /// How far out of date it may be: `Age` and `max-age` together.
    pub stale: Duration,
    /// Its `Last-Modified`.
    pub last_modified: Option<UnixTime>,
    /// Its `ETag`.
    pub etag: Option<String>,
    keys: BTreeSet<Thumbprint>,
    kids: BTreeMap<Thumbprint, BTreeSet<String>>,
}

impl Sighting {
    /// A look at `set`, as fresh as kube-apiserver's `max-age=3600` makes it.
    ///
    /// `None` if no key of it can be told apart from others: that says nothing of any key.
    pub fn of(source: Source, at: Reading, set: &PublishedSet) -> Option<Self> {
        let mut kids: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (key, kid) in set.keys().iter().filter_map(|key| Some((key.thumbprint?, &key.kid))) {
            kids.entry(key).or_default().extend(kid.clone());
        }
        let keys: BTreeSet<_> = kids.keys().copied().collect();
        let stale = Duration::from_secs(3600);
        let sighting = Self { source, at, stale, last_modified: None, etag: None, keys, kids };
        (!sighting.keys.is_empty()).then_some(sighting)
    }

    /// The keys seen.
    pub fn keys(&self) -> &BTreeSet<Thumbprint> {
        &self.keys
    }
}

impl History {
    /// Nothing is known yet of `issuer`.
    ///
    /// ```
    /// use cambist_core::clock::{Reading, UnixTime};
    /// use cambist_key_age::{History, PublishedSet, Sighting, Source};
    ///
    /// let body = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    /// let set = PublishedSet::parse(body)?;
    /// let mut history = History::new("https://issuer.example/");
    /// for hour in 0..1000 {
    ///     let at = UnixTime::from_secs(1_795_407_225 + hour * 3600);
    ///     history.observe(&Sighting::of(Source::Public, Reading::alone(at), &set).unwrap())?;
    /// }
    /// assert_eq!(history.runs().len(), 1);
    /// let bytes = history.encode()?;
    /// assert_eq!(History::decode(&bytes)?, history);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            sequence: 0,
            endpoint: None,
            runs: Vec::new(),
            forgotten: Forgotten::default(),
            kids: BTreeMap::new(),
            signings: BTreeMap::new(),
            expected: BTreeMap::new(),
        }
    }

    /// The issuer it is about, byte for byte.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How many times something was added: grows by one each time; of two histories that merge, the
    /// larger counts. A store that comes back with a smaller one was rolled back.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The runs, by source and key set.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// What was seen of the tokens each key signed.
    pub fn signings(&self) -> &BTreeMap<Thumbprint, Signings> {
        &self.signings
    }

    /// The names a key was published by, where the history remembers them.
    pub fn kids(&self, key: Thumbprint) -> impl Iterator<Item = &str> {
        self.kids.get(&key).into_iter().flatten().map(String::as_str)
    }

    /// Where the key set was, by the latest discovery document.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// The latest moment that anything in it is of.
    pub fn last(&self) -> Option<UnixTime> {
        let runs = self.runs.iter().map(|run| run.to);
        runs.chain(self.signings.values().map(|seen| seen.last)).max()
    }

    /// The source whose sets decide what is trusted: the best that was ever seen.
    pub fn primary(&self) -> Source {
        self.runs.iter().map(|run| run.source).min().unwrap_or(Source::Public)
    }

    /// The run of the latest observation of `source`.
    pub fn latest(&self, source: Source) -> Option<&Run> {
        let runs = self.runs.iter().filter(|run| run.source == source);
        runs.max_by_key(|run| (run.to, run.from))
    }

    /// The keys published at the latest observation of `source`.
    pub fn published(&self, source: Source) -> BTreeSet<Thumbprint> {
        self.latest(source).map(|run| run.keys.clone()).unwrap_or_default()
    }

    /// Whether `source` ever published `key`, forgotten or not.
    pub fn had(&self, source: Source, key: Thumbprint) -> bool {
        let mut runs = self.runs.iter().filter(|run| run.source == source);
        runs.any(|run| run.keys.contains(&key)) || self.forgotten.first(source, key).is_some()
    }

    /// Whether `source` was seen without `key` as it was after `moment`.
    pub fn lacked(&self, source: Source, key: Thumbprint, moment: UnixTime) -> bool {
        let mut runs = self.runs.iter().filter(|run| run.source == source);
        runs.any(|run| run.best.since() > moment && !run.keys.contains(&key))
    }

    /// Every key that `source` ever published and that is not forgotten.
    pub fn ever(&self, source: Source) -> BTreeSet<Thumbprint> {
        let runs = self.runs.iter().filter(|run| run.source == source);
        runs.flat_map(|run| run.keys.iter().copied()).collect()
    }
}

#[cfg(test)]
pub(super) mod tests;

//! The document: JSON with a version, a sequence number and a checksum.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::forgotten::{Day, Forgotten, Prefix};
use super::{Endpoint, Expectation, History, Observed, Run};
use crate::fact::Source;
use crate::finding::{CheckId, Finding};
use crate::role::Signings;
use crate::serial::seconds;
use cambist_core::clock::UnixTime;
use cambist_core::foreign::Foreign;
use cambist_core::jwks::Thumbprint;
use cambist_core::{JsonError, json};

/// Largest document that is written, and so the largest that is read, in bytes; what does not fit is
/// forgotten, the oldest first.
pub const MAX_HISTORY_BYTES: usize = 64 * 1024;

/// The version of the document's form. Older ones are read as well: what they do not say is taken for
/// as bad as it can be.
const VERSION: u32 = 2;

/// The oldest that is read.
const OLDEST: u32 = 1;

/// Why a document is no history, or one that must not be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It is not the JSON it should be: cut off, or something else altogether.
    #[error("the key history is damaged: it is {0}")]
    Json(#[from] JsonError),
    /// What it says cannot be; in our own words.
    #[error("the key history is damaged: {0}")]
    Shape(String),
    /// It has a form of another version.
    #[error("the key history has schemaVersion {found}; this program reads {OLDEST} to {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It was changed since it was written: corrupted, or edited by hand.
    #[error(
        "the key history is damaged: its checksum is {found}, its content's is {computed} (which detects corruption, not somebody who computes a new checksum)"
    )]
    Checksum {
        /// The one in the document.
        found: Foreign,
        /// The one its content has.
        computed: String,
    },
    /// An older state came back.
    #[error("the key history was rolled back: its sequence number is {found}, it had been {known}")]
    RolledBack {
        /// The one last known.
        known: u64,
        /// The one found.
        found: u64,
    },
    /// It knows of things to come.
    #[error(
        "the key history is of the future: its last entry is of {last}, and it is {now}; either clock was wrong"
    )]
    Future {
        /// Its last entry.
        last: UnixTime,
        /// The clock.
        now: UnixTime,
    },
    /// It is too large, even with everything forgotten that can be.
    #[error("the key history has {found} bytes, more than the {limit} that fit its store")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The most allowed.
        limit: usize,
    },
}

impl HistoryError {
    /// The finding K190: a history that must not be believed is as good as none, and is told.
    pub fn finding(&self) -> Finding {
        Finding::new(CheckId::K190, None, self.to_string())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    schema_version: u32,
    checksum: String,
    history: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    schema_version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    issuer: String,
    sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<BodyEndpoint>,
    keys: Vec<BodyKey>,
    runs: Vec<BodyRun>,
    signers: Vec<BodySigner>,
    /// For each source, the beginnings of forgotten thumbprints and the days they were first seen on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    forgotten: BTreeMap<Source, BTreeMap<String, Day>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    forgot_more: bool,
    /// Announced keys, which need not be among `keys`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    expected: BTreeMap<Thumbprint, BodyExpected>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyExpected {
    at: UnixTime,
    until: UnixTime,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyEndpoint {
    at: UnixTime,
    uri: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyKey {
    spki: Thumbprint,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kids: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BodyRun {
    source: Source,
    /// Places in `keys`.
    keyset: Vec<usize>,
    from: UnixTime,
    to: UnixTime,
    n: u32,
    #[serde(with = "seconds")]
    stale: Duration,
    #[serde(with = "seconds", default, skip_serializing_if = "Duration::is_zero")]
    error: Duration,
    /// Where it is not the last, with the staleness and the error of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<BodyObserved>,
    /// In seconds. Version 1 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<UnixTime>,
    /// The latest, where it is not the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyObserved {
    at: UnixTime,
    #[serde(with = "seconds")]
    stale: Duration,
    #[serde(with = "seconds", default, skip_serializing_if = "Duration::is_zero")]
    error: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BodySigner {
    /// A place in `keys`.
    key: usize,
    iat_min: UnixTime,
    iat_max: UnixTime,
    exp_max: UnixTime,
    /// Of the newest token, where another lives longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<UnixTime>,
}

impl History {
    /// The document, at most [`MAX_HISTORY_BYTES`] long. What does not fit is forgotten: first what
    /// proves nothing of the keys published now.
    ///
    /// # Errors
    /// [`HistoryError::TooLarge`] if the keys published now alone need more.
    pub fn encode(&self) -> Result<Vec<u8>, HistoryError> {
        let mut history = self.clone();
        loop {
            let bytes = history.document()?;
            if bytes.len() <= MAX_HISTORY_BYTES {
                return Ok(bytes);
            }
            if !history.forget() {
                let (found, limit) = (bytes.len(), MAX_HISTORY_BYTES);
                return Err(HistoryError::TooLarge { found, limit });
            }
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// If it is no history of this version, or its checksum does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self, HistoryError> {
        if bytes.len() > MAX_HISTORY_BYTES {
            return Err(HistoryError::TooLarge { found: bytes.len(), limit: MAX_HISTORY_BYTES });
        }
        let versioned: Versioned = json::read(bytes)?;
        if !(OLDEST..=VERSION).contains(&versioned.schema_version) {
            return Err(HistoryError::Version { found: versioned.schema_version });
        }
        let document: Document = json::read(bytes)?;
        let computed = checksum(&document.history)?;
        if computed != document.checksum {
            return Err(HistoryError::Checksum {
                found: Foreign::new(&document.checksum),
                computed,
            });
        }
        document.history.read()
    }

    /// Whether this state may be believed at `now`, with clocks that differ by `slack`, by somebody
    /// who last saw the sequence number `known`.
    ///
    /// # Errors
    /// [`HistoryError::RolledBack`] and [`HistoryError::Future`].
    pub fn check(
        &self,
        now: UnixTime,
        slack: Duration,
        known: Option<u64>,
    ) -> Result<(), HistoryError> {
        if let Some(known) = known.filter(|known| self.sequence < *known) {
            return Err(HistoryError::RolledBack { known, found: self.sequence });
        }
        match self.last() {
            Some(last) if last > now + slack => Err(HistoryError::Future { last, now }),
            _ => Ok(()),
        }
    }

    fn document(&self) -> Result<Vec<u8>, HistoryError> {
        let history = Body::write(self);
        let checksum = checksum(&history)?;
        serde_json::to_vec(&Document { schema_version: VERSION, checksum, history }).map_err(shape)
    }
}

fn shape(error: serde_json::Error) -> HistoryError {
    JsonError::from(error).into()
}

/// SHA-256 over the content as this program writes it, so that white space does not matter.
fn checksum(body: &Body) -> Result<String, HistoryError> {
    let canonical = serde_json::to_vec(body).map_err(shape)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &canonical);
    Ok(URL_SAFE_NO_PAD.encode(digest))
}

impl Body {
    fn write(history: &History) -> Self {
        let runs = history.runs.iter().flat_map(|run| run.keys.iter());
        let keys = runs.chain(history.signings.keys()).chain(history.kids.keys());
        let keys: BTreeSet<_> = keys.copied().collect();
        let place: BTreeMap<_, _> = keys.iter().enumerate().map(|(i, key)| (*key, i)).collect();
        let kids = |key| history.kids.get(key).cloned().unwrap_or_default();
        Self {
            issuer: history.issuer.clone(),
            sequence: history.sequence,
            jwks_uri: history
                .endpoint
                .as_ref()
                .map(|endpoint| BodyEndpoint { at: endpoint.at, uri: endpoint.uri.clone() }),
            keys: keys.iter().map(|key| BodyKey { spki: *key, kids: kids(key) }).collect(),
            runs: history.runs.iter().map(|run| BodyRun::write(run, &place)).collect(),
            signers: history
                .signings
                .iter()
                .filter_map(|(key, seen)| {
                    let key = *place.get(key)?;
                    let (iat_min, iat_max, exp_max) = (seen.first, seen.last, seen.expires);
                    let exp = (seen.ends != exp_max).then_some(seen.ends);
                    Some(BodySigner { key, iat_min, iat_max, exp_max, exp })
                })
                .collect(),
            forgotten: Self::forgotten(&history.forgotten),
            forgot_more: history.forgotten.more,
            expected: history
                .expected
                .iter()
                .map(|(key, said)| (*key, BodyExpected { at: said.at, until: said.until }))
                .collect(),
        }
    }

    fn forgotten(forgotten: &Forgotten) -> BTreeMap<Source, BTreeMap<String, Day>> {
        let mut out: BTreeMap<Source, BTreeMap<_, _>> = BTreeMap::new();
        for ((source, prefix), day) in &forgotten.days {
            out.entry(*source).or_default().insert(URL_SAFE_NO_PAD.encode(prefix), *day);
        }
        out
    }

    fn read_forgotten(&self) -> Result<Forgotten, HistoryError> {
        let mut out = Forgotten { more: self.forgot_more, ..Forgotten::default() };
        for (source, keys) in &self.forgotten {
            for (text, day) in keys {
                let prefix = URL_SAFE_NO_PAD.decode(text).ok();
                let prefix: Option<Prefix> = prefix.and_then(|bytes| bytes.try_into().ok());
                let prefix = prefix.ok_or_else(|| {
                    let text = Foreign::new(text);
                    HistoryError::Shape(format!("{text} is not how a key's thumbprint begins"))
                })?;
                out.days.insert((*source, prefix), *day);
            }
        }
        Ok(out)
    }

    fn read(self) -> Result<History, HistoryError> {
        let keys: Vec<_> = self.keys.iter().map(|key| key.spki).collect();
        let key = |place: usize| {
            keys.get(place).copied().ok_or_else(|| {
                HistoryError::Shape(format!("it speaks of key {place} of {}", keys.len()))
            })
        };
        let mut history = History::new(&self.issuer);
        history.sequence = self.sequence;
        history.forgotten = self.read_forgotten()?;
        history.endpoint = self.jwks_uri.map(|end| Endpoint { at: end.at, uri: end.uri });
        for run in self.runs {
            let keys: Result<BTreeSet<_>, _> = run.keyset.into_iter().map(key).collect();
            let keys = keys?;
            if keys.is_empty() || run.from > run.to || run.n == 0 {
                return Err(HistoryError::Shape(format!(
                    "a run from {} to {} of {} keys cannot be",
                    run.from,
                    run.to,
                    keys.len()
                )));
            }
            let BodyRun { source, from, to, n, stale, error, last_modified, etag, .. } = run;
            let modified = run.modified.or(last_modified);
            let best = run.best.map_or(Observed { at: to, stale, error }, |best| Observed {
                at: best.at,
                stale: best.stale,
                error: best.error,
            });
            // Of two observations the pause between them is known, whether somebody wrote it or not.
            let pause = match n {
                1 => Some(Duration::ZERO),
                2 => Some(to.since(from)),
                _ => run.pause.map(Duration::from_secs),
            };
            history.runs.push(Run {
                source,
                keys,
                from,
                to,
                n,
                stale,
                error,
                best,
                pause,
                last_modified,
                modified,
                etag,
            });
        }
        for seen in self.signers {
            let BodySigner { iat_min: first, iat_max: last, exp_max: expires, .. } = seen;
            let ends = seen.exp.unwrap_or(expires);
            let signings = Signings { first, last, expires, ends };
            history.signings.insert(key(seen.key)?, signings);
        }
        let expected = self.expected.into_iter();
        history.expected = expected
            .map(|(key, BodyExpected { at, until })| (key, Expectation { at, until }))
            .collect();
        let named = self.keys.into_iter().filter(|key| !key.kids.is_empty());
        history.kids = named.map(|key| (key.spki, key.kids)).collect();
        history.normalise();
        Ok(history)
    }
}

impl BodyRun {
    fn write(run: &Run, place: &BTreeMap<Thumbprint, usize>) -> Self {
        let usual = Observed { at: run.to, ..run.begin() };
        let Observed { at, stale, error } = run.best;
        Self {
            source: run.source,
            keyset: run.keys.iter().filter_map(|key| place.get(key).copied()).collect(),
            from: run.from,
            to: run.to,
            n: run.n,
            stale: run.stale,
            error: run.error,
            best: (run.best != usual).then_some(BodyObserved { at, stale, error }),
            pause: run.pause.filter(|_| run.n > 2).map(|pause| pause.as_secs()),
            last_modified: run.last_modified,
            modified: run.modified.filter(|_| run.modified != run.last_modified),
            etag: run.etag.clone(),
        }
    }
}

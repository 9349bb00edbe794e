//! The document: JSON with a version, a sequence number and a checksum.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Endpoint, History, Run};
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

/// The version of the document's form.
const VERSION: u32 = 1;

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
    #[error("the key history has schemaVersion {found}; this program reads {VERSION}")]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BodySigner {
    /// A place in `keys`.
    key: usize,
    iat_min: UnixTime,
    iat_max: UnixTime,
    exp_max: UnixTime,
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
        if versioned.schema_version != VERSION {
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
                    Some(BodySigner { key, iat_min, iat_max, exp_max })
                })
                .collect(),
        }
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
            history.runs.push(Run { source, keys, from, to, n, stale, error, last_modified, etag });
        }
        for seen in self.signers {
            let signings =
                Signings { first: seen.iat_min, last: seen.iat_max, expires: seen.exp_max };
            history.signings.insert(key(seen.key)?, signings);
        }
        let named = self.keys.into_iter().filter(|key| !key.kids.is_empty());
        history.kids = named.map(|key| (key.spki, key.kids)).collect();
        history.normalise();
        Ok(history)
    }
}

impl BodyRun {
    fn write(run: &Run, place: &BTreeMap<Thumbprint, usize>) -> Self {
        Self {
            source: run.source,
            keyset: run.keys.iter().filter_map(|key| place.get(key).copied()).collect(),
            from: run.from,
            to: run.to,
            n: run.n,
            stale: run.stale,
            error: run.error,
            last_modified: run.last_modified,
            etag: run.etag.clone(),
        }
    }
}

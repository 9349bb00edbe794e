//! Roles: what a key is for at the moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// What a key is for, as far as tokens and key sets tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It signs today's tokens.
    Signer,
    /// It is published so that tokens it once signed can be verified.
    Verifier,
    /// It is published, younger than the signer, and has not signed yet.
    Next,
    /// It signs but is not published: its tokens cannot be exchanged.
    Ghost,
    /// No token was seen, so nobody can tell.
    Unknown,
}

impl Role {
    /// The word it is printed by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Verifier => "verifier",
            Self::Next => "next",
            Self::Ghost => "ghost",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was seen of the tokens that one key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signings {
    /// The earliest `iat`.
    pub first: UnixTime,
    /// The latest `iat`.
    pub last: UnixTime,
    /// The latest `exp`.
    pub expires: UnixTime,
}

impl Signings {
    /// Both together.
    #[must_use]
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            expires: self.expires.max(other.expires),
        }
    }
}

/// The key that signs now: that of the token at hand, else that of the newest token seen.
pub(super) fn signer(
    current: Option<Thumbprint>,
    signings: &BTreeMap<Thumbprint, Signings>,
) -> Option<Thumbprint> {
    current.or_else(|| {
        signings.iter().max_by_key(|(key, seen)| (seen.last, **key)).map(|(key, _)| *key)
    })
}

/// What `key` is for. `published_by` tells by when a key was published.
pub(super) fn role(
    key: Thumbprint,
    signer: Option<Thumbprint>,
    published: &BTreeSet<Thumbprint>,
    signings: &BTreeMap<Thumbprint, Signings>,
    published_by: impl Fn(Thumbprint) -> Option<UnixTime>,
) -> Role {
    let Some(signer) = signer else { return Role::Unknown };
    match (key == signer, published.contains(&key)) {
        (true, true) => Role::Signer,
        (true, false) => Role::Ghost,
        (false, _) if signings.contains_key(&key) => Role::Verifier,
        (false, _) => match (published_by(key), published_by(signer)) {
            (Some(key), Some(signer)) if key > signer => Role::Next,
            _ => Role::Verifier,
        },
    }
}

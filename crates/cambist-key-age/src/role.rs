//! Roles: what a key is for at the moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// What a key is for, as far as tokens and key sets tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// It signs today's tokens.
    Signer,
    /// It is published so that tokens it once signed can be verified.
    Verifier,
    /// It is published, younger than the signer, and has not signed yet.
    Next,
    /// It signs but is not published: its tokens cannot be exchanged.
    Ghost,
    /// No token was seen that may still be in use, so nobody can tell.
    Unknown,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] =
        [Self::Signer, Self::Verifier, Self::Next, Self::Ghost, Self::Unknown];

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

    /// Whether such a key signs, or may for all that is known.
    pub const fn may_sign(self) -> bool {
        matches!(self, Self::Signer | Self::Ghost | Self::Unknown)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was seen of the tokens that one key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signings {
    /// The earliest `iat`.
    pub first: UnixTime,
    /// The latest `iat`.
    pub last: UnixTime,
    /// The latest `exp`.
    pub expires: UnixTime,
    /// The `exp` of the token with the latest `iat`.
    pub ends: UnixTime,
}

/// How long a token tells who signs, at most: kubelet replaces each within a day. How long one may be
/// used is another matter.
const TELLING: Duration = Duration::from_secs(24 * 3600);

impl Signings {
    /// One token.
    pub const fn of(issued: UnixTime, expires: UnixTime) -> Self {
        Self { first: issued, last: issued, expires, ends: expires }
    }

    /// Both together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let (last, ends) = (self.last, self.ends).max((other.last, other.ends));
        Self {
            first: self.first.min(other.first),
            last,
            expires: self.expires.max(other.expires),
            ends,
        }
    }

    /// Until when the newest token tells who signs.
    fn tells_until(self) -> UnixTime {
        self.ends.min(self.last + TELLING)
    }
}

/// Which key the newest token shows to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Signer {
    /// The key.
    pub key: Thumbprint,
    /// When that token was issued.
    pub as_of: UnixTime,
    /// Until when it tells who signs: as long as it lives, at most a day.
    pub until: UnixTime,
    /// It still does.
    pub current: bool,
}

impl Signer {
    /// By the newest token; what is said to be issued later than `now` by more than clocks differ,
    /// `error`, tells nothing.
    pub(super) fn of(
        signings: &BTreeMap<Thumbprint, Signings>,
        now: UnixTime,
        error: Duration,
    ) -> Option<Self> {
        let past = signings.iter().filter(|(_, seen)| seen.last <= now + error);
        let (key, seen) = past.max_by_key(|(key, seen)| (seen.last, **key))?;
        let until = seen.tells_until();
        Some(Self { key: *key, as_of: seen.last, until, current: now <= until })
    }
}

/// What `key` is for, if `signer` signs. `published_by` tells by when a key was published.
pub(super) fn role(
    key: Thumbprint,
    signer: Option<Thumbprint>,
    published: &BTreeSet<Thumbprint>,
    signings: &BTreeMap<Thumbprint, Signings>,
    published_by: impl Fn(Thumbprint) -> Option<UnixTime>,
) -> Role {
    let Some(signer) = signer else { return Role::Unknown };
    // Without any published key, no set was read: it cannot be told that this one is not in it.
    match (key == signer, published.is_empty() || published.contains(&key)) {
        (true, true) => Role::Signer,
        (true, false) => Role::Ghost,
        (false, _) if signings.contains_key(&key) => Role::Verifier,
        (false, _) => match (published_by(key), published_by(signer)) {
            (Some(key), Some(signer)) if key > signer => Role::Next,
            _ => Role::Verifier,
        },
    }
}

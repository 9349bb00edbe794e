//! Key sets: the public keys that an issuer publishes (RFC 7517), read with suspicion.
//!
//! Keys are read one by one. One that cannot be used (an algorithm of tomorrow, a broken modulus) is
//! kept aside with the reason and never costs the others their place.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::foreign::Foreign;
use crate::json::{self, JsonError};

mod exposed;
mod key;

pub use exposed::{Exposed, SECRET_MEMBERS};
pub use key::{Alg, Key, KeyError, KeyName};

/// Largest key set that is read, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The `Accept` that every server of key sets can meet. kube-apiserver has the set in one
/// representation (RFC 7517 section 8.5.2) and answers 406 to whoever does not name that; files are
/// mostly uploaded as plain JSON.
pub const JWKS_ACCEPT: &str = "application/jwk-set+json, application/json, */*;q=0.1";

/// Most keys that a set may have; Entra itself keeps only the first 100 of an issuer.
pub const MAX_KEYS: usize = 100;

/// A key's name in the set and in a token's header (`kid`, RFC 7517 section 4.5): any text the
/// issuer likes, of at most 1024 printable bytes. Not proof of anything: see [`Thumbprint`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// Accepts a key id; `None` if it is empty, overlong or has control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Foreign::new(&*self.0).fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a key is known by: SHA-256 over its DER `SubjectPublicKeyInfo`.
///
/// Printed as base64url without padding, which is also how kube-apiserver makes the `kid` of keys it
/// reads from files. (It is not the JWK thumbprint of RFC 7638.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of a DER `SubjectPublicKeyInfo`.
    pub fn of_spki(der: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// A text is no thumbprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's thumbprint is 43 characters of base64url (SHA-256 of its SPKI), found {0}")]
pub struct ThumbprintError(Foreign);

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, ThumbprintError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|b| b.try_into().ok());
        bytes.map(Self).ok_or_else(|| ThumbprintError(Foreign::new(text)))
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An issuer's published keys.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    unusable: Vec<Unusable>,
}

/// A published key that cannot verify anything, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unusable {
    /// Its `kid`, if it has a usable one.
    pub id: Option<KeyId>,
    /// Why it is unusable.
    pub reason: KeyError,
}

/// Why bytes are no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a JSON object.
    #[error("the key set is {0}; {{\"keys\": [...]}} was expected")]
    Json(#[from] JsonError),
    /// A JSON object without an array `keys`, or with two.
    #[error("the key set has not one list \"keys\"; {{\"keys\": [...]}} was expected")]
    NoList,
    /// There is no key at all, which no working issuer publishes.
    #[error("the key set is empty; an issuer that signs tokens publishes at least one key")]
    Empty,
    /// More keys than anybody uses.
    #[error("the key set has {found} keys, more than the {MAX_KEYS} that Entra reads")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// Which key of a set verifies a token. These are all the cases there are.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever verifies decides on each: what is not a key is no reason to trust"
)]
pub enum Choice<'a> {
    /// This one.
    Key(&'a Key),
    /// The set names it but it cannot be used.
    Unusable(&'a Unusable),
    /// The set does not have it (or, for a token without `kid`, has not exactly one usable key).
    Unknown,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 section 5), keeping unusable keys aside.
    ///
    /// ```
    /// use cambist_core::jwks::{KeySet, KeySetError};
    ///
    /// assert_eq!(KeySet::parse(br#"{"keys":[]}"#).unwrap_err(), KeySetError::Empty);
    /// let odd = KeySet::parse(br#"{"keys":[{"kty":"AKP","kid":"tomorrow"}]}"#)?;
    /// assert_eq!((odd.keys().len(), odd.unusable().len()), (0, 1));
    /// # Ok::<(), KeySetError>(())
    /// ```
    ///
    /// # Errors
    /// If the bytes are not a set, or hold no key or more than [`MAX_KEYS`].
    pub fn parse(body: &[u8]) -> Result<Self, KeySetError> {
        let envelope = Self::envelope(body)?;
        match envelope.keys.len() {
            0 => return Err(KeySetError::Empty),
            found if found > MAX_KEYS => return Err(KeySetError::TooMany { found }),
            _ => {}
        }
        let mut set = Self { keys: Vec::new(), unusable: Vec::new() };
        for raw in envelope.keys {
            match Key::parse(raw.get().as_bytes()) {
                // The same key listed twice is one key.
                Ok(key) if set.keys.contains(&key) => {}
                Ok(key) => set.keys.push(key),
                Err((id, reason)) => set.unusable.push(Unusable { id, reason }),
            }
        }
        set.set_aside_shared_names();
        Ok(set)
    }

    fn envelope(body: &[u8]) -> Result<Envelope<'_>, KeySetError> {
        json::read(body).map_err(|error| match error {
            JsonError::Form { .. } => KeySetError::NoList,
            error => error.into(),
        })
    }

    /// One name for two keys says nothing about which of them signed: neither is used.
    fn set_aside_shared_names(&mut self) {
        let names: Vec<_> = self.keys.iter().map(|key| key.id().cloned()).collect();
        let shared = |id: Option<&KeyId>| {
            id.is_some_and(|id| names.iter().filter(|other| other.as_ref() == Some(id)).count() > 1)
        };
        let (shared, distinct) = self.keys.drain(..).partition(|key| shared(key.id()));
        self.keys = distinct;
        let aside = |key: Key| Unusable { id: key.id().cloned(), reason: KeyError::SharedName };
        self.unusable.extend(Vec::into_iter(shared).map(aside));
    }

    /// The usable keys, in the order published.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The published keys that cannot be used.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// The key that a token with this `kid` claims to be signed by. A token without `kid` has a key
    /// only if the set has a single usable one: guessing among several would be an oracle.
    pub fn choose(&self, id: Option<&KeyId>) -> Choice<'_> {
        let Some(id) = id else {
            return match self.keys.as_slice() {
                [only] => Choice::Key(only),
                _ => Choice::Unknown,
            };
        };
        if let Some(key) = self.keys.iter().find(|key| key.id() == Some(id)) {
            return Choice::Key(key);
        }
        match self.unusable.iter().find(|key| key.id.as_ref() == Some(id)) {
            Some(unusable) => Choice::Unusable(unusable),
            None => Choice::Unknown,
        }
    }

    /// Whether a usable key with this thumbprint is published.
    pub fn publishes(&self, thumbprint: Thumbprint) -> bool {
        self.keys.iter().any(|key| key.thumbprint() == thumbprint)
    }
}

#[cfg(test)]
mod tests;

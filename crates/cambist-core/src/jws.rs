//! Signed tokens in compact form (RFC 7515 section 7.1): from text to a verified payload.
//!
//! This module knows nothing of claims. It verifies through jsonwebtoken's aws-lc provider *object*,
//! never through the provider that jsonwebtoken picks by its features: an app whose other crates
//! turn on a second one would make that a panic.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde_json::Value;

use crate::foreign::{Foreign, ForeignList};
use crate::json::{self, Found, JsonError};
use crate::jwks::{Alg, Choice, Exposed, Key, KeyError, KeyId, KeyName, KeySet, Thumbprint};

/// Longest token that is looked at, in bytes. A projected token has about 1 200.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a compact form is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Larger than any token should be.
    #[error("the token has {found} bytes; at most {MAX_TOKEN_BYTES} are read")]
    TooLarge {
        /// Its length.
        found: usize,
    },
    /// Not `header.payload.signature`.
    #[error("a signed token is three parts joined by dots, found {found}{}", hint(*.found))]
    Parts {
        /// How many parts there are.
        found: usize,
    },
    /// A part is not base64url without padding.
    #[error("the token's {0} is not base64url without padding")]
    Base64(&'static str),
    /// The header is no JSON object.
    #[error("the token's header is {0}")]
    Header(JsonError),
    /// A header member has a value that is not accepted.
    #[error("the token's header member {member:?} must be {expected}, found {found}")]
    Member {
        /// The member's name.
        member: &'static str,
        /// What is accepted.
        expected: &'static str,
        /// What stood there.
        found: Found,
    },
    /// The algorithm is not one of those accepted.
    #[error("the token is signed with {found}, but only {} is accepted here (Entra supports RS256 only)", names(.accepted))]
    Algorithm {
        /// The accepted ones.
        accepted: Vec<Alg>,
        /// The header's `alg`.
        found: Foreign,
    },
    /// The key with the token's `kid` is for another algorithm.
    #[error("the token is signed with {found}, but its key {key} is for {}", .expected.map_or("another kind", Alg::as_str))]
    KeyAlgorithm {
        /// The key.
        key: KeyName,
        /// What the key is for, if it declares that.
        expected: Option<Alg>,
        /// The header's `alg`.
        found: Alg,
    },
    /// No published key has the token's `kid`.
    #[error("the token's kid {} is not among the issuer's {known}; either it was rotated without publishing the new key, or the key set is stale", found.as_ref().map_or_else(|| "(none)".to_owned(), |k| k.to_string()))]
    UnknownKey {
        /// The published, usable ones.
        known: ForeignList,
        /// The token's.
        found: Option<KeyId>,
    },
    /// The key with the token's `kid` cannot be used.
    #[error("the issuer's key {id} cannot be used: {reason}")]
    UnusableKey {
        /// The key's `kid`.
        id: KeyId,
        /// Why.
        reason: KeyError,
    },
    /// The signature is right, and anybody can make such a one.
    #[error(
        "the token is signed with the issuer's key {key}, whose private half anybody can have, since {how}: it says nothing of who signed it. Rotate the key"
    )]
    Exposed {
        /// The key.
        key: KeyName,
        /// What the key is known by.
        thumbprint: Thumbprint,
        /// How the private half can be had.
        how: Exposed,
    },
    /// The signature is not the key's.
    #[error(
        "the signature does not verify under the issuer's key {key}: the token was altered, or the key was replaced under the same kid"
    )]
    Signature {
        /// The key.
        key: KeyName,
    },
}

fn names(accepted: &[Alg]) -> String {
    accepted.iter().map(|alg| alg.as_str()).collect::<Vec<_>>().join(", ")
}

fn hint(parts: usize) -> &'static str {
    match parts {
        5 => " (five parts are an encrypted token)",
        1 => " (is the file really a token?)",
        _ => "",
    }
}

/// What a token's header says, once it is acceptable at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm by its name; whether it is accepted depends on who asks.
    alg: Box<str>,
    /// The key the token says it is signed by.
    pub kid: Option<KeyId>,
    /// Members that would have the reader fetch or trust a key of the sender's choice (`jwk`, `jku`,
    /// `x5u`, `x5c`, `x5t`). They are ignored, and told to whoever observes.
    pub ignored: Vec<&'static str>,
}

/// A token taken apart, its header read, its signature *not yet* verified.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    signature: &'a str,
    signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn split(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwsError::TooLarge { found: token.len() });
        }
        let mut parts = token.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.count()) {
            (Some(header), Some(payload), Some(signature), 0) => {
                let signed = &token[..header.len() + 1 + payload.len()];
                Ok(Self { header, payload, signature, signed })
            }
            _ => Err(JwsError::Parts { found: token.split('.').count() }),
        }
    }
}

pub(crate) fn decode(part: &str, name: &'static str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Base64(name))
}

impl Header {
    pub(crate) fn parse(part: &str) -> Result<Self, JwsError> {
        let object = json::object(&decode(part, "header")?).map_err(JwsError::Header)?;
        let fail = |member, expected| JwsError::Member {
            member,
            expected,
            found: Found::of(object.get(member)),
        };
        // RFC 7515 section 4.1.11: an extension that must be understood and is not means refusal.
        for member in ["crit", "b64", "zip", "cty"] {
            if object.contains_key(member) {
                return Err(fail(member, "absent"));
            }
        }
        match object.get("typ") {
            None => {}
            Some(Value::String(typ)) if typ.eq_ignore_ascii_case("JWT") => {}
            Some(_) => return Err(fail("typ", "\"JWT\" or absent")),
        }
        let kid = match object.get("kid") {
            None => None,
            Some(value) => {
                let kid = value.as_str().and_then(KeyId::parse);
                Some(kid.ok_or_else(|| fail("kid", "1 to 1024 printable bytes"))?)
            }
        };
        let alg = object.get("alg").and_then(Value::as_str);
        let alg = alg.ok_or_else(|| fail("alg", "the name of an algorithm"))?.into();
        let tempting = ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"];
        let ignored = tempting.into_iter().filter(|name| object.contains_key(*name)).collect();
        Ok(Self { alg, kid, ignored })
    }

    /// The header's algorithm, if it is one of `accepted`.
    pub(crate) fn alg(&self, accepted: &[Alg]) -> Result<Alg, JwsError> {
        let alg = self.alg.parse::<Alg>().ok().filter(|alg| accepted.contains(alg));
        alg.ok_or_else(|| JwsError::Algorithm {
            accepted: accepted.to_vec(),
            found: Foreign::new(&*self.alg),
        })
    }
}

/// Verifies a compact form against a key set and returns its payload, whatever that is, with the key
/// that signed it.
///
/// Nothing in the header is followed. Everything that can be refused without touching the signature
/// is refused first.
///
/// # Errors
/// [`JwsError`], naming what was compared with what.
pub fn verify<'k>(
    token: &str,
    keys: &'k KeySet,
    accepted: &[Alg],
) -> Result<(Vec<u8>, &'k Key), JwsError> {
    let parts = Parts::split(token)?;
    let header = Header::parse(parts.header)?;
    let payload = decode(parts.payload, "payload")?;
    let key = verify_parts(parts, &header, keys, accepted)?;
    Ok((payload, key))
}

pub(crate) fn verify_parts<'k>(
    parts: Parts<'_>,
    header: &Header,
    keys: &'k KeySet,
    accepted: &[Alg],
) -> Result<&'k Key, JwsError> {
    let alg = header.alg(accepted)?;
    let signature = decode(parts.signature, "signature")?;
    let key = match keys.choose(header.kid.as_ref()) {
        Choice::Key(key) => key,
        Choice::Unusable(key) => {
            let id = key.id.clone().or_else(|| header.kid.clone());
            return Err(match id {
                Some(id) => JwsError::UnusableKey { id, reason: key.reason.clone() },
                None => unknown(keys, header),
            });
        }
        Choice::Unknown => return Err(unknown(keys, header)),
    };
    if !key.allows(alg) {
        let (key, expected) = (key.name(), key.alg());
        return Err(JwsError::KeyAlgorithm { key, expected, found: alg });
    }
    let verified = (DEFAULT_PROVIDER.verifier_factory)(&alg.jsonwebtoken(), key.decoding())
        .is_ok_and(|verifier| verifier.verify(parts.signed.as_bytes(), &signature).is_ok());
    match key.exposed() {
        _ if !verified => Err(JwsError::Signature { key: key.name() }),
        None => Ok(key),
        Some(how) => {
            let (key, thumbprint) = (key.name(), key.thumbprint());
            Err(JwsError::Exposed { key, thumbprint, how: how.clone() })
        }
    }
}

fn unknown(keys: &KeySet, header: &Header) -> JwsError {
    let known = keys.keys().iter().filter_map(|key| Some(key.id()?.as_str()));
    JwsError::UnknownKey { known: ForeignList::of(known), found: header.kid.clone() }
}

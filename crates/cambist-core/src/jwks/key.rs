//! One published key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::{Exposed, KeyId, SECRET_MEMBERS, Thumbprint};
use crate::foreign::Foreign;
use crate::json::{self, Found, JsonError};

/// The signature algorithms there are for this crate: asymmetric ones alone, so that `none` and the
/// shared-secret family cannot be configured, confused with a public key, or asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of RFC 7518 section 3.1 and RFC 8037")]
pub enum Alg {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Alg {
    const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name that stands in headers and keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) const fn jsonwebtoken(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Rs512 => Algorithm::RS512,
            Self::Ps256 => Algorithm::PS256,
            Self::Ps384 => Algorithm::PS384,
            Self::Ps512 => Algorithm::PS512,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }

    const fn kty(self) -> &'static str {
        match self {
            Self::Es256 | Self::Es384 => "EC",
            Self::EdDsa => "OKP",
            _ => "RSA",
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Alg {
    type Err = ();

    /// The exact name: `rs256` and `NONE` are not algorithms.
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text).ok_or(())
    }
}

/// Why a published key is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is no JSON object, or says a name twice.
    #[error("the key is {0}")]
    Json(#[from] JsonError),
    /// A member is missing or of the wrong kind.
    #[error("its member {member:?} must be {expected}, found {found}")]
    Member {
        /// The member's name.
        member: &'static str,
        /// What must stand there.
        expected: &'static str,
        /// What stands there.
        found: Found,
    },
    /// A kind of key this crate does not verify with.
    #[error("keys of kty {kty} (crv {crv}) are not supported")]
    Unsupported {
        /// Its `kty`.
        kty: Foreign,
        /// Its `crv`; empty if it has none.
        crv: Foreign,
    },
    /// A shared secret among public keys: whoever reads the set can sign.
    #[error("it is a shared secret (kty \"oct\"), published: everybody can sign with it")]
    SharedSecret,
    /// Its `use` is something other than signatures.
    #[error("it is not for verifying signatures: use is {0}")]
    Use(Found),
    /// Its `key_ops` are others than verifying.
    #[error("it is not for verifying signatures: key_ops does not contain \"verify\"")]
    Operations,
    /// Its declared algorithm is not of its kind.
    #[error("its alg {alg} does not go with its kty {kty}")]
    Alg {
        /// The declared algorithm.
        alg: Foreign,
        /// The key's kind.
        kty: Foreign,
    },
    /// An RSA modulus too small to trust or too large to bear.
    #[error("its RSA modulus has {bits} bits; 2048 to 8192 are accepted")]
    RsaSize {
        /// The modulus' length.
        bits: usize,
    },
    /// An RSA exponent that nobody should use.
    #[error("its RSA exponent is not an odd number from 65537 to 2^33: {}", exponent(.0))]
    RsaExponent(Option<u64>),
    /// Its numbers are no public key.
    #[error("its parameters are no public key of its kind")]
    Malformed,
    /// Another key of the set has the same `kid`.
    #[error("another key of the set has the same kid, so the name says nothing")]
    SharedName,
}

fn exponent(exponent: &Option<u64>) -> String {
    exponent.map_or_else(|| "longer than 64 bits".to_owned(), |e| e.to_string())
}

/// How messages name a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyName {
    /// By its `kid`.
    Id(KeyId),
    /// By what it is known by, since it has no `kid`.
    Thumbprint(Thumbprint),
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Thumbprint(thumbprint) => thumbprint.fmt(f),
        }
    }
}

/// A public key that can verify signatures.
#[derive(Clone)]
pub struct Key {
    id: Option<KeyId>,
    thumbprint: Thumbprint,
    alg: Option<Alg>,
    kind: Kind,
    rsa_bits: Option<usize>,
    exposed: Option<Box<Exposed>>,
    decoding: DecodingKey,
}

/// What family of algorithms a key can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Key {
    /// Reads one JWK. On failure its `kid` comes along, so that a token which names it can be told
    /// why.
    pub(super) fn parse(raw: &[u8]) -> Result<Self, (Option<KeyId>, KeyError)> {
        let jwk = json::object(raw).map_err(|e| (None, e.into()))?;
        let id = match jwk.get("kid") {
            None => None,
            Some(value) => {
                let id = value.as_str().and_then(KeyId::parse);
                let expected = "1 to 1024 printable bytes";
                Some(id.ok_or_else(|| (None, member(&jwk, "kid", expected)))?)
            }
        };
        Self::from_jwk(&jwk, id.clone()).map_err(|reason| (id, reason))
    }

    fn from_jwk(jwk: &Map<String, Value>, id: Option<KeyId>) -> Result<Self, KeyError> {
        let kty = text(jwk, "kty")?;
        let crv = jwk.get("crv").and_then(Value::as_str).unwrap_or_default();
        check_purpose(jwk)?;
        let mut modulus = None;
        let (kind, spki, decoding, rsa_bits) = match (kty, crv) {
            ("RSA", _) => {
                let (n, e) = (number(jwk, "n")?, number(jwk, "e")?);
                let bits = check_rsa(&n, &e)?;
                let spki = RsaPublicKeyComponents { n: &n, e: &e }.as_der();
                let decoding = DecodingKey::from_rsa_raw_components(&n, &e);
                modulus = Some(n);
                (Kind::Rsa, spki, decoding, Some(bits))
            }
            ("EC", "P-256") => point(jwk, Kind::P256, 32, &ECDSA_P256_SHA256_FIXED)?,
            ("EC", "P-384") => point(jwk, Kind::P384, 48, &ECDSA_P384_SHA384_FIXED)?,
            ("OKP", "Ed25519") => {
                let x = number(jwk, "x")?;
                (Kind::Ed25519, spki(&ED25519, &x)?, DecodingKey::from_ed_der(&x), None)
            }
            ("oct", _) => return Err(KeyError::SharedSecret),
            _ => {
                return Err(KeyError::Unsupported {
                    kty: Foreign::new(kty),
                    crv: Foreign::new(crv),
                });
            }
        };
        let spki: PublicKeyX509Der<'_> = spki.map_err(|_| KeyError::Malformed)?;
        let thumbprint = Thumbprint::of_spki(spki.as_ref());
        let secret: Vec<_> =
            SECRET_MEMBERS.into_iter().filter(|name| jwk.contains_key(*name)).collect();
        let exposed = Exposed::find(&secret, Some(thumbprint), modulus.as_deref());
        let key = Self {
            id,
            thumbprint,
            alg: None,
            kind,
            rsa_bits,
            exposed: exposed.map(Box::new),
            decoding,
        };
        let alg = match jwk.get("alg") {
            None => None,
            Some(_) => {
                let alg = text(jwk, "alg")?;
                let mismatch = || KeyError::Alg { alg: Foreign::new(alg), kty: Foreign::new(kty) };
                let parsed: Alg = alg.parse().map_err(|()| mismatch())?;
                Some(key.fits(parsed).then_some(parsed).ok_or_else(mismatch)?)
            }
        };
        Ok(Self { alg, ..key })
    }

    /// Its name in the set.
    pub fn id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    /// What it is known by.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// What messages call it.
    pub fn name(&self) -> KeyName {
        self.id.clone().map_or(KeyName::Thumbprint(self.thumbprint), KeyName::Id)
    }

    /// The one algorithm it declares, if it does.
    pub fn alg(&self) -> Option<Alg> {
        self.alg
    }

    /// The length of its RSA modulus in bits; `None` for other kinds.
    pub fn rsa_bits(&self) -> Option<usize> {
        self.rsa_bits
    }

    /// How anybody can have its private half, if that is so. It verifies nothing then.
    pub fn exposed(&self) -> Option<&Exposed> {
        self.exposed.as_deref()
    }

    /// Whether a token of this algorithm may be verified with it: of its kind, and the one it
    /// declares (RFC 8725 section 3.1).
    pub fn allows(&self, alg: Alg) -> bool {
        self.alg.is_none_or(|declared| declared == alg) && self.fits(alg)
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    fn fits(&self, alg: Alg) -> bool {
        match self.kind {
            Kind::Rsa => alg.kty() == "RSA",
            Kind::P256 => alg == Alg::Es256,
            Kind::P384 => alg == Alg::Es384,
            Kind::Ed25519 => alg == Alg::EdDsa,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, self.thumbprint, self.alg) == (&other.id, other.thumbprint, other.alg)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Key");
        out.field("id", &self.id).field("thumbprint", &self.thumbprint).field("kind", &self.kind);
        out.field("alg", &self.alg).finish_non_exhaustive()
    }
}

type Parts = (
    Kind,
    Result<PublicKeyX509Der<'static>, aws_lc_rs::error::Unspecified>,
    DecodingKey,
    Option<usize>,
);

fn point(
    jwk: &Map<String, Value>,
    kind: Kind,
    size: usize,
    alg: &'static dyn VerificationAlgorithm,
) -> Result<Parts, KeyError> {
    let (x, y) = (number(jwk, "x")?, number(jwk, "y")?);
    if x.len() != size || y.len() != size {
        return Err(KeyError::Malformed);
    }
    let point = [&[4], &*x, &*y].concat();
    Ok((kind, spki(alg, &point)?, DecodingKey::from_ec_der(&point), None))
}

fn spki(
    alg: &'static dyn VerificationAlgorithm,
    key: &[u8],
) -> Result<Result<PublicKeyX509Der<'static>, aws_lc_rs::error::Unspecified>, KeyError> {
    Ok(ParsedPublicKey::new(alg, key).map_err(|_| KeyError::Malformed)?.as_der())
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<usize, KeyError> {
    let significant: &[u8] = &n[n.iter().take_while(|b| **b == 0).count()..];
    let bits =
        significant.first().map_or(0, |top| significant.len() * 8 - top.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    if significant.last().is_some_and(|low| low % 2 == 0) {
        return Err(KeyError::Malformed);
    }
    let exponent =
        e.iter().try_fold(0u64, |acc, b| acc.checked_mul(256)?.checked_add(u64::from(*b)));
    match exponent {
        Some(e) if (65537..1 << 33).contains(&e) && e % 2 == 1 => Ok(bits),
        exponent => Err(KeyError::RsaExponent(exponent)),
    }
}

fn check_purpose(jwk: &Map<String, Value>) -> Result<(), KeyError> {
    match jwk.get("use") {
        None => {}
        Some(Value::String(usage)) if usage == "sig" => {}
        other => return Err(KeyError::Use(Found::of(other))),
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => Ok(()),
        Some(_) => Err(KeyError::Operations),
    }
}

fn member(jwk: &Map<String, Value>, member: &'static str, expected: &'static str) -> KeyError {
    KeyError::Member { member, expected, found: Found::of(jwk.get(member)) }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, KeyError> {
    jwk.get(name).and_then(Value::as_str).ok_or_else(|| member(jwk, name, "a string"))
}

fn number(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let encoded = text(jwk, name)?;
    match URL_SAFE_NO_PAD.decode(encoded) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(KeyError::Member {
            member: name,
            expected: "base64url without padding",
            found: Found::Kind("other text"),
        }),
    }
}

//! A key set as published, read for what it shows and not for what it can verify.
//!
//! [`KeySet`](cambist_core::jwks::KeySet) keeps what verifies; a key that is too short, private or of
//! tomorrow is set aside there. Here those are the ones to be looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use cambist_core::clock::UnixTime;
use cambist_core::foreign::Foreign;
use cambist_core::json::{self, JsonError};
use cambist_core::jwks::{Exposed, KeySetError, MAX_KEYS, SECRET_MEMBERS, Thumbprint};

mod spki;

/// A published key set.
#[derive(Clone, Debug)]
pub struct PublishedSet {
    keys: Vec<PublishedKey>,
    defects: Vec<String>,
}

/// One of its keys. Every member is the issuer's word alone.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PublishedKey {
    /// Its `kid`, if that is a text.
    pub kid: Option<String>,
    /// Its `kty`.
    pub kty: String,
    /// Its `crv`.
    pub crv: Option<String>,
    /// Its `alg`.
    pub alg: Option<String>,
    /// Its `use`.
    pub usage: Option<String>,
    /// Its `key_ops`.
    pub key_ops: Option<Vec<String>>,
    /// Which members it has that only a private or secret key has; never their values.
    pub secret_members: Vec<&'static str>,
    /// What it is known by; `None` for kinds whose SPKI this crate cannot make.
    pub thumbprint: Option<Thumbprint>,
    /// How anybody can have its private half, if that is so.
    pub exposed: Option<Exposed>,
    /// Modulus and exponent of an RSA key.
    pub rsa: Option<RsaNumbers>,
    /// When it was issued by its own word (`iat`, else `nbf`): not standard in a plain key set.
    pub issued: Option<UnixTime>,
    /// When it ends by its own word (`exp`).
    pub expires: Option<UnixTime>,
    /// The first certificate of its `x5c`, in DER.
    pub certificate: Option<Vec<u8>>,
}

/// An RSA public key's numbers, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RsaNumbers {
    /// The modulus.
    pub n: Vec<u8>,
    /// The exponent.
    pub e: Vec<u8>,
}

impl RsaNumbers {
    /// The modulus' length in bits.
    pub fn bits(&self) -> usize {
        let significant = spki::significant(&self.n);
        significant.first().map_or(0, |top| significant.len() * 8 - top.leading_zeros() as usize)
    }
}

impl PublishedSet {
    /// Reads a key set.
    ///
    /// ```
    /// use cambist_key_age::PublishedSet;
    ///
    /// let set = PublishedSet::parse(br#"{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0"}]}"#)?;
    /// assert_eq!(set.keys()[0].secret_members, ["k"]);
    /// # Ok::<(), cambist_core::jwks::KeySetError>(())
    /// ```
    ///
    /// # Errors
    /// If the bytes are not `{"keys": [...]}`, or hold no key or too many: such an answer says
    /// nothing of any key, neither that it is there nor that it is not.
    pub fn parse(body: &[u8]) -> Result<Self, KeySetError> {
        let document: Value = serde_json::from_slice(body).map_err(JsonError::from)?;
        let Some(Value::Array(keys)) = document.get("keys") else {
            return Err(KeySetError::NoList);
        };
        match keys.len() {
            0 => return Err(KeySetError::Empty),
            found if found > MAX_KEYS => return Err(KeySetError::TooMany { found }),
            _ => {}
        }
        let mut defects: Vec<_> =
            json::object(body).err().map(|e| e.to_string()).into_iter().collect();
        let mut out = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            match key {
                Value::Object(jwk) => out.push(PublishedKey::read(jwk)),
                other => defects.push(format!("key {index} is {}", json::kind(other))),
            }
        }
        Ok(Self { keys: out, defects })
    }

    /// Its keys, in the order published.
    pub fn keys(&self) -> &[PublishedKey] {
        &self.keys
    }

    /// What is wrong with the document itself.
    pub fn defects(&self) -> &[String] {
        &self.defects
    }

    /// The thumbprints of the keys that have one.
    pub fn thumbprints(&self) -> impl Iterator<Item = Thumbprint> {
        self.keys.iter().filter_map(|key| key.thumbprint)
    }
}

impl PublishedKey {
    fn read(jwk: &Map<String, Value>) -> Self {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
        // Words of a closed list, as a rule; whatever else stands there is shown and cut.
        let word = |name: &str| text(name).map(|text| Foreign::new(text).as_str().to_owned());
        let bytes = |name: &str| number(jwk, name);
        let date = |name: &str| jwk.get(name).and_then(Value::as_i64).map(UnixTime::from_secs);
        let strings = |value: &Value| {
            Some(value.as_array()?.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
        };
        let (kty, crv) = (word("kty").unwrap_or_default(), word("crv"));
        let rsa = match (kty.as_str(), bytes("n"), bytes("e")) {
            ("RSA", Some(n), Some(e)) => Some(RsaNumbers { n, e }),
            _ => None,
        };
        let der = match (kty.as_str(), &rsa) {
            ("RSA", Some(rsa)) => Some(spki::rsa(&rsa.n, &rsa.e)),
            ("EC", _) => bytes("x")
                .zip(bytes("y"))
                .and_then(|(x, y)| spki::ec(crv.as_deref().unwrap_or_default(), &x, &y)),
            ("OKP", _) if crv.as_deref() == Some("Ed25519") => {
                bytes("x").and_then(|x| spki::ed25519(&x))
            }
            _ => None,
        };
        let thumbprint = der.map(|der| Thumbprint::of_spki(&der));
        let secret_members: Vec<_> =
            SECRET_MEMBERS.into_iter().filter(|name| jwk.contains_key(*name)).collect();
        let modulus = rsa.as_ref().map(|rsa| rsa.n.as_slice());
        Self {
            exposed: Exposed::find(&secret_members, thumbprint, modulus),
            kid: text("kid"),
            crv,
            alg: word("alg"),
            usage: word("use"),
            key_ops: jwk.get("key_ops").and_then(strings),
            secret_members,
            thumbprint,
            rsa,
            issued: date("iat").or_else(|| date("nbf")),
            expires: date("exp"),
            certificate: certificate(jwk),
            kty,
        }
    }

    /// Its name for people: its `kid`, its thumbprint, or its kind.
    pub fn name(&self) -> String {
        match (&self.kid, self.thumbprint) {
            (Some(kid), _) => format!("key {}", crate::text::quoted(kid)),
            (None, Some(thumbprint)) => format!("key {thumbprint}"),
            (None, None) => format!("a key of kty {}", crate::text::quoted(&self.kty)),
        }
    }
}

fn number(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    let text = jwk.get(name)?.as_str()?;
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

/// RFC 7517 section 4.7: base64 with padding, unlike everything else in a JWK.
fn certificate(jwk: &Map<String, Value>) -> Option<Vec<u8>> {
    let first = jwk.get("x5c")?.as_array()?.first()?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(first).ok()
}

#[cfg(test)]
pub(super) mod tests;

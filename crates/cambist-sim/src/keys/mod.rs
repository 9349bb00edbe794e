//! Keys that sign: the cluster's, Entra's own, and those of a forger.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{digest, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};

use crate::lock;

pub mod odd;
mod private;

/// A key could not be made or used: the cryptography itself failed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the simulator could not {doing} with an {algorithm} key")]
pub struct KeyError {
    doing: &'static str,
    algorithm: &'static str,
}

/// A private key with the `kid` kube-apiserver would give it. Clones share the key.
#[derive(Clone)]
pub struct SigningKey {
    public: Arc<Public>,
    private: Arc<Private>,
}

struct Public {
    kid: String,
    jwk: Value,
}

enum Private {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// Where an issuer takes its next key from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// From a pool made once per process and shared by all simulators in it: RSA keys are slow to
    /// make in an unoptimised build. For tests only, since two issuers then sign with one key.
    #[default]
    Pool,
    /// Made for this use alone.
    Fresh,
}

impl KeySource {
    /// The key number `index`, RSA of 2048 bits. Number 0 is Entra's own; an issuer takes 1, 2 and so on.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn take(self, index: usize) -> Result<SigningKey, KeyError> {
        static POOL: Mutex<Vec<SigningKey>> = Mutex::new(Vec::new());
        if self == Self::Fresh {
            return SigningKey::generate_rsa();
        }
        let mut pool = lock(&POOL);
        while pool.len() <= index {
            pool.push(SigningKey::generate_rsa()?);
        }
        Ok(pool[index].clone())
    }
}

impl SigningKey {
    fn new(kid: String, jwk: Value, private: Private) -> Self {
        Self { public: Arc::new(Public { kid, jwk }), private: Arc::new(private) }
    }

    /// A new RSA key of 2048 bits, for RS256.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn generate_rsa() -> Result<Self, KeyError> {
        let failed = |doing| move |_| KeyError { doing, algorithm: "RSA" };
        let pair =
            RsaKeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed("generate a key pair"))?;
        let spki: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(failed("export the public key"))?;
        let components = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER
            .key_utils
            .rsa_pub_components_from_public_key;
        let (n, e) = components(spki.as_ref())
            .map_err(|_| KeyError { doing: "export the public key", algorithm: "RSA" })?;
        let kid = kubernetes_kid(spki.as_ref());
        let jwk = json!({
            "use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256",
            "n": BASE64URL.encode(n), "e": BASE64URL.encode(e),
        });
        Ok(Self::new(kid, jwk, Private::Rsa(pair)))
    }

    /// A new P-256 key, for ES256. Kubernetes may sign with one; Entra does not promise to take it.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn generate_ec() -> Result<Self, KeyError> {
        let failed = |doing| move |_| KeyError { doing, algorithm: "P-256" };
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(failed("generate a key pair"))?;
        let spki: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(failed("export the public key"))?;
        // SEC 1, section 2.3.3: 0x04, then x, then y.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let kid = kubernetes_kid(spki.as_ref());
        let jwk = json!({
            "use": "sig", "kty": "EC", "kid": kid, "alg": "ES256", "crv": "P-256",
            "x": BASE64URL.encode(x), "y": BASE64URL.encode(y),
        });
        Ok(Self::new(kid, jwk, Private::Ec(pair)))
    }

    /// The same key under another `kid`: one that another key had before, say.
    #[must_use]
    pub fn with_kid(&self, kid: &str) -> Self {
        let mut jwk = self.jwk();
        jwk["kid"] = kid.into();
        let public = Arc::new(Public { kid: kid.to_owned(), jwk });
        Self { public, private: Arc::clone(&self.private) }
    }

    /// base64url of the SHA-256 of the public key's SubjectPublicKeyInfo, as kube-apiserver has it,
    /// unless [another](Self::with_kid) was chosen.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// `RS256` or `ES256`.
    pub fn algorithm(&self) -> &'static str {
        match *self.private {
            Private::Rsa(_) => "RS256",
            Private::Ec(_) => "ES256",
        }
    }

    /// The public half, with the members kube-apiserver publishes.
    pub fn jwk(&self) -> Value {
        self.public.jwk.clone()
    }

    /// Both halves in one JWK (RFC 7518, sections 6.2.2 and 6.3.2), as somebody publishes it who
    /// converts the wrong file.
    ///
    /// # Errors
    /// If the cryptography does not give the private half away.
    pub fn private_jwk(&self) -> Result<Value, KeyError> {
        let failed = KeyError { doing: "export the private half", algorithm: self.algorithm() };
        let members = match &*self.private {
            Private::Rsa(pair) => private::rsa(pair),
            Private::Ec(pair) => private::ec(pair),
        };
        let mut jwk = self.jwk();
        for (name, value) in members.ok_or(failed)? {
            jwk[name] = BASE64URL.encode(value).into();
        }
        Ok(jwk)
    }

    /// Signs any two texts as a compact JWS, whatever they say: forgeries are made here.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn sign_parts(&self, header: &[u8], payload: &[u8]) -> Result<String, KeyError> {
        let mut jws = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
        let signature = self.sign(jws.as_bytes())?;
        jws.push('.');
        BASE64URL.encode_string(signature, &mut jws);
        Ok(jws)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError { doing: "sign", algorithm: self.algorithm() };
        match &*self.private {
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Private::Ec(pair) => {
                Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec())
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    /// The `kid` alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

impl PartialEq for SigningKey {
    /// The same public half under the same `kid`.
    fn eq(&self, other: &Self) -> bool {
        self.public.jwk == other.public.jwk
    }
}

fn kubernetes_kid(spki: &[u8]) -> String {
    BASE64URL.encode(digest::digest(&digest::SHA256, spki))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::PublicKeyComponents as RsaPublicKeyComponents;
    use jsonwebtoken::{Algorithm, DecodingKey};

    fn verifies(key: &SigningKey, jws: &str) -> bool {
        let (message, signature) = jws.rsplit_once('.').unwrap();
        let jwk = key.jwk();
        let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
        let (algorithm, public) = if key.algorithm() == "RS256" {
            let public = DecodingKey::from_rsa_components(&text("n"), &text("e"));
            (Algorithm::RS256, public.unwrap())
        } else {
            let public = DecodingKey::from_ec_components(&text("x"), &text("y"));
            (Algorithm::ES256, public.unwrap())
        };
        let provider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
        let verifier = (provider.verifier_factory)(&algorithm, &public).unwrap();
        verifier.verify(message.as_bytes(), &BASE64URL.decode(signature).unwrap()).is_ok()
    }

    #[test]
    fn what_a_key_signs_its_jwk_verifies() {
        for key in [KeySource::Pool.take(0).unwrap(), SigningKey::generate_ec().unwrap()] {
            let jws = key.sign_parts(b"{}", b"payload").unwrap();
            assert!(verifies(&key, &jws), "{key:?}");
            assert!(!verifies(&key, &jws.replacen('.', "x.", 1)), "{key:?}");
            assert_eq!(key.kid().len(), 43);
        }
    }

    #[test]
    fn a_key_may_take_anothers_kid_and_stays_itself() {
        let (one, two) = (KeySource::Pool.take(0).unwrap(), KeySource::Pool.take(1).unwrap());
        let impostor = two.with_kid(one.kid());
        assert_eq!(impostor.kid(), one.kid());
        assert_eq!(impostor.jwk()["n"], two.jwk()["n"]);
        assert_ne!(impostor, one);
        assert!(verifies(&impostor, &two.sign_parts(b"{}", b"").unwrap()));
    }

    #[test]
    fn the_private_half_can_be_exported() {
        let key = KeySource::Pool.take(0).unwrap();
        let jwk = key.private_jwk().unwrap();
        for (name, value) in key.jwk().as_object().unwrap() {
            assert_eq!(jwk[name], *value);
        }
        let number = |name: &str| BASE64URL.decode(jwk[name].as_str().unwrap()).unwrap();
        let public_key = RsaPublicKeyComponents { n: number("n"), e: number("e") };
        let components = rsa::KeyPairComponents {
            public_key,
            d: number("d"),
            p: number("p"),
            q: number("q"),
            dP: number("dp"),
            dQ: number("dq"),
            qInv: number("qi"),
        };
        // It checks that the numbers belong together.
        assert!(RsaKeyPair::from_components(&components).is_ok());

        let jwk = SigningKey::generate_ec().unwrap().private_jwk().unwrap();
        assert_eq!(BASE64URL.decode(jwk["d"].as_str().unwrap()).unwrap().len(), 32);
    }

    #[test]
    fn debug_shows_the_kid_alone() {
        let key = SigningKey::generate_ec().unwrap();
        let kid = key.kid();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {kid:?}, .. }}"));
    }

    #[test]
    fn the_pool_gives_the_same_key_again_and_fresh_keys_differ() {
        assert_eq!(KeySource::Pool.take(0).unwrap(), KeySource::Pool.take(0).unwrap());
        assert_ne!(KeySource::Pool.take(0).unwrap(), KeySource::Fresh.take(0).unwrap());
    }
}

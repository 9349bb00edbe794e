//! Keys that sign, for this crate's own tests.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::UnixTime;

pub(crate) const ISSUER: &str = "https://issuer.example/cluster/";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_795_407_225);

pub(crate) struct Signer {
    rsa: KeyPair,
}

/// Two RSA keys; making one is slow, so all tests share them.
pub(crate) static KEYS: LazyLock<[Signer; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| Signer { rsa: KeyPair::generate(KeySize::Rsa2048).unwrap() })
});

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn n(&self) -> String {
        b64(self.rsa.public_key().modulus().big_endian_without_leading_zero())
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.rsa.public_key().as_der().unwrap().as_ref().to_vec()
    }

    /// The key as kube-apiserver publishes it.
    pub(crate) fn jwk(&self, kid: &str) -> String {
        let n = self.n();
        format!(r#"{{"use":"sig","kty":"RSA","kid":"{kid}","alg":"RS256","n":"{n}","e":"AQAB"}}"#)
    }

    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        self.sign_with(&RSA_PKCS1_SHA256, header, payload)
    }

    pub(crate) fn sign_pss(&self, header: &str, payload: &str) -> String {
        self.sign_with(&RSA_PSS_SHA256, header, payload)
    }

    fn sign_with(&self, how: &'static dyn RsaEncoding, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(payload));
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(how, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", b64(signature))
    }
}

/// A P-256 key's JWK and a token signed with it.
pub(crate) fn es256(kid: &str, payload: &str) -> (String, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (b64(x), b64(y));
    let jwk = format!(
        r#"{{"use":"sig","kty":"EC","crv":"P-256","kid":"{kid}","alg":"ES256","x":"{x}","y":"{y}"}}"#
    );
    let signed = format!("{}.{}", b64(format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#)), b64(payload));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    (jwk, format!("{signed}.{}", b64(signature)))
}

pub(crate) fn set(jwks: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

/// The payload of a healthy projected token, issued a minute before [`NOW`].
pub(crate) fn payload() -> String {
    let (iat, exp) = (NOW.as_secs() - 60, NOW.as_secs() + 3540);
    format!(
        r#"{{"aud":["api://AzureADTokenExchange"],"exp":{exp},"iat":{iat},"iss":"{ISSUER}","kubernetes.io":{{"namespace":"payments","pod":{{"name":"api-0","uid":"u"}},"serviceaccount":{{"name":"api","uid":"u"}}}},"nbf":{iat},"sub":"system:serviceaccount:payments:api"}}"#
    )
}

pub(crate) fn header(kid: &str) -> String {
    format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#)
}

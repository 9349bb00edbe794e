//! Whether the API server believes a token. None of cambist's own verifier is used: a fault in that
//! one must not be repeated here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cambist_core::clock::UnixTime;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// A token of this issuer, for this audience, at this time, by one of these keys.
pub(super) fn is_valid(
    token: &str,
    issuer: &str,
    audience: &str,
    now: UnixTime,
    keys: &[Value],
) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let Some((header, claims)) = signed.split_once('.') else { return false };
    let (Some(header), Some(claims)) = (part(header), part(claims)) else { return false };
    let audiences = claims["aud"].as_array();
    let moment = |name: &str| claims[name].as_i64();
    claims["iss"] == issuer
        && audiences.is_some_and(|list| list.iter().any(|it| it == audience))
        && moment("exp").is_some_and(|exp| now.as_secs() < exp)
        && moment("nbf").is_some_and(|nbf| nbf <= now.as_secs())
        && BASE64URL.decode(signature).is_ok_and(|signature| {
            let named = |key: &&Value| key["kid"] == header["kid"] && key["alg"] == header["alg"];
            keys.iter().filter(named).any(|key| verifies(key, signed, &signature))
        })
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64URL.decode(text).ok()?).ok()
}

fn verifies(jwk: &Value, signed: &str, signature: &[u8]) -> bool {
    let member = |name: &str| jwk[name].as_str().unwrap_or_default();
    let (algorithm, key) = match member("kty") {
        "RSA" => (Algorithm::RS256, DecodingKey::from_rsa_components(member("n"), member("e"))),
        _ => (Algorithm::ES256, DecodingKey::from_ec_components(member("x"), member("y"))),
    };
    let Ok(key) = key else { return false };
    // Named, because the default panics when another crate switches on a second provider.
    let provider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    let verifier = (provider.verifier_factory)(&algorithm, &key);
    verifier.is_ok_and(|it| it.verify(signed.as_bytes(), &signature.to_vec()).is_ok())
}

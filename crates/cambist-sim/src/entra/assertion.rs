//! The assertion as Entra reads it. Deliberately none of cambist's own verifier: a fault in that one
//! must not be repeated here.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cambist_core::clock::{BootTime, UnixTime};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::FederatedCredential;
use super::refusal::Refusal;

/// How far Entra lets clocks differ.
const LEEWAY: Duration = Duration::from_secs(300);

/// A JWT taken apart, nothing of it believed yet. Holds a secret, hence no `Debug`.
pub(super) struct Assertion {
    signed: String,
    signature: Vec<u8>,
    kid: String,
    issuer: String,
    subject: String,
    audience: String,
    not_before: UnixTime,
    expires: UnixTime,
}

impl Assertion {
    pub(super) fn parse(jwt: &str) -> Result<Self, Refusal> {
        let malformed = |why: &str| {
            Refusal::new(50_027, format!("JWT token is invalid or malformed. Reason: {why}."))
        };
        let parts: Vec<&str> = jwt.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(malformed("it does not have three parts"));
        };
        let header = object(header).ok_or_else(|| malformed("the header is not JSON"))?;
        let claims = object(claims).ok_or_else(|| malformed("the payload is not JSON"))?;
        let signature =
            BASE64URL.decode(signature).map_err(|_| malformed("the signature is not base64url"))?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(malformed("its algorithm is not RS256"));
        }
        if header.contains_key("crit") {
            return Err(malformed("it has critical header parameters that are not understood"));
        }
        let text = |object: &Map<String, Value>, name: &str| {
            let value = object.get(name).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| malformed(&format!("'{name}' is missing or is no string")))
        };
        let moment = |name: &str| {
            let value = claims.get(name).and_then(Value::as_i64).map(UnixTime::from_secs);
            value.ok_or_else(|| malformed(&format!("'{name}' is missing or is no integer")))
        };
        let expires = moment("exp")?;
        let not_before =
            if claims.contains_key("nbf") { moment("nbf")? } else { UnixTime::from_secs(0) };
        Ok(Self {
            signed: jwt.rsplit_once('.').map(|(signed, _)| signed.to_owned()).unwrap_or_default(),
            signature,
            kid: text(&header, "kid")?,
            issuer: text(&claims, "iss")?,
            subject: text(&claims, "sub")?,
            audience: audience(claims.get("aud"))
                .ok_or_else(|| malformed("'aud' is not exactly one audience"))?,
            not_before,
            expires,
        })
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Finds the federated credential this assertion belongs to, or says which part has none.
    pub(super) fn find_record(
        &self,
        credentials: &[(FederatedCredential, BootTime)],
        now: BootTime,
    ) -> Result<(), Refusal> {
        let Self { issuer, subject, audience, .. } = self;
        let effective: Vec<_> = credentials
            .iter()
            .filter(|(_, effective)| *effective <= now)
            .map(|(credential, _)| credential)
            .collect();
        if effective.is_empty() {
            let text = format!(
                "No matching federated identity record found for presented assertion. Assertion \
                 Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: \
                 '{audience}'."
            );
            return Err(Refusal::new(70_021, text));
        }
        let none = |code, part: &str, value: &str| {
            let text = format!(
                "No matching federated identity record found for presented assertion {part} \
                 '{value}'. Please check your federated identity credential Subject, Audience and \
                 Issuer against the presented assertion."
            );
            Err(Refusal::new(code, text))
        };
        let of_issuer: Vec<_> = effective.into_iter().filter(|it| it.issuer == *issuer).collect();
        if of_issuer.is_empty() {
            return none(700_211, "issuer", issuer);
        }
        let of_subject: Vec<_> =
            of_issuer.into_iter().filter(|it| it.subject == *subject).collect();
        if of_subject.is_empty() {
            return none(700_213, "subject", subject);
        }
        if !of_subject.iter().any(|it| it.audience == *audience) {
            return none(700_212, "audience", audience);
        }
        Ok(())
    }

    /// Whether `jwk` verifies the signature; a key of no use to Entra does not.
    pub(super) fn signed_by(&self, jwk: &Value) -> bool {
        signed_by(&self.signed, &self.signature, jwk)
    }

    pub(super) fn check_times(&self, now: UnixTime) -> Result<(), Refusal> {
        if self.not_before <= now + LEEWAY && now - LEEWAY < self.expires {
            return Ok(());
        }
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion \
             valid from {}, expiry time of assertion {}.",
            self.not_before, self.expires
        );
        Err(Refusal::new(700_024, text))
    }
}

/// The claims of a JWT whose RS256 signature is by this key; nothing else is looked at.
pub(super) fn claims_signed_by(jwt: &str, jwk: &Value) -> Option<Map<String, Value>> {
    let (signed, signature) = jwt.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    let signature = BASE64URL.decode(signature).ok()?;
    if signed_by(signed, &signature, jwk) { object(claims) } else { None }
}

fn signed_by(signed: &str, signature: &Vec<u8>, jwk: &Value) -> bool {
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    let (Some("RSA"), Some(n), Some(e)) = (member("kty"), member("n"), member("e")) else {
        return false;
    };
    if !matches!(member("use"), None | Some("sig")) {
        return false;
    }
    let Ok(key) = DecodingKey::from_rsa_components(n, e) else { return false };
    // The provider is named because another crate may switch on jsonwebtoken's second one, and
    // then the default panics.
    let provider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    let verifier = (provider.verifier_factory)(&Algorithm::RS256, &key);
    verifier.is_ok_and(|it| it.verify(signed.as_bytes(), signature).is_ok())
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok()
}

/// One audience, as a string or as the only element of an array.
fn audience(claim: Option<&Value>) -> Option<String> {
    match claim? {
        Value::String(one) => Some(one.clone()),
        Value::Array(list) => match &list[..] {
            [Value::String(one)] => Some(one.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeySource, SigningKey};
    use crate::token::{TokenSpec, Workload};
    use serde_json::json;

    const NOW: UnixTime = UnixTime::from_secs(1_795_407_225);

    fn spec() -> TokenSpec {
        let workload = Workload::new("shop", "checkout");
        TokenSpec::projected("https://i.test", &workload, "aud", NOW, Duration::from_secs(600))
    }

    fn parse(spec: &TokenSpec) -> Result<Assertion, Refusal> {
        Assertion::parse(&spec.sign(&KeySource::Pool.take(0).unwrap()).unwrap())
    }

    #[test]
    fn refuses_what_is_no_assertion() {
        for junk in ["", "..", "a.b.c", "e30.e30.e30", "e30.e30", "\u{0}.é.{"] {
            assert_eq!(Assertion::parse(junk).err().unwrap().code(), 50_027, "{junk:?}");
        }
        for bad in [
            spec().header("alg", "HS256"),
            spec().header("crit", json!(["b64"])),
            spec().without_header("kid"),
            spec().claim("exp", "soon"),
            spec().claim("nbf", 1.5),
            spec().claim("iss", json!(["https://i.test"])),
            spec().claim("aud", json!(["aud", "another"])),
            spec().without_claim("sub"),
        ] {
            assert_eq!(parse(&bad).err().unwrap().code(), 50_027, "{bad:?}");
        }
        assert_eq!(Assertion::parse(&spec().unsigned()).err().unwrap().code(), 50_027);
    }

    #[test]
    fn believes_a_signature_only_of_a_usable_key() {
        let key = KeySource::Pool.take(0).unwrap();
        let assertion = parse(&spec()).ok().unwrap();
        assert!(assertion.signed_by(&key.jwk()));
        assert!(!assertion.signed_by(&KeySource::Pool.take(1).unwrap().jwk()));
        assert!(!assertion.signed_by(&SigningKey::generate_ec().unwrap().jwk()));
        let mut for_encryption = key.jwk();
        for_encryption["use"] = "enc".into();
        assert!(!assertion.signed_by(&for_encryption));
        assert!(!assertion.signed_by(&json!({ "kty": "RSA", "n": "%", "e": 3 })));
        assert!(!assertion.signed_by(&json!("no object")));
    }

    #[test]
    fn allows_five_minutes_either_way() {
        let assertion = parse(&spec()).ok().unwrap();
        let times = [(-301, false), (-300, true), (899, true), (900, false)];
        for (offset, ok) in times {
            let now = UnixTime::from_secs(NOW.as_secs() + offset);
            assert_eq!(assertion.check_times(now).is_ok(), ok, "{offset}");
        }
    }
}

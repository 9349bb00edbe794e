//! The assertion as Entra reads it. Deliberately none of cambist's own verifier: a fault in that one
//! must not be repeated here.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cambist_core::clock::{BootTime, UnixTime};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::identity::FederatedCredential;
use super::own::{EXCHANGE, EXCHANGE_ID, tenant_of, v1_issuer};
use super::refusal::Refusal;

/// How far Entra lets clocks differ.
const LEEWAY: Duration = Duration::from_secs(300);
/// The longest life of a token that it takes.
const LONGEST: Duration = Duration::from_secs(25 * 3600);

/// A JWT taken apart, nothing of it believed yet. Holds a secret, hence no `Debug`.
pub(super) struct Assertion {
    signed: String,
    signature: Vec<u8>,
    kid: String,
    issuer: String,
    subject: String,
    audience: String,
    issued: Option<UnixTime>,
    not_before: UnixTime,
    expires: UnixTime,
    claims: Map<String, Value>,
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
        check_header(&header)?;
        for name in ["iss", "aud"] {
            if !claims.contains_key(name) {
                let text = format!("The required field '{name}' is missing from the credential.");
                return Err(Refusal::new(90_014, text));
            }
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
        let issued = claims.get("iat").and_then(Value::as_i64).map(UnixTime::from_secs);
        Ok(Self {
            signed: jwt.rsplit_once('.').map(|(signed, _)| signed.to_owned()).unwrap_or_default(),
            signature,
            kid: text(&header, "kid")?,
            issuer: text(&claims, "iss")?,
            subject: text(&claims, "sub")?,
            audience: audience(claims.get("aud"))
                .ok_or_else(|| malformed("'aud' is not exactly one audience"))?,
            issued,
            not_before,
            expires,
            claims,
        })
    }

    /// What a claim says, if it is a text.
    pub(super) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
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
        // Entra knows itself by either name, and the exchange by its id.
        let itself = tenant_of(issuer);
        let audience = match itself {
            Some(_) if audience == EXCHANGE_ID => EXCHANGE,
            _ => audience,
        };
        if credentials.is_empty() {
            return Err(Refusal::plain(70_025));
        }
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
        let of_issuer: Vec<_> =
            effective.into_iter().filter(|it| same_issuer(&it.issuer, issuer)).collect();
        if of_issuer.is_empty() {
            return none(700_211, "issuer", issuer);
        }
        let of_subject: Vec<_> =
            of_issuer.into_iter().filter(|it| it.subject == *subject).collect();
        if of_subject.is_empty() {
            return none(700_213, "subject", subject);
        }
        if itself.is_some_and(|tenant| of_subject.iter().all(|it| it.issuer == v1_issuer(tenant))) {
            return Err(Refusal::plain(700_227));
        }
        if of_subject.iter().any(|it| it.audience == *audience) {
            return Ok(());
        }
        if of_subject.iter().any(|it| it.audience == EXCHANGE_ID) {
            return Err(Refusal::plain(700_214));
        }
        none(if itself.is_some() { 7_002_121 } else { 700_212 }, "audience", audience)
    }

    /// Whether it is a token of Entra's own, by what it says of itself.
    pub(super) fn is_entras(&self) -> bool {
        tenant_of(&self.issuer).is_some()
    }

    /// Whether `jwk` verifies the signature; a key of no use to Entra does not.
    pub(super) fn signed_by(&self, jwk: &Value) -> bool {
        signed_by(&self.signed, &self.signature, jwk)
    }

    pub(super) fn check_times(&self, now: UnixTime) -> Result<(), Refusal> {
        if let Some(issued) = self.issued.filter(|issued| self.expires.since(*issued) > LONGEST) {
            let text = format!(
                "External OIDC Provider token must have a lifetime of less than or equal to \
                 1.01:00:00. Token issued at {}. Token expires on {}.",
                issued.as_secs(),
                self.expires.as_secs()
            );
            return Err(Refusal::new(70_023, text));
        }
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

/// Whether a credential's issuer is this one. Of Entra itself either name will do.
fn same_issuer(trusted: &str, issuer: &str) -> bool {
    trusted == issuer || tenant_of(issuer).is_some_and(|tenant| tenant_of(trusted) == Some(tenant))
}

/// What a header must say, and must not.
fn check_header(header: &Map<String, Value>) -> Result<(), Refusal> {
    if !header.contains_key("alg") {
        let text = "JWT token is invalid or malformed. Reason: 'alg' is missing.";
        return Err(Refusal::new(50_027, text.to_owned()));
    }
    let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("alg") != "RS256" {
        let text = format!(
            "Invalid JWT token. '{}' is not a supported signature algorithm. Supported signing \
             algorithms are: 'RS256,RS384,RS512'",
            text("alg")
        );
        return Err(Refusal::new(5_002_738, text));
    }
    if !["JWT", "http://openid.net/specs/jwt/1.0", ""].contains(&text("typ")) {
        let text = format!("Invalid JWT token. Its header type '{}' is not allowed.", text("typ"));
        return Err(Refusal::new(5_002_727, text));
    }
    if header.contains_key("crit") {
        return Err(Refusal::plain(5_002_726));
    }
    if !["kid", "x5t"].iter().any(|name| header.contains_key(*name)) {
        return Err(Refusal::plain(5_002_723));
    }
    Ok(())
}

/// The `jti` that a token gives itself, whoever signed it.
pub(super) fn id(jwt: &str) -> Option<String> {
    let claims = object(jwt.split('.').nth(1)?)?;
    Some(claims.get("jti")?.as_str()?.to_owned())
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
        for (bad, code) in [
            (spec().header("alg", "HS256"), 5_002_738),
            (spec().header("typ", "at+jwt"), 5_002_727),
            (spec().header("crit", json!(["b64"])), 5_002_726),
            (spec().without_header("kid"), 5_002_723),
            (spec().header("kid", 7), 50_027),
            (spec().without_claim("iss"), 90_014),
            (spec().without_claim("aud"), 90_014),
            (spec().claim("exp", "soon"), 50_027),
            (spec().claim("nbf", 1.5), 50_027),
            (spec().claim("iss", json!(["https://i.test"])), 50_027),
            (spec().claim("aud", json!(["aud", "another"])), 50_027),
            (spec().without_claim("sub"), 50_027),
        ] {
            assert_eq!(parse(&bad).err().unwrap().code(), code, "{bad:?}");
        }
        assert!(parse(&spec().header("typ", "JWT")).is_ok());
        assert_eq!(Assertion::parse(&spec().unsigned()).err().unwrap().code(), 5_002_738);
    }

    #[test]
    fn takes_none_that_lives_for_more_than_25_hours() {
        for (secs, ok) in [(90_000, true), (90_001, false)] {
            let assertion = parse(&spec().claim("exp", NOW.as_secs() + secs)).ok().unwrap();
            let refusal = assertion.check_times(NOW).err();
            assert_eq!(refusal.map(|it| it.code()), (!ok).then_some(70_023), "{secs}");
        }
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

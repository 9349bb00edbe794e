//! A projected service-account token, as read: nothing about it is believed yet.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::UnixTime;
use crate::foreign::{Foreign, ForeignList};
use crate::json::{self, JsonError};
use crate::jwks::KeyId;
use crate::jws::{self, Header, JwsError, Parts};
use crate::secret::Secret;

/// A token that was read from a file or presented by a caller, taken apart but *not* verified.
///
/// What it says of itself is for diagnosis and for choosing what to check it against. It prints
/// neither itself nor its signature. Cheap to clone.
#[derive(Clone)]
pub struct ProjectedToken(Arc<Inner>);

struct Inner {
    raw: Secret,
    header: Header,
    claims: Claims,
}

/// What a service-account token claims (RFC 7519 section 4.1 and Kubernetes' private claims).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// `iss`: who issued it.
    pub issuer: String,
    /// `sub`: whom it speaks for.
    pub subject: String,
    /// `aud`: to whom it is addressed; Kubernetes writes a list, of one as a rule.
    pub audiences: Vec<String>,
    /// `iat`: when it was issued.
    pub issued_at: UnixTime,
    /// `nbf`: before when it is not valid; Kubernetes writes the same as `iat`.
    pub not_before: Option<UnixTime>,
    /// `exp`: from when on it is not valid any more.
    pub expires_at: UnixTime,
    /// `jti`: its own id, which the API server's audit log has too. It is for telling of it alone, and left
    /// out if it is no string.
    pub id: Option<String>,
    /// `kubernetes.io`: what it is bound to.
    pub bound: Bound,
}

/// What a token is bound to (the private claim `kubernetes.io`); all of it for information.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bound {
    /// The pod's name.
    pub pod: Option<String>,
    /// The node's name.
    pub node: Option<String>,
    /// `warnafter`: present when the API server extends tokens to a year for old clients, and this
    /// one is such.
    pub warn_after: Option<UnixTime>,
}

/// Why text is no service-account token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is nothing.
    #[error("the token is empty")]
    Empty,
    /// Not a signed token in compact form.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The payload is no JSON object.
    #[error("the token's payload is {0}")]
    Payload(#[from] JsonError),
    /// A token of the old kind, from a Secret.
    #[error(
        "the token is a legacy one from a Secret: it never expires and is for nobody in particular, and Entra takes no such token; mount a projected serviceAccountToken instead"
    )]
    Legacy,
    /// A claim is missing or of the wrong kind.
    #[error("the token's claim {claim:?} must be {expected}, found {found}{}", legacy(.claim))]
    Claim {
        /// The claim's name.
        claim: &'static str,
        /// What must stand there.
        expected: &'static str,
        /// What kind of value stands there.
        found: &'static str,
    },
}

impl TokenError {
    /// The reason as one stable word, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Empty => "token_empty",
            Self::Jws(JwsError::TooLarge { .. }) => "token_too_long",
            Self::Jws(JwsError::Parts { .. }) => "token_not_a_jwt",
            Self::Jws(JwsError::Base64(_)) => "token_encoding_invalid",
            Self::Jws(JwsError::Header(_)) => "token_header_not_json",
            Self::Jws(_) => "token_header_refused",
            Self::Payload(_) => "token_payload_not_json",
            Self::Legacy => "token_legacy",
            Self::Claim { found: NOTHING, .. } => "token_claim_missing",
            Self::Claim { .. } => "token_claim_invalid",
        }
    }
}

/// What a claim that is missing is.
const NOTHING: &str = "nothing";

fn legacy(claim: &str) -> &'static str {
    match claim {
        "exp" | "iat" | "aud" => {
            " (a legacy token from a Secret has none: mount a projected serviceAccountToken instead)"
        }
        _ => "",
    }
}

impl ProjectedToken {
    /// Takes a token apart. White space around it, such as a file's last newline, is dropped.
    ///
    /// # Errors
    /// If it is no signed token in compact form of at most 16 KiB, or lacks a claim that every
    /// bound service-account token has.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let raw = text.trim_ascii();
        if raw.is_empty() {
            return Err(TokenError::Empty);
        }
        let parts = Parts::split(raw)?;
        let header = Header::parse(parts.header)?;
        let payload = json::object(&jws::decode(parts.payload, "payload")?)?;
        let claims = Claims::read(&payload)?;
        Ok(Self(Arc::new(Inner { raw: Secret::new(raw), header, claims })))
    }

    /// The name of the key it says it is signed by.
    pub fn kid(&self) -> Option<&KeyId> {
        self.0.header.kid.as_ref()
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// What it claims, unverified.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The token itself.
    pub fn secret(&self) -> &Secret {
        &self.0.raw
    }

    pub(crate) fn parts(&self) -> Result<Parts<'_>, JwsError> {
        Parts::split(self.0.raw.expose())
    }
}

impl fmt::Debug for ProjectedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ProjectedToken");
        out.field("kid", &self.0.header.kid).field("claims", &self.0.claims).finish_non_exhaustive()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Claims");
        out.field("issuer", &Foreign::new(&self.issuer));
        out.field("subject", &Foreign::new(&self.subject));
        out.field("audiences", &ForeignList::of(&self.audiences));
        out.field("issued_at", &self.issued_at).field("not_before", &self.not_before);
        out.field("expires_at", &self.expires_at);
        out.field("id", &self.id.as_deref().map(Foreign::new));
        out.field("bound", &self.bound).finish()
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Bound");
        out.field("pod", &self.pod.as_deref().map(Foreign::new));
        out.field("node", &self.node.as_deref().map(Foreign::new));
        out.field("warn_after", &self.warn_after).finish()
    }
}

impl Claims {
    fn read(payload: &Map<String, Value>) -> Result<Self, TokenError> {
        let of_a_secret = payload.get("iss").is_some_and(|iss| iss == "kubernetes/serviceaccount");
        if of_a_secret && !payload.contains_key("exp") {
            return Err(TokenError::Legacy);
        }
        Ok(Self {
            issuer: string(payload, "iss")?,
            subject: string(payload, "sub")?,
            audiences: audiences(payload)?,
            issued_at: date(payload, "iat")?.ok_or(missing("iat", DATE))?,
            not_before: date(payload, "nbf")?,
            expires_at: date(payload, "exp")?.ok_or(missing("exp", DATE))?,
            id: payload.get("jti").and_then(Value::as_str).map(str::to_owned),
            bound: Bound::read(payload.get("kubernetes.io"))?,
        })
    }
}

impl Bound {
    fn read(claim: Option<&Value>) -> Result<Self, TokenError> {
        let Some(Value::Object(bound)) = claim else { return Ok(Self::default()) };
        let name = |of: &str| Some(bound.get(of)?.get("name")?.as_str()?.to_owned());
        let warn_after = date(bound, "warnafter")?;
        Ok(Self { pod: name("pod"), node: name("node"), warn_after })
    }
}

const DATE: &str = "a whole number of seconds since 1970, not before it";

const fn missing(claim: &'static str, expected: &'static str) -> TokenError {
    TokenError::Claim { claim, expected, found: NOTHING }
}

fn string(payload: &Map<String, Value>, claim: &'static str) -> Result<String, TokenError> {
    let expected = "one string";
    match payload.get(claim) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(TokenError::Claim { claim, expected, found: json::kind(other) }),
        None => Err(missing(claim, expected)),
    }
}

fn audiences(payload: &Map<String, Value>) -> Result<Vec<String>, TokenError> {
    let (claim, expected) = ("aud", "a string or a list of strings");
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(TokenError::Claim { claim, expected, found: json::kind(other) }),
    };
    match payload.get(claim) {
        Some(Value::Array(items)) => items.iter().map(text).collect(),
        Some(value) => Ok(vec![text(value)?]),
        None => Err(missing(claim, expected)),
    }
}

/// A `NumericDate`; RFC 7519 allows fractions, Kubernetes writes none and neither is one needed.
fn date(payload: &Map<String, Value>, claim: &'static str) -> Result<Option<UnixTime>, TokenError> {
    match payload.get(claim) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(secs) if secs >= 0 => Ok(Some(UnixTime::from_secs(secs))),
            _ => {
                let found = match value {
                    Value::Number(_) => "another number",
                    other => json::kind(other),
                };
                Err(TokenError::Claim { claim, expected: DATE, found })
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(payload), part("signature"))
    }

    const HEADER: &str = r#"{"alg":"RS256","kid":"OAjVVaejWFc0Yt9ykr0_8lMMuRNs67OXTWHsN02Pkyw"}"#;
    // The payload of a real default token of Kubernetes 1.30: valid for a year.
    const PAYLOAD: &str = r#"{"aud":["https://kubernetes.default.svc.cluster.local"],"exp":1749207355,"iat":1717671355,"iss":"https://kubernetes.default.svc.cluster.local","jti":"e51f1fbc-4733-4b85-a59f-ba80c0523874","kubernetes.io":{"namespace":"default","node":{"name":"contour-worker","uid":"517eb86e"},"pod":{"name":"shell","uid":"0d8b260e"},"serviceaccount":{"name":"default","uid":"e6a8680e"},"warnafter":1717674962},"nbf":1717671355,"sub":"system:serviceaccount:default:default"}"#;

    #[test]
    fn a_real_token_is_read_and_not_printed() {
        let raw = token(HEADER, PAYLOAD);
        let read = ProjectedToken::parse(&format!("{raw}\r\n")).unwrap();
        assert_eq!(read.secret().expose(), raw);
        assert_eq!(read.kid().unwrap().as_str(), "OAjVVaejWFc0Yt9ykr0_8lMMuRNs67OXTWHsN02Pkyw");
        let claims = read.claims();
        assert_eq!(claims.expires_at.since(claims.issued_at).as_secs(), 31_536_000);
        assert_eq!(claims.bound.pod.as_deref(), Some("shell"));
        let warn_after = claims.bound.warn_after.unwrap();
        assert_eq!(warn_after.since(claims.issued_at).as_secs(), 3607);
        for part in raw.split('.') {
            assert!(!format!("{read:?}").contains(part));
        }
    }

    #[test]
    fn claims_of_the_wrong_kind_are_named() {
        let minimal = r#""iss":"i","sub":"s","aud":"a","iat":1,"exp":2"#;
        assert!(ProjectedToken::parse(&token(HEADER, &format!("{{{minimal}}}"))).is_ok());
        for (from, to, word) in [
            (r#""exp":2"#, r#""exp":"2""#, "exp"),
            (r#""exp":2"#, r#""exp":2.5"#, "exp"),
            (r#""exp":2"#, r#""exp":-2"#, "exp"),
            (r#""exp":2"#, r#""exp":9223372036854775808"#, "exp"),
            (r#""exp":2"#, r#""exp":1e400"#, "JSON"),
            (r#""exp":2"#, r#""nbf":1"#, "legacy token"),
            (r#""iat":1"#, r#""iat":null"#, "iat"),
            (r#""iat":1"#, r#""iat":1,"nbf":"0""#, "nbf"),
            (r#""iss":"i""#, r#""iss":["i"]"#, "iss"),
            (r#""sub":"s""#, r#""sub":{}"#, "sub"),
            (r#""aud":"a""#, r#""aud":["a",1]"#, "aud"),
            (r#""aud":"a""#, r#""aud":"a","aud":"b""#, "twice"),
            (r#""iat":1"#, r#""iat":1,"kubernetes.io":{"a":1,"a":2}"#, "twice"),
        ] {
            let payload = format!("{{{}}}", minimal.replace(from, to));
            let text = ProjectedToken::parse(&token(HEADER, &payload)).unwrap_err().to_string();
            assert!(text.contains(word), "{payload}: {text}");
        }
    }

    #[test]
    fn shapes_that_are_no_token_are_named() {
        assert_eq!(ProjectedToken::parse(" \n").unwrap_err(), TokenError::Empty);
        let long = "x".repeat(1 << 20);
        for (bad, word) in [
            ("abc", "found 1"),
            ("a.b", "found 2"),
            ("a.b.c.d.e", "encrypted"),
            (r#"{"payload":"e30","signatures":[]}"#, "found 1"),
            ("!.e30.x", "header is not base64url"),
            ("\u{feff}e30.e30.x", "header is not base64url"),
            (long.as_str(), "1048576 bytes"),
        ] {
            let text = ProjectedToken::parse(bad).unwrap_err().to_string();
            assert!(text.contains(word), "{bad:.40}: {text}");
        }
    }

    #[test]
    fn each_kind_of_fault_has_a_word_of_its_own() {
        let good = r#""iss":"i","sub":"s","aud":"a","iat":1,"exp":2"#;
        let of = |payload: &str| token(HEADER, &format!("{{{payload}}}"));
        let header = |header: &str| token(header, PAYLOAD);
        for (bad, word) in [
            (String::new(), "token_empty"),
            ("x".repeat(1 << 20), "token_too_long"),
            ("a.b".to_owned(), "token_not_a_jwt"),
            ("this is no token".to_owned(), "token_not_a_jwt"),
            ("!.e30.x".to_owned(), "token_encoding_invalid"),
            (format!("{}.!.x", URL_SAFE_NO_PAD.encode(HEADER)), "token_encoding_invalid"),
            (header("RS256"), "token_header_not_json"),
            (header(r#"{"alg":"RS256","alg":"none"}"#), "token_header_not_json"),
            (header("{}"), "token_header_refused"),
            (header(r#"{"alg":"RS256","crit":["exp"]}"#), "token_header_refused"),
            (header(r#"{"alg":"RS256","typ":"at+jwt"}"#), "token_header_refused"),
            (token(HEADER, "<xml>"), "token_payload_not_json"),
            (of(&good.replace(r#""sub":"s","#, "")), "token_claim_missing"),
            (of(&good.replace(r#""exp":2"#, r#""exp":"2""#)), "token_claim_invalid"),
            (of(r#""iss":"kubernetes/serviceaccount","sub":"s""#), "token_legacy"),
        ] {
            assert_eq!(ProjectedToken::parse(&bad).unwrap_err().as_str(), word, "{bad:.60}");
        }
    }

    #[test]
    fn headers_that_ask_for_trust_or_extensions_are_refused_or_ignored() {
        for (header, member) in [
            (r#"{"alg":"RS256","crit":["exp"]}"#, "crit"),
            (r#"{"alg":"RS256","b64":false}"#, "b64"),
            (r#"{"alg":"RS256","zip":"DEF"}"#, "zip"),
            (r#"{"alg":"RS256","cty":"JWT"}"#, "cty"),
            (r#"{"alg":"RS256","typ":"at+jwt"}"#, "typ"),
            (r#"{"alg":"RS256","kid":7}"#, "kid"),
            (r#"{"alg":"RS256","kid":""}"#, "kid"),
            (r#"{"alg":"RS256","kid":"a\r\nb"}"#, "kid"),
            (r#"{"alg":null}"#, "alg"),
            (r#"{}"#, "alg"),
            (r#"{"alg":"RS256","alg":"none"}"#, "twice"),
        ] {
            let text = ProjectedToken::parse(&token(header, PAYLOAD)).unwrap_err().to_string();
            assert!(text.contains(member), "{header}: {text}");
        }
        let header = r#"{"alg":"RS256","typ":"jwt","jku":"https://evil","jwk":{}}"#;
        let read = ProjectedToken::parse(&token(header, PAYLOAD)).unwrap();
        assert_eq!(read.header().ignored, ["jwk", "jku"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", dotted in "[a-zA-Z0-9_=-]{0,20}\\.[a-zA-Z0-9_-]{0,20}\\.[a-z]{0,9}") {
            drop(ProjectedToken::parse(&text));
            drop(ProjectedToken::parse(&dotted));
        }
    }
}

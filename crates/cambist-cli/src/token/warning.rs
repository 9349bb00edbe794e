//! What is remarkable about a token, before any key is asked.

use std::fmt;
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_core::issuer::IssuerUrl;
use cambist_core::token::ProjectedToken;
use serde_json::{Map, Value, json};

use super::date;
use crate::text::plain;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The kubelet replaces a token after 24 hours at the latest; two more are its patience.
const STALE: Duration = Duration::from_secs(26 * 3600);

/// One remark, under a word that does not change.
#[derive(Debug)]
pub(super) struct Warning {
    code: &'static str,
    text: String,
}

impl Warning {
    pub(super) fn json(&self) -> Value {
        json!({ "code": self.code, "text": self.text })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is remarkable about an access token that was just had.
pub(super) fn of_access(claims: &Map<String, Value>, now: UnixTime) -> Vec<Warning> {
    let expired = date(claims, "exp").filter(|exp| *exp <= now).map(|exp| {
        let after = rough(now.since(exp));
        let text =
            format!("it expired {after} ago: is this clock right, and that of what answers?");
        Warning { code: "expired", text }
    });
    expired.into_iter().chain(future(claims, now)).collect()
}

/// Issued later than clocks differ by.
fn future(claims: &Map<String, Value>, now: UnixTime) -> Option<Warning> {
    let later = date(claims, "iat")? > now + Duration::from_secs(300);
    let text = "it was issued in the future: is this clock right?".to_owned();
    later.then_some(Warning { code: "future", text })
}

/// Everything remarkable.
pub(super) fn all(
    token: &str,
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    unsigned: bool,
    now: UnixTime,
) -> Vec<Warning> {
    let mut out = Vec::new();
    let mut warn = |code, text: String| out.push(Warning { code, text });
    let (iat, exp) = (date(claims, "iat"), date(claims, "exp"));
    if unsigned {
        warn("unsigned", "it has no signature: nobody should accept it".to_owned());
    }
    let alg = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    if alg != "RS256" {
        let alg = plain(alg);
        warn("algorithm", format!("it is signed with {alg}; Entra documents RS256 only"));
    }
    if exp.is_none() {
        let advice = "mount a projected serviceAccountToken volume instead";
        warn("legacy", format!("it never expires (a legacy token from a Secret); {advice}"));
    }
    if exp.is_some_and(|exp| exp <= now) {
        let after = rough(now.since(exp.unwrap_or(now)));
        warn("expired", format!("it expired {after} ago: does the kubelet refresh this file?"));
    } else if iat.is_some_and(|iat| now.since(iat) > STALE) {
        let age = rough(now.since(iat.unwrap_or(now)));
        warn("stale", format!("it is {age} old, and the kubelet refreshes within 24h"));
    }
    if let Some(Warning { code, text }) = future(claims, now) {
        warn(code, text);
    }
    if let Some(life) = exp.zip(iat).map(|(exp, iat)| exp.since(iat)).filter(|life| *life > DAY) {
        let fix = "set --service-account-extend-token-expiration=false on the API server";
        let life = rough(life);
        warn(
            "lifetime",
            format!(
                "it lives {life}, more than 24h; a retired key has to stay published that long: {fix}"
            ),
        );
    }
    if claims.get("kubernetes.io").and_then(|bound| bound.get("warnafter")).is_some() {
        warn("extended", "the API server extended it for old clients (`warnafter`)".to_owned());
    }
    let audiences = claims.get("aud").and_then(Value::as_array).map_or(1, Vec::len);
    if audiences > 1 {
        warn("audiences", format!("it is addressed to {audiences} audiences; one is enough"));
    }
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject.ends_with(":default") {
        let text = "it is for a namespace's `default` account, which every pod gets unless it names another";
        warn("default_account", text.to_owned());
    }
    if let Some(Err(error)) = claims.get("iss").and_then(Value::as_str).map(IssuerUrl::parse) {
        warn("issuer", error.to_string());
    }
    let pointers: Vec<_> = ["jwk", "jku", "x5u", "x5c", "crit"]
        .into_iter()
        .filter(|n| header.contains_key(*n))
        .collect();
    if !pointers.is_empty() {
        let names = pointers.join(", ");
        warn("header", format!("its header has {names}, which no service-account token needs"));
    }
    if exp.is_some()
        && !unsigned
        && let Err(error) = ProjectedToken::parse(token)
    {
        warn("refused", format!("cambist would not take it: {error}"));
    }
    out
}

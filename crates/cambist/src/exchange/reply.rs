//! What a token endpoint's reply means (RFC 6749 section 5, in Entra's form).

use std::time::Duration;

use bytes::Bytes;
use cambist_core::clock::UnixTime;
use cambist_core::foreign::Foreign;
use cambist_core::secret::Secret;
use cambist_core::{Found, JsonError, json};
use http::header::LOCATION;
use http::{HeaderMap, Response, StatusCode, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::aadsts::Trouble;
use super::access_token::is_bearer;
use super::asked::Asked;
use super::error::{EntraError, ExchangeError, ReplyError, ReplyFault};
use super::redact::{is_plain, is_secret, shown};
use super::retry_after::retry_after;
use crate::receipt::Ids;

/// Longest validity that is believed. Entra's longest are 28 hours; whoever says more than a month
/// has the unit wrong, and how long such a token may be served nobody knows.
const LONGEST: u64 = 30 * 24 * 3600;

/// A token that was granted.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) secret: Secret,
    pub(super) valid_for: Duration,
    pub(super) refresh_in: Option<Duration>,
}

/// A success as it stands there. serde refuses a name that stands twice; the values are looked at
/// by hand, because serde's own errors repeat what they found.
#[derive(Deserialize)]
struct Success {
    token_type: Option<Value>,
    access_token: Option<Value>,
    expires_in: Option<Value>,
    refresh_in: Option<Value>,
}

/// A refusal as it stands there. What is missing or of another kind is left out: a refusal is not
/// refused for its form.
#[derive(Deserialize)]
struct Failure {
    error: Option<Value>,
    suberror: Option<Value>,
    error_description: Option<Value>,
    error_codes: Option<Value>,
    claims: Option<Value>,
    timestamp: Option<Value>,
    trace_id: Option<Value>,
    correlation_id: Option<Value>,
}

/// Reads a reply with status 200.
pub(super) fn granted(
    response: &Response<Bytes>,
    asked: &Asked<'_>,
) -> Result<(Granted, Ids), ExchangeError> {
    let ids = ids(response.headers(), asked);
    match read_success(response.body()) {
        Ok(granted) => Ok((granted, ids)),
        Err(fault) => Err(ReplyError::new(ids, response.status(), fault, None).into()),
    }
}

/// The ids that a reply's headers have. What is no id is no use.
fn ids(headers: &HeaderMap, asked: &Asked<'_>) -> Ids {
    let secret = asked.secret();
    let id = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        (is_plain(text) && !is_secret(text, secret)).then(|| Foreign::new(text))
    };
    let mut ids = Ids::new(asked.request_id);
    (ids.entra, ids.correlation) = (id("x-ms-request-id"), id("client-request-id"));
    ids
}

fn read_success(body: &Bytes) -> Result<Granted, ReplyFault> {
    let Success { token_type, access_token, expires_in, refresh_in } = object(body)?;
    // Into custody first, so that every way out of here wipes it.
    let access_token = match access_token {
        Some(Value::String(token)) => Ok(Secret::new(token)),
        other => Err(other),
    };
    let bad = |name, expected, found| Err(ReplyFault::Member { name, expected, found });
    if !matches!(&token_type, Some(Value::String(t)) if t.eq_ignore_ascii_case("Bearer")) {
        return bad("token_type", "\"Bearer\"", text_or_kind(token_type.as_ref()));
    }
    let expected = "a token: printable ASCII, not empty";
    let secret = match access_token {
        Ok(secret) if secret.is_empty() => {
            return bad("access_token", expected, Found::Text(Foreign::new("")));
        }
        Ok(secret) if !is_bearer(secret.expose()) => {
            return bad("access_token", expected, Found::Kind("a text with other characters"));
        }
        Ok(secret) => secret,
        Err(other) => return bad("access_token", expected, kind(other.as_ref())),
    };
    let Some(valid_for) = seconds(expires_in.as_ref()) else {
        let expected = "a number of seconds, from 1 to 2592000 (30 days)";
        return bad("expires_in", expected, text_or_kind(expires_in.as_ref()));
    };
    // A wish that makes no sense is no wish.
    let refresh_in = seconds(refresh_in.as_ref()).filter(|wish| *wish < valid_for);
    Ok(Granted { secret, valid_for, refresh_in })
}

/// Reads a reply with another status than 200. Whatever the body is, the status is kept.
pub(super) fn refused(
    response: &Response<Bytes>,
    asked: &Asked<'_>,
    now: UnixTime,
) -> ExchangeError {
    let (status, body) = (response.status(), response.body());
    let retry_after = retry_after(response.headers(), now);
    let secret = asked.secret();
    let ids = ids(response.headers(), asked);
    let fault = if status.is_redirection() {
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let to = to.and_then(|to| to.parse::<Uri>().ok());
        ReplyFault::Redirect(to.and_then(|to| Some(shown(to.host()?, secret))))
    } else if !status.is_client_error() && !status.is_server_error() {
        ReplyFault::Status
    } else {
        match object(body) {
            Ok(failure) => match EntraError::read(failure, status, ids.clone(), retry_after, asked)
            {
                Ok(error) => return Box::new(error).into(),
                Err(fault) => fault,
            },
            Err(fault) => fault,
        }
    };
    ReplyError::new(ids, status, fault, retry_after).into()
}

impl EntraError {
    fn read(
        failure: Failure,
        status: StatusCode,
        mut ids: Ids,
        retry_after: Option<Duration>,
        asked: &Asked<'_>,
    ) -> Result<Self, ReplyFault> {
        let secret = asked.secret();
        let text = |member: &Option<Value>| {
            let text = member.as_ref().and_then(Value::as_str);
            text.map(|text| shown(text, secret)).filter(|text| !text.as_str().is_empty())
        };
        // What is no id is no use.
        let plain = |member: &Option<Value>| {
            let text = member.as_ref().and_then(Value::as_str)?;
            (is_plain(text) && !is_secret(text, secret)).then(|| Foreign::new(text))
        };
        let Some(error) = text(&failure.error) else {
            return Err(ReplyFault::Member {
                name: "error",
                expected: "a string",
                found: kind(failure.error.as_ref()),
            });
        };
        let description = text(&failure.error_description);
        let said = description.as_ref().map_or("", Foreign::as_str);
        let codes = codes(failure.error_codes.as_ref(), said);
        let trouble = Trouble::of(status, error.as_str(), &codes);
        let suberror = text(&failure.suberror);
        ids.correlation = plain(&failure.correlation_id).or(ids.correlation);
        let trace_id = plain(&failure.trace_id);
        let timestamp = plain(&failure.timestamp);
        let mut policies = policies(failure.claims.as_ref());
        policies.retain(|id| !is_secret(id.as_str(), secret));
        let fix = trouble.fix(asked, &policies);
        Ok(Self {
            ids,
            status,
            error,
            suberror,
            codes,
            description,
            trace_id,
            timestamp,
            retry_after,
            trouble,
            signer_known_for: asked.signer_known_for,
            fix,
        })
    }
}

/// The codes of `error_codes`, at most 8; where that is missing, the one that the description starts
/// with. Some front ends write the list into a text.
fn codes(member: Option<&Value>, description: &str) -> Vec<u32> {
    let written = member.and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    let listed = written.as_ref().or(member).and_then(Value::as_array);
    let listed = listed.map(Vec::as_slice).unwrap_or_default();
    let code = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let listed: Vec<_> = listed.iter().filter_map(code).take(8).collect();
    if !listed.is_empty() {
        return listed;
    }
    let digits = description.strip_prefix("AADSTS").map(|rest| {
        rest.split_once(|c: char| !c.is_ascii_digit()).map_or(rest, |(digits, _)| digits)
    });
    digits.and_then(|digits| digits.parse().ok()).into_iter().collect()
}

/// The ids of the Conditional Access policies that stand in the way, at most 4. The claims challenge
/// that names them is JSON in a text.
fn policies(claims: Option<&Value>) -> Vec<Foreign> {
    let challenge = claims.and_then(Value::as_str);
    let challenge: Option<Value> = challenge.and_then(|text| serde_json::from_str(text).ok());
    let ids = challenge.as_ref().and_then(|it| it.pointer("/access_token/capolids/values"));
    let ids = ids.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    ids.iter()
        .filter_map(Value::as_str)
        .filter(|id| is_plain(id))
        .take(4)
        .map(Foreign::new)
        .collect()
}

/// A JSON object, or what is there instead.
fn object<T: DeserializeOwned>(body: &Bytes) -> Result<T, ReplyFault> {
    json::read(body).map_err(|error| match error {
        JsonError::Empty => ReplyFault::Empty,
        JsonError::CutOff { .. } => ReplyFault::CutOff,
        JsonError::NotAnObject(_) => ReplyFault::NotAnObject,
        // Any value will do for a member, so all that can be wrong is that there are two.
        JsonError::Form { .. } | JsonError::NameTwice(_) => ReplyFault::NameTwice,
        _ if body.trim_ascii_start().starts_with(b"<") => ReplyFault::Html,
        _ => ReplyFault::NotJson,
    })
}

/// Seconds as a number or in a text, as some endpoints write them; at least one, at most a month.
fn seconds(value: Option<&Value>) -> Option<Duration> {
    let secs = match value? {
        Value::Number(n) => n.as_u64().or_else(|| whole(n.as_f64()?))?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (1..=LONGEST).contains(&secs).then(|| Duration::from_secs(secs))
}

/// `3599.0` is a whole number too (RFC 8259 section 6 knows one kind of number only).
fn whole(number: f64) -> Option<u64> {
    let whole = number.fract() == 0.0 && (0.0..=LONGEST as f64).contains(&number);
    whole.then_some(number as u64)
}

/// A number or a short word as it stands; otherwise what kind of value it is.
fn text_or_kind(value: Option<&Value>) -> Found {
    match value {
        Some(Value::Number(n)) => Found::Number(Foreign::new(n.to_string())),
        Some(Value::String(text)) if text.len() <= 10 => Found::Text(Foreign::new(text)),
        other => kind(other),
    }
}

/// What kind of value it is, never what it says.
fn kind(value: Option<&Value>) -> Found {
    match value {
        None | Some(Value::Null) => Found::Nothing,
        Some(value) => Found::Kind(json::kind(value)),
    }
}

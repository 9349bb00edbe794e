//! The bytes of every answer on the token listener.
//!
//! The success body is what every Azure SDK accepts: eight fields, each a JSON string, in this
//! order. The failure body carries the one message under every name that some SDK reads.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use cambist::{Class, Error};
use cambist_core::clock::UnixTime;
use cambist_core::foreign::brief;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::listener::Recalled;
use crate::request::{Reason, Rejection};

/// The body of every answer: whole, so that its length is in the head.
pub type Body = Full<Bytes>;

#[cfg(test)]
mod page;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const X_CAMBIST_REASON: HeaderName = HeaderName::from_static("x-cambist-reason");

/// The longest body of a failure, in bytes, whatever others have to say about it.
const LONGEST: usize = 2048;

/// The longest pause that an app is asked for. SDKs sleep through it three times (Go, JavaScript,
/// Python) to two dozen times (Java) before they tell the developer anything, some of them however long
/// it is; asking here again costs nothing, since what is not to be asked of Entra is answered from memory.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What the app gets.
#[derive(Clone, Copy)]
pub struct Grant<'a> {
    /// The token itself, as [`cambist::AccessToken`] has it: with nothing that JSON would escape.
    pub access_token: &'a str,
    /// Whose it is.
    pub client_id: &'a str,
    /// How long it is still valid.
    pub expires_in: Duration,
    /// Until when it is valid by the wall clock.
    pub expires_on: UnixTime,
    /// From when on it is valid.
    pub not_before: UnixTime,
    /// What the app asked for, byte for byte.
    pub resource: &'a str,
}

impl std::fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant").field("resource", &self.resource).finish_non_exhaustive()
    }
}

/// The eight fields.
pub fn token_body(grant: &Grant<'_>) -> String {
    // One allocation: the fixed text is 200 bytes, five numbers are at most 20 each.
    let texts = grant.access_token.len() + grant.client_id.len() + grant.resource.len();
    let mut body = String::with_capacity(320 + texts);
    let mut digits = itoa::Buffer::new();
    let mut number = |body: &mut String, name: &str, value: i64| {
        body.push_str(name);
        body.push_str(digits.format(value));
    };
    let expires_in = i64::try_from(grant.expires_in.as_secs()).unwrap_or(i64::MAX);
    body.push_str(r#"{"access_token":""#);
    // Looked through when it was received; doing that again is the dearest part of a cached answer.
    debug_assert!(!grant.access_token.contains(['"', '\\']));
    body.push_str(grant.access_token);
    body.push_str(r#"","client_id":""#);
    push_escaped(&mut body, grant.client_id);
    number(&mut body, r#"","expires_in":""#, expires_in);
    number(&mut body, r#"","expires_on":""#, grant.expires_on.as_secs());
    number(&mut body, r#"","ext_expires_in":""#, expires_in);
    number(&mut body, r#"","not_before":""#, grant.not_before.as_secs());
    body.push_str(r#"","resource":""#);
    push_escaped(&mut body, grant.resource);
    body.push_str(r#"","token_type":"Bearer"}"#);
    body
}

/// Appends text as the inside of a JSON string (RFC 8259, section 7).
fn push_escaped(out: &mut String, text: &str) {
    // Every byte is looked at, without a branch: that is done 16 of them at a time.
    let plain = |b: u8| (b >= 0x20) & (b != b'"') & (b != b'\\');
    if text.bytes().fold(true, |so_far, b| so_far & plain(b)) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// The answer that carries a token.
pub fn token(grant: &Grant<'_>) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(token_body(grant))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// The answer to a request of the wrong shape.
pub fn rejection(rejection: &Rejection, now: UnixTime) -> Response<Body> {
    let reason = rejection.reason();
    let trouble = Trouble {
        status: reason.status(),
        reason: reason.as_str(),
        error: reason.error(),
        detail: &rejection.to_string(),
        ..Trouble::at(now)
    };
    let mut response = trouble.response();
    if reason == Reason::Method {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    }
    if reason.ends_connection() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The answer when there is no token to give.
///
/// Trouble that lasts is 403: no SDK retries that, and each shows its body. (None retries a 400
/// either, but the Rust SDK puts words of its own in the place of its body, which blame the
/// identity.) 503 and 429 always say when to come back, because one SDK retries only then; nothing
/// else ever does, because another retries whatever says so.
pub fn failure(error: &Error, now: UnixTime) -> Response<Body> {
    let (status, word) = status(error.class());
    let entra = error.entra();
    // Where Entra has not said, the request's own id is what its log may have.
    let ours = error.request_id().map(|id| id.to_string()).unwrap_or_default();
    let retry = !matches!(error.class(), Class::Denied | Class::Permanent);
    let wait = error.retry_after().unwrap_or_default();
    let mut detail = error.to_string();
    if retry && wait > MAX_RETRY_AFTER {
        let _ = write!(detail, "; there will be no answer for another {} s", wait.as_secs());
    }
    let trouble = Trouble {
        status,
        reason: error.reason().as_str(),
        error: entra.map_or(word, |entra| entra.error()),
        detail: &detail,
        codes: entra.map(|entra| entra.codes()).unwrap_or_default(),
        correlation_id: entra.and_then(|entra| entra.correlation_id()).unwrap_or(&ours),
        trace_id: entra.and_then(|entra| entra.trace_id()).unwrap_or_default(),
        retry_after: retry.then(|| wait.min(MAX_RETRY_AFTER)),
        now,
    };
    trouble.response()
}

/// The status of a failure, and its word for where Entra has none.
pub(crate) const fn status(class: Class) -> (StatusCode, &'static str) {
    match class {
        Class::Denied => (StatusCode::FORBIDDEN, "access_denied"),
        Class::Permanent => (StatusCode::FORBIDDEN, "invalid_request"),
        Class::Throttled => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        // Transient, and whatever else there may be one day.
        _ => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    }
}

/// The answer to somebody who can wait no longer, or not at all: that it may ask again at once.
pub fn sent_away(recalled: Recalled, now: UnixTime) -> Response<Body> {
    let detail = match recalled {
        Recalled::Busy => {
            "as many callers wait for new tokens as may, because they take long to come; the log and \
             /status.json say why. Ask again in a second"
        }
        Recalled::Draining => {
            "the sidecar is about to end, and no new token has come before; ask again in a second"
        }
    };
    let trouble = Trouble {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: recalled.as_str(),
        error: "temporarily_unavailable",
        detail,
        retry_after: Some(Duration::from_secs(1)),
        ..Trouble::at(now)
    };
    let mut response = trouble.response();
    // Whoever is one of many leaves the place of its connection to the next.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Everything a failure's answer is made of.
struct Trouble<'a> {
    status: StatusCode,
    reason: &'a str,
    error: &'a str,
    detail: &'a str,
    codes: &'a [u32],
    correlation_id: &'a str,
    trace_id: &'a str,
    retry_after: Option<Duration>,
    now: UnixTime,
}

/// The failure body: the same text, led by the reason, under every name that an SDK looks for. Some
/// show their users `message`, some `error_description`, none both.
#[derive(Serialize)]
struct TroubleBody<'a> {
    error: &'a str,
    error_description: &'a str,
    error_codes: &'a [u32],
    #[serde(rename = "statusCode")]
    status_code: u16,
    message: &'a str,
    #[serde(rename = "correlationId")]
    correlation_id_camel: &'a str,
    correlation_id: &'a str,
    trace_id: &'a str,
    timestamp: &'a str,
}

impl Trouble<'_> {
    fn at(now: UnixTime) -> Self {
        Trouble {
            status: StatusCode::BAD_REQUEST,
            reason: "",
            error: "",
            detail: "",
            codes: &[],
            correlation_id: "",
            trace_id: "",
            retry_after: None,
            now,
        }
    }

    fn response(&self) -> Response<Body> {
        let mut detail = Cow::Borrowed(self.detail);
        if self.status == StatusCode::FORBIDDEN {
            // Two SDKs take a 403 with this word for Docker Desktop's and give up on the endpoint.
            detail = detail.replace("unreachable", "not reachable").into();
        }
        let message = format!("{}: {detail}", self.reason);
        let mut body = self.body(&message);
        if let Some(excess) = body.len().checked_sub(LONGEST).filter(|excess| *excess > 0) {
            // It stands there twice.
            let len = serde_json::to_vec(&message).map_or(0, |json| json.len());
            body = self.body(&brief(&message, len.saturating_sub(excess / 2 + 3)));
        }
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CACHE_CONTROL, NO_STORE);
        if let Ok(reason) = HeaderValue::from_str(self.reason) {
            headers.insert(X_CAMBIST_REASON, reason);
        }
        if let Some(wait) = self.retry_after {
            // Rounded up, and never 0: that would mean "at once".
            let secs = (wait + Duration::from_nanos(999_999_999)).as_secs().max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }

    fn body(&self, message: &str) -> Vec<u8> {
        let body = TroubleBody {
            error: self.error,
            error_description: message,
            error_codes: self.codes,
            status_code: self.status.as_u16(),
            message,
            correlation_id_camel: self.correlation_id,
            correlation_id: self.correlation_id,
            trace_id: self.trace_id,
            timestamp: &self.now.to_string().replacen('T', " ", 1),
        };
        // Texts and numbers always serialise.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_795_407_225);

    #[test]
    fn the_success_body_is_exact() {
        let grant = Grant {
            access_token: "header.payload.signature",
            client_id: "00000000-0000-0000-0000-000000000002",
            expires_in: Duration::from_millis(3_599_999),
            expires_on: UnixTime::from_secs(1_795_410_824),
            not_before: NOW,
            resource: "https://Vault.azure.net/",
        };
        let body = concat!(
            r#"{"access_token":"header.payload.signature","#,
            r#""client_id":"00000000-0000-0000-0000-000000000002","#,
            r#""expires_in":"3599","expires_on":"1795410824","ext_expires_in":"3599","#,
            r#""not_before":"1795407225","resource":"https://Vault.azure.net/","#,
            r#""token_type":"Bearer"}"#
        );
        assert_eq!(token_body(&grant), body);
        let response = token(&grant);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(!format!("{grant:?}").contains("payload"));
    }

    #[test]
    fn text_is_escaped_as_json_wants_it() {
        let every = (0..0x80u8).map(char::from).collect::<String>() + "é\u{2028}😀";
        let mut out = String::from("\"");
        push_escaped(&mut out, &every);
        out.push('"');
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), every);
    }

    fn body_of(trouble: &Trouble<'_>) -> (Response<Body>, String) {
        use http_body_util::BodyExt as _;
        let (parts, body) = trouble.response().into_parts();
        let ready = futures_executor(body.collect());
        let text = String::from_utf8(ready.to_vec()).unwrap();
        (Response::from_parts(parts, Body::default()), text)
    }

    /// A whole body is there at once.
    fn futures_executor<F>(collect: F) -> Bytes
    where
        F: Future<Output = Result<http_body_util::Collected<Bytes>, std::convert::Infallible>>,
    {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(collect).poll(&mut context) {
            std::task::Poll::Ready(Ok(body)) => body.to_bytes(),
            _ => panic!("a whole body is there at once"),
        }
    }

    #[test]
    fn the_failure_body_is_exact() {
        let trouble = Trouble {
            status: StatusCode::FORBIDDEN,
            reason: "subject_mismatch",
            error: "invalid_request",
            detail: "AADSTS700213: no \"match\"\r\nTrace ID: t",
            codes: &[700_213],
            correlation_id: "c",
            trace_id: "t",
            retry_after: None,
            now: NOW,
        };
        let (response, body) = body_of(&trouble);
        let text = r#"AADSTS700213: no \"match\"\r\nTrace ID: t"#;
        let expected = format!(
            "{{\"error\":\"invalid_request\",\"error_description\":\"subject_mismatch: {text}\",\"error_codes\":[700213],\
             \"statusCode\":403,\"message\":\"subject_mismatch: {text}\",\"correlationId\":\"c\",\"correlation_id\":\"c\",\
             \"trace_id\":\"t\",\"timestamp\":\"2026-11-23 04:13:45Z\"}}"
        );
        assert_eq!(body, expected);
        assert_eq!(response.headers()["x-cambist-reason"], "subject_mismatch");
        assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
        assert!(response.headers().get("retry-after").is_none());
    }

    #[test]
    fn a_failure_is_told_in_two_kilobytes() {
        for detail in ["x".repeat(100_000), "\"\\".repeat(50_000), "é".repeat(700)] {
            let trouble = Trouble { detail: &detail, reason: "dns", ..Trouble::at(NOW) };
            let (_, body) = body_of(&trouble);
            assert!((LONGEST - 40..=LONGEST).contains(&body.len()), "{}: {body}", body.len());
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["message"], body["error_description"]);
            assert!(body["message"].as_str().unwrap().contains("…+"), "{body}");
        }
    }

    #[test]
    fn a_403_never_looks_like_docker_desktops() {
        let detail = "the host is unreachable";
        let trouble = Trouble { status: StatusCode::FORBIDDEN, detail, ..Trouble::at(NOW) };
        assert!(!body_of(&trouble).1.contains("unreachable"));
    }

    #[test]
    fn whoever_is_told_to_come_back_is_told_when() {
        for (wait, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (60_000, "60")] {
            let retry_after = Some(Duration::from_millis(wait));
            let trouble = Trouble { retry_after, ..Trouble::at(NOW) };
            assert_eq!(trouble.response().headers()["retry-after"], header);
        }
    }

    #[test]
    fn rejections_carry_their_reason_everywhere() {
        for reason in Reason::ALL {
            let response = rejection(&Rejection::new(reason, "no"), NOW);
            assert_eq!(response.status(), reason.status());
            assert_eq!(response.headers()["x-cambist-reason"], reason.as_str());
            assert_eq!(response.headers().contains_key("allow"), response.status() == 405);
            assert_eq!(response.headers().contains_key("connection"), reason.ends_connection());
            assert!(!response.headers().contains_key("access-control-allow-origin"));
        }
    }
}

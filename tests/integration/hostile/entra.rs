//! The corpus of Entras: what stands in the place of a token, or of an error.

use serde_json::{Value, json};

use super::issuers::{BIDI, CONTROLS, texts};
use super::server::{Case, document, response};

/// A token in an answer that cannot be used is a token all the same.
pub(super) const TOKEN: &str = "eyJhbGciOiJub25lIn0.payload-of-entras.signature-of-entras";

const MEGABYTE: usize = 1024 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = errors();
    cases.extend(tokens());
    cases.extend(messages());
    cases.extend(everywhere());
    cases
}

/// The same text wherever there may be one.
fn everywhere() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text) in texts() {
        let refusal = json!({
            "error": text, "suberror": text, "error_description": text, "timestamp": text,
            "trace_id": text, "correlation_id": text, "error_uri": text, "claims": text,
        });
        let grant = json!({"token_type": text, "expires_in": text, "access_token": text});
        for (status, body) in [("401 U", &refusal), ("503 S", &refusal), ("200 OK", &grant)] {
            let body = body.to_string();
            let name = format!("everywhere, {name}, {status}");
            cases.push(Case::new(&name, move |_| response(status, "", &body)));
        }
    }
    cases
}

/// An error in Entra's form, one member of it another.
fn error(name: &str, member: &str, value: impl Into<Value>) -> Case {
    let mut body = json!({
        "error": "invalid_client",
        "error_description": "AADSTS700016: Application with identifier 'a' was not found.",
        "error_codes": [700_016],
        "timestamp": "2026-11-23 04:13:45Z",
        "trace_id": "0a1b2c3d-0000-4000-8000-000000000001",
        "correlation_id": "0a1b2c3d-0000-4000-8000-000000000002",
    });
    body[member] = value.into();
    let body = body.to_string();
    Case::new(&format!("error, {name}"), move |_| {
        response("401 Unauthorized", "Content-Type: application/json\r\n", &body)
    })
}

/// A token's answer, one member of it another.
fn token(name: &str, member: &str, value: impl Into<Value>) -> Case {
    let mut body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN});
    body[member] = value.into();
    let body = body.to_string();
    Case::new(&format!("token, {name}"), move |_| document(&body))
}

fn errors() -> Vec<Case> {
    let long = "x".repeat(50_000);
    let echo = |name: &str, shape: fn(&str) -> Value| {
        Case::new(&format!("error, echoes what was sent, {name}"), move |asked| {
            // As a helpful gateway would.
            let sent = asked.body.split('&').find_map(|it| it.strip_prefix("client_assertion="));
            response("400 Bad Request", "", shape(sent.unwrap_or(&asked.body)).to_string())
        })
    };
    vec![
        error("a megabyte of words", "error_description", "w".repeat(MEGABYTE - 4096)),
        error("bidi words", "error_description", format!("AADSTS700016: {}", BIDI.repeat(50))),
        error("words with controls", "error_description", format!("AADSTS700016: {CONTROLS}")),
        error("words of no type", "error_description", json!([{"a": long}])),
        error("a long word", "error", long.as_str()),
        error("a bidi word", "error", BIDI),
        error("a word with controls", "error", CONTROLS),
        error("a word of no type", "error", json!({"a": BIDI})),
        error("ten thousand codes", "error_codes", vec![700_016; 10_000]),
        error("codes that are texts", "error_codes", json!([BIDI, CONTROLS, long])),
        error("codes that are none", "error_codes", json!([-1, 1.5, 1e300, u64::MAX])),
        error("a code of no number", "error_description", "AADSTS\u{202e}700016: no"),
        error(
            "a code of many digits",
            "error_description",
            format!("AADSTS{}: no", "9".repeat(500)),
        ),
        error("a long trace", "trace_id", long.as_str()),
        error("a bidi trace", "trace_id", BIDI),
        error("a correlation with controls", "correlation_id", CONTROLS),
        error("a correlation of no type", "correlation_id", json!([BIDI])),
        error("a long timestamp", "timestamp", long.as_str()),
        error("claims", "claims", json!({"access_token": {"a": BIDI.repeat(100)}})),
        error("a long suberror", "suberror", long.as_str()),
        error("a long address", "error_uri", format!("https://a/{long}")),
        echo("in words", |sent| json!({"error": "invalid_request", "error_description": sent})),
        echo("in a word", |sent| json!({"error": sent, "error_description": "no"})),
        echo("in a trace", |sent| json!({"error": "a", "trace_id": sent, "correlation_id": sent})),
        echo("in no form", |sent| json!(sent)),
    ]
}

fn tokens() -> Vec<Case> {
    let long = "x".repeat(50_000);
    vec![
        token("one of 900 KB", "access_token", "t".repeat(900_000)),
        token("with controls", "access_token", format!("{TOKEN}\r\nX-Injected: 1")),
        token("bidi", "access_token", format!("{TOKEN}{BIDI}")),
        token("empty", "access_token", ""),
        token("of no type", "access_token", json!({"a": TOKEN})),
        token("a long type", "token_type", long.as_str()),
        token("a bidi type", "token_type", BIDI),
        token("a type of no type", "token_type", json!([CONTROLS])),
        token("for ever", "expires_in", u64::MAX),
        token("for no time", "expires_in", 0),
        token("until yesterday", "expires_in", -3600),
        token("for a fraction", "expires_in", 1.5e300),
        token("for a text", "expires_in", BIDI),
        token("for a long text", "expires_in", "9".repeat(10_000)),
        token("for a list", "expires_in", json!([3599])),
        token("refreshed never", "refresh_in", json!(CONTROLS)),
        token("refreshed in a text", "refresh_in", json!("9".repeat(10_000))),
    ]
}

fn messages() -> Vec<Case> {
    let answered = |name: &str, status: &'static str, headers: String, body: String| {
        Case::new(&format!("answered, {name}"), move |_| response(status, &headers, &body))
    };
    let raw =
        |name: &str, bytes: Vec<u8>| Case::new(&format!("raw, {name}"), move |_| bytes.clone());
    let none = String::new;
    let wait = |text: &str| format!("Retry-After: {text}\r\n");
    let page =
        "<!DOCTYPE html><html><title>Our services aren't available right now</title></html>\n";
    let good =
        json!({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN}).to_string();
    vec![
        answered("a page", "200 OK", "Content-Type: text/html\r\n".to_owned(), page.to_owned()),
        answered("a long page", "502 Bad Gateway", none(), page.repeat(10_000)),
        answered("a page that shows the token", "200 OK", none(), format!("<pre>{good}</pre>")),
        answered("nothing", "200 OK", none(), none()),
        answered("no content", "204 No Content", none(), none()),
        answered("null", "400 Bad Request", none(), "null".to_owned()),
        answered("deep", "400 Bad Request", none(), "[".repeat(50_000)),
        answered("deep objects", "200 OK", none(), "{\"access_token\":".repeat(50_000)),
        answered("cut off", "200 OK", none(), good[..good.len() - 5].to_owned()),
        answered("and more behind it", "200 OK", none(), format!("{good}{good}")),
        answered(
            "members twice",
            "200 OK",
            none(),
            good.replace('}', ",\"access_token\":\"b.c.d\"}"),
        ),
        answered("ten megabytes", "400 Bad Request", none(), "x".repeat(10 * MEGABYTE)),
        answered("a redirect", "302 Found", format!("Location: https://{BIDI}/\r\n"), none()),
        answered(
            "a long redirect",
            "307 T",
            format!("Location: https://a/{}\r\n", "x".repeat(50_000)),
            none(),
        ),
        answered("a wait of ages", "429 T", wait("99999999999999999999"), none()),
        answered("a wait of no time", "429 T", wait("-1"), none()),
        answered("a wait until long ago", "503 S", wait("Thu, 01 Jan 1970 00:00:00 GMT"), none()),
        answered("a wait until the end", "503 S", wait("Fri, 31 Dec 9999 23:59:59 GMT"), none()),
        answered("a bidi wait", "429 T", wait(BIDI), none()),
        answered("a long wait", "429 T", wait(&"6".repeat(10_000)), none()),
        answered("two waits", "429 T", wait("1") + &wait("86400"), none()),
        answered(
            "ids in the head",
            "503 S",
            format!("x-ms-request-id: {}\r\nclient-request-id: {BIDI}\r\n", "r".repeat(5000)),
            none(),
        ),
        answered(
            "a long head",
            "200 OK",
            format!("X-A: {}\r\n", "y".repeat(300_000)),
            good.clone(),
        ),
        answered("a status of its own", "999 \u{202e}reason", none(), none()),
        answered("compressed", "200 OK", "Content-Encoding: gzip\r\n".to_owned(), good.clone()),
        raw(
            "no UTF-8",
            response(
                "400 Bad Request",
                "",
                [b"{\"error\":\"".as_slice(), &[0xff; 500], b"\"}"].concat(),
            ),
        ),
        raw("nothing", Vec::new()),
        raw("no HTTP", b"\x1b[2JSSH-2.0-\xff\r\n".to_vec()),
        raw("many announcements", b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20_000)),
        raw(
            "a body shorter than said",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{good}").into_bytes(),
        ),
    ]
}

//! What all answers of Entra's token endpoint have in common: their headers and ids, as a real one has
//! them.

use std::fmt;

use cambist_core::names::is_guid;
use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue, StatusCode};

use super::guid;
use crate::random;
use crate::reply::{Request, Response, response, set};

/// The id that Entra gives a request: `x-ms-request-id`, `trace_id`, and in another form `uti`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestId([u8; 16]);

impl RequestId {
    /// Real ones end in `00` as a rule.
    pub(super) fn random() -> Self {
        let mut bytes = random::uuid_bytes();
        bytes[15] = 0;
        Self(bytes)
    }

    /// The `uti` claim of the token that came of it: 22 characters.
    pub(super) fn uti(self) -> String {
        guid::short(self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&random::guid(self.0))
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: String, asked: &Request, id: RequestId) -> Response {
    let kind = ("content-type", "application/json; charset=utf-8");
    dress(response(status, &[kind], body), asked, id)
}

/// What a front end says that has had enough of a client: no JSON.
pub(super) fn throttled(asked: &Request) -> Response {
    let kind = ("content-type", "text/plain; charset=utf-8");
    let answer = response(StatusCode::TOO_MANY_REQUESTS, &[kind], "Too Many Requests");
    dress(answer, asked, RequestId::random())
}

fn dress(mut answer: Response, asked: &Request, id: RequestId) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        set(headers, HeaderName::from_static(name), value);
    }
    for cookie in COOKIES {
        headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
    }
    set(headers, HeaderName::from_static("x-ms-request-id"), &id.to_string());
    let header = |name: &str| asked.headers().get(name)?.to_str().ok();
    let wanted = header("return-client-request-id").is_some_and(|it| it == "true");
    if let Some(own) = correlation(asked).filter(|_| wanted) {
        set(headers, HeaderName::from_static("client-request-id"), &own);
    }
    answer
}

/// The id that the client gave its request, if it is one.
pub(super) fn correlation(asked: &Request) -> Option<String> {
    let id = asked.headers().get("client-request-id")?.to_str().ok()?;
    is_guid(id).then(|| id.to_owned())
}

const HEADERS: [(&str, &str); 7] = [
    ("cache-control", "no-store, no-cache"),
    ("pragma", "no-cache"),
    ("expires", "-1"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("p3p", "CP=\"DSP CUR OTPi IND OTRi ONL FIN\""),
    ("x-ms-ests-server", "2.1.0.0 - SIM ProdSlices"),
];

/// Nobody should keep them.
const COOKIES: [&str; 3] = [
    "fpc=AjmFq0MxOzlHtM0yqWZzhIw; expires=Wed, 23-Dec-2026 04:13:45 GMT; path=/; secure; HttpOnly; SameSite=None",
    "x-ms-gateway-slice=estsfd; path=/; secure; httponly",
    "stsservicecookie=estsfd; path=/; secure; httponly",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uti_is_the_request_id() {
        let id = [
            0x2f, 0x42, 0x06, 0x39, 0x98, 0x60, 0x4b, 0xf3, 0x97, 0x32, 0x08, 0xd9, 0xc8, 0xbe,
            0x0e, 0,
        ];
        let id = RequestId(id);
        assert_eq!(id.to_string(), "2f420639-9860-4bf3-9732-08d9c8be0e00");
        assert_eq!(id.uti(), "OQZCL2CY80uXMgjZyL4OAA");
        let random = RequestId::random().to_string();
        assert!(is_guid(&random) && random.ends_with("00"), "{random}");
    }
}

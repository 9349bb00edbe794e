//! HTTP messages as the simulator passes them around.

use bytes::Bytes;
use cambist_core::clock::UnixTime;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

/// A request with its body in memory.
pub type Request = http::Request<Bytes>;

/// A response with its body in memory.
pub type Response = http::Response<Bytes>;

/// A response of the given parts; a header that HTTP cannot carry is left out.
pub(crate) fn response(
    status: StatusCode,
    headers: &[(&'static str, &str)],
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in headers {
        set(response.headers_mut(), HeaderName::from_static(name), value);
    }
    response
}

pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The `Date` header's form of a moment (RFC 9110, section 5.6.7).
pub(crate) fn http_date(at: UnixTime) -> String {
    // The form has four digits for the year, and the formatter insists.
    const YEAR_9999: u64 = 253_402_300_799;
    let secs = u64::try_from(at.as_secs()).unwrap_or(0).min(YEAR_9999);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_never_panic() {
        assert_eq!(http_date(UnixTime::from_secs(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(UnixTime::from_secs(-5)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(UnixTime::from_secs(i64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}

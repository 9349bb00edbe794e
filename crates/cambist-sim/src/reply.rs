//! HTTP messages as the simulator passes them around.

use bytes::Bytes;
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

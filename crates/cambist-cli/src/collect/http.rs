//! One GET, and what of its reply is evidence.

use std::time::Duration;

use bytes::Bytes;
use cambist::transport::{AnswerLimits, PeerCertificate, Transport, TransportError};
use cambist_core::foreign::Foreign;
use cambist_core::issuer::{DISCOVERY_ACCEPT, MAX_DISCOVERY_BYTES};
use cambist_core::jwks::{JWKS_ACCEPT, MAX_JWKS_BYTES};
use http::header::{
    ACCEPT, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use http::{Method, Request};

use super::look::Reply;
use crate::key::der::Certificate;

/// How long one request may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0} is no URL that can be asked for")]
    Url(Foreign),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A secret for the `Authorization` header. It does not print.
#[derive(Clone)]
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    pub(crate) fn new(token: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim_ascii())).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(..)")
    }
}

/// What is asked for: the forms that it may have, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document {
    accept: &'static str,
    max_body: usize,
}

impl Document {
    /// An issuer's discovery document.
    pub(crate) const DISCOVERY: Self =
        Self { accept: DISCOVERY_ACCEPT, max_body: MAX_DISCOVERY_BYTES };
    /// An issuer's key set.
    pub(crate) const KEY_SET: Self = Self { accept: JWKS_ACCEPT, max_body: MAX_JWKS_BYTES };

    /// An object of the Kubernetes API.
    pub(crate) const fn object(max_body: usize) -> Self {
        Self { accept: "application/json", max_body }
    }
}

/// GETs a document, whatever its status.
pub(crate) async fn get(
    transport: &Transport,
    url: &str,
    bearer: Option<&Bearer>,
    document: Document,
) -> Result<Reply, HttpError> {
    let (_, reply) = send(transport, Method::GET, url, bearer, Bytes::new(), document).await?;
    Ok(reply)
}

/// GETs a key set unless it is still the one of this `ETag`: then the status is 304, the body
/// empty, and the tag is that one.
pub(crate) async fn get_unless(
    transport: &Transport,
    url: &str,
    etag: &str,
) -> Result<Reply, HttpError> {
    let request = Request::get(url).header(IF_NONE_MATCH, etag);
    let (_, mut reply) =
        exchange(transport, request, url, None, Bytes::new(), Document::KEY_SET).await?;
    if reply.status == 304 {
        reply.etag = Some(etag.to_owned());
    }
    Ok(reply)
}

/// Sends one request, JSON both ways, and returns the body as it came besides.
pub(crate) async fn send(
    transport: &Transport,
    method: Method,
    url: &str,
    bearer: Option<&Bearer>,
    body: Bytes,
    document: Document,
) -> Result<(Bytes, Reply), HttpError> {
    let request = Request::builder().method(method).uri(url);
    exchange(transport, request, url, bearer, body, document).await
}

async fn exchange(
    transport: &Transport,
    request: http::request::Builder,
    url: &str,
    bearer: Option<&Bearer>,
    body: Bytes,
    document: Document,
) -> Result<(Bytes, Reply), HttpError> {
    let Document { accept, max_body } = document;
    let mut request = request.header(ACCEPT, accept);
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(Bearer(value)) = bearer {
        request = request.header(AUTHORIZATION, value.clone());
    }
    let request = request.body(body).map_err(|_| HttpError::Url(Foreign::new(url)))?;
    let response = transport.send(request, AnswerLimits::new(max_body, PATIENCE)).await?;
    let text = |name: HeaderName| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let certificate = response.extensions().get::<PeerCertificate>();
    let certificate = certificate.and_then(|PeerCertificate(der)| Certificate::parse(der));
    let body = String::from_utf8_lossy(response.body());
    let reply = Reply {
        url: url.to_owned(),
        status: response.status().as_u16(),
        lossy: matches!(body, std::borrow::Cow::Owned(_)),
        body: body.into_owned(),
        content_type: text(CONTENT_TYPE),
        date: text(DATE),
        age: text(AGE),
        cache_control: text(CACHE_CONTROL),
        etag: text(ETAG),
        last_modified: text(LAST_MODIFIED),
        location: text(LOCATION),
        certificate_ends: certificate.map(|it| it.not_after),
    };
    Ok((response.into_body(), reply))
}

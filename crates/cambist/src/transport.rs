//! The one way out: an HTTP request in, a whole bounded response out.
//!
//! Everything that goes to a network goes through a [`Transport`]. Behind it is either a
//! `reqwest::Client` ([`Transport::https`]) or any `tower::Service`, such as a simulated world in a
//! test ([`Transport::from_service`]); whoever sends cannot tell. There is one instance per trust
//! domain (Entra, the issuer, the API server), so that a certificate authority that was added for
//! one of them cannot speak for another. A cluster's token proxy ([`Transport::token_proxy`]) is a
//! domain of its own, too.

use std::fmt;

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response, Uri};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

mod answer;
mod ca_file;
mod error;
mod https;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod platform;
mod proxy;
mod roots;
mod token_proxy;

pub(crate) use ca_file::CaFiles;

pub use answer::{AnswerLimits, PeerCertificate};
pub use error::{TransportError, TransportFault};
pub use https::{HttpsOptions, TransportBuildError};
#[cfg(all(unix, not(target_vendor = "apple")))]
pub use platform::platform_ca_sources;
pub use proxy::{ProxyError, ProxyOptions};
pub use roots::{CaBundle, CaError};
pub use token_proxy::{TokenProxyError, TokenProxyOptions, TokenProxyTrust};

/// Sends requests and collects their responses. Cheap to clone; clones share their connections.
///
/// It never follows a redirect, never decompresses, never retries, keeps no cookies: a 3xx is a
/// response like any other.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use bytes::Bytes;
/// use cambist::transport::{AnswerLimits, Transport};
///
/// let echo = tower::service_fn(|request: http::Request<Bytes>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(request.into_body()))
/// });
/// let limits = AnswerLimits::new(16, Duration::from_secs(1));
/// let request = http::Request::get("https://example.org/").body(Bytes::from("hello")).unwrap();
/// let response = Transport::from_service(echo).send(request, limits).await?;
/// assert_eq!(response.body(), "hello");
/// # Ok::<(), cambist::transport::TransportError>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Transport {
    service: BoxCloneSyncService<Request<Bytes>, Response<Bytes>, TransportError>,
}

impl Transport {
    /// A transport over TLS, with its own connections and its own trust.
    ///
    /// # Errors
    /// If TLS cannot be set up, such as on a system without a single certificate authority.
    pub fn https(options: HttpsOptions) -> Result<Self, TransportBuildError> {
        Ok(Self { service: BoxCloneSyncService::new(https::Https::new(options)?) })
    }

    /// A transport for what is nobody's secret, such as telemetry: what goes to an `http` URL goes there as it is,
    /// to a collector beside this process as a rule; all else is as in [`https`](Self::https).
    ///
    /// # Errors
    /// As [`https`](Self::https).
    pub fn telemetry(options: HttpsOptions) -> Result<Self, TransportBuildError> {
        Ok(Self { service: BoxCloneSyncService::new(https::Https::or_plain(options)?) })
    }

    /// A transport to a cluster's token proxy, with its own connections and its own trust. Requests
    /// are for [`TokenProxyOptions::url`]; whatever host they name, it is the proxy that gets them.
    ///
    /// # Errors
    /// If its CA file cannot be used now, or TLS cannot be set up.
    pub fn token_proxy(options: TokenProxyOptions) -> Result<Self, TransportBuildError> {
        let service = token_proxy::TokenProxy::new(options)?;
        Ok(Self { service: BoxCloneSyncService::new(service) })
    }

    /// A transport over any service: a simulated world, or a client of the caller's own.
    ///
    /// The service finds the [`AnswerLimits`] among the request's extensions. They are enforced whether it
    /// looks at them or not; only, a body that it has collected is in memory already.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<Request<Bytes>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let service = service.map_err(|e| TransportError::of(&*e.into()));
        Self { service: BoxCloneSyncService::new(service) }
    }

    /// Sends one request and waits for the whole response, whatever its status.
    ///
    /// Only the body of a response with a success status is sure to be whole: of another one that is
    /// too long, slow or cut off, the status, the headers and the body's beginning are returned, so
    /// that a failing server's `Retry-After` is never lost.
    ///
    /// # Errors
    /// [`TransportError`] if there is no whole response within the limits. It names the host and
    /// what went wrong, never a path, a query, a header or a body.
    pub async fn send(
        &self,
        mut request: Request<Bytes>,
        limits: AnswerLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let host = host(request.uri());
        request.extensions_mut().insert(limits);
        let sending = self.service.clone().oneshot(request);
        let mut response = match tokio::time::timeout(limits.timeout, sending).await {
            Ok(answered) => answered.map_err(|e| e.at(&host))?,
            Err(_) => {
                return Err(TransportError::from(TransportFault::Timeout(limits.timeout)).at(&host));
            }
        };
        if response.body().len() > limits.max_body {
            if !response.status().is_success() {
                // The status says enough.
                response.body_mut().truncate(limits.max_body);
                return Ok(response);
            }
            return Err(
                TransportError::from(TransportFault::BodyTooLarge(limits.max_body)).at(&host)
            );
        }
        Ok(response)
    }
}

/// Host and port as they stand in the URL, without a user and a password.
fn host(uri: &Uri) -> String {
    let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The transport that really goes out: a `reqwest::Client` with every switch set.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cambist_core::foreign::Foreign;
use http::{Request, Response, Uri};
use tower::Service;
use zeroize::Zeroizing;

use super::answer::{AnswerLimits, PeerCertificate};
use super::error::{TransportError, TransportFault};
use super::proxy::ProxyOptions;
use super::roots::CaBundle;

/// How long connecting may take: DNS, TCP, the proxy's tunnel and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a refusal's body is waited for: its status has said the most important.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// Whom to trust and which way to go. The default trusts the platform's certificate authorities and
/// goes straight; the environment of the process plays no part.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpsOptions {
    /// Certificate authorities that are trusted besides, or instead of, the platform's.
    pub roots: Vec<CaBundle>,
    /// Whether the platform's certificate authorities are trusted. Where the platform has none
    /// (an image from scratch) those in `roots` are enough.
    pub platform_roots: bool,
    /// The proxy to go through, if any.
    pub proxy: Option<ProxyOptions>,
    /// What the `user-agent` header says.
    pub user_agent: String,
}

impl Default for HttpsOptions {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            platform_roots: true,
            proxy: None,
            user_agent: concat!("cambist/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why there is no transport.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportBuildError {
    /// Nobody is trusted, so that no connection could ever be made.
    #[error(
        "no certificate authority is trusted: neither the platform's nor another; an image without any needs CAMBIST_CA_FILE, and for a token proxy AZURE_KUBERNETES_CA_FILE"
    )]
    NoRoots,
    /// The client refuses its settings.
    #[error(
        "the https client cannot be set up: {0}; an image without certificate authorities needs CAMBIST_CA_FILE, and for a token proxy AZURE_KUBERNETES_CA_FILE"
    )]
    Client(Foreign),
    /// The CA file cannot be used.
    #[error("{0}")]
    CaFile(String),
}

/// The client as a service.
#[derive(Clone)]
pub(super) struct Https {
    client: reqwest::Client,
    plain: bool,
}

impl Https {
    pub(super) fn new(options: HttpsOptions) -> Result<Self, TransportBuildError> {
        Self::build(options, |builder| builder)
    }

    /// The same for URLs without TLS, too.
    pub(super) fn or_plain(options: HttpsOptions) -> Result<Self, TransportBuildError> {
        let it = Self::build(options, |builder| builder.https_only(false))?;
        Ok(Self { plain: true, ..it })
    }

    /// Each switch that another crate's features could turn is set here, because cargo unifies
    /// features: an app with `reqwest/gzip` or `reqwest/cookies` would change our client too.
    pub(super) fn build(
        options: HttpsOptions,
        adjust: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, TransportBuildError> {
        let HttpsOptions { roots, platform_roots, proxy, user_agent } = options;
        if roots.is_empty() && !platform_roots {
            return Err(TransportBuildError::NoRoots);
        }
        let builder = trusting(&roots, platform_roots)?
            .tls_info(true)
            .https_only(true)
            // One request an hour gains nothing from HTTP/2, which has more ways to be flooded and no
            // `Host` beside the URL's, which a token proxy needs.
            .http1_only()
            .no_proxy()
            .no_hickory_dns()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(15))
            .tcp_keepalive_interval(Duration::from_secs(15))
            .tcp_keepalive_retries(3)
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(2)
            .connection_verbose(false);
        let proxy = proxy.map(|proxy| proxy.build()).transpose().map_err(refused)?.flatten();
        let builder = match proxy {
            Some(proxy) => builder.proxy(proxy),
            None => builder,
        };
        Ok(Self { client: adjust(builder).build().map_err(refused)?, plain: false })
    }
}

/// A client's beginning: whom it trusts, by TLS 1.2 and later. The platform's authorities are shared by all
/// clients.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn trusting(
    roots: &[CaBundle],
    platform_roots: bool,
) -> Result<reqwest::ClientBuilder, TransportBuildError> {
    use std::sync::Arc;

    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::{ClientConfig, RootCertStore};

    let platform =
        if platform_roots { super::platform::roots() } else { Arc::new(RootCertStore::empty()) };
    let trusted = if roots.is_empty() {
        platform
    } else {
        let mut trusted = RootCertStore::clone(&platform);
        let added = roots.iter().try_for_each(|bundle| bundle.add_to(&mut trusted));
        added.map_err(|error| TransportBuildError::Client(Foreign::new(error.to_string())))?;
        Arc::new(trusted)
    };
    if trusted.is_empty() {
        return Err(TransportBuildError::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions();
    let config =
        config.map_err(|error| TransportBuildError::Client(Foreign::new(error.to_string())))?;
    let mut config = config.with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config))
}

/// The same where the platform itself judges certificates.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn trusting(
    roots: &[CaBundle],
    platform_roots: bool,
) -> Result<reqwest::ClientBuilder, TransportBuildError> {
    let certificates = roots.iter().flat_map(CaBundle::certificates);
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let builder = reqwest::Client::builder()
        .tls_backend_rustls()
        .tls_version_min(reqwest::tls::Version::TLS_1_2);
    Ok(match (platform_roots, certificates.is_empty()) {
        (true, true) => builder,
        (true, false) => builder.tls_certs_merge(certificates),
        (false, _) => builder.tls_certs_only(certificates),
    })
}

/// reqwest says no more than that building failed; its cause tells, in whose words ever.
fn refused(error: reqwest::Error) -> TransportBuildError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    TransportBuildError::Client(Foreign::new(cause.to_string()))
}

impl Service<Request<Bytes>> for Https {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (client, plain) = (self.client.clone(), self.plain);
        Box::pin(async move {
            let cap = request.extensions().get().map_or(usize::MAX, |l: &AnswerLimits| l.max_body);
            if !plain && !is_https(request.uri()) {
                return Err(TransportFault::NotHttps.into());
            }
            let request =
                reqwest::Request::try_from(request).map_err(|e| TransportError::of(&e))?;
            let response = client.execute(request).await.map_err(|e| TransportError::of(&e))?;
            collect(response, cap).await
        })
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&http::uri::Scheme::HTTPS)
}

/// Takes the body in. It goes into memory that is wiped, because it may hold a token; what the
/// connection's own buffers hold is out of our hands.
///
/// Where the status says no already, a body that is too long, slow or cut off does not hide that:
/// what came of it is kept.
async fn collect(
    mut response: reqwest::Response,
    cap: usize,
) -> Result<Response<Bytes>, TransportError> {
    let mut head = Response::new(());
    *head.status_mut() = response.status();
    *head.version_mut() = response.version();
    *head.headers_mut() = std::mem::take(response.headers_mut());
    let tls = response.extensions_mut().remove::<reqwest::tls::TlsInfo>();
    if let Some(der) = tls.as_ref().and_then(|tls| tls.peer_certificate()) {
        head.extensions_mut().insert(PeerCertificate(Bytes::copy_from_slice(der)));
    }
    let mut body = Zeroizing::new(Vec::new());
    let reading = read(&mut response, &mut body, cap);
    if head.status().is_success() {
        reading.await?;
    } else {
        drop(tokio::time::timeout(REFUSAL_PATIENCE, reading).await);
    }
    Ok(head.map(|()| Bytes::from_owner(body)))
}

async fn read(
    response: &mut reqwest::Response,
    body: &mut Zeroizing<Vec<u8>>,
    cap: usize,
) -> Result<(), TransportError> {
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > cap && response.status().is_success() {
        return Err(TransportFault::BodyTooLarge(cap).into());
    }
    grow(body, announced.min(cap));
    while let Some(chunk) = response.chunk().await.map_err(|e| TransportError::of(&e))? {
        let fits = chunk.get(..cap - body.len()).unwrap_or(&chunk);
        grow(body, fits.len());
        body.extend_from_slice(fits);
        if fits.len() < chunk.len() {
            return Err(TransportFault::BodyTooLarge(cap).into());
        }
    }
    Ok(())
}

/// Makes room without leaving a copy behind, as a reallocation would.
fn grow(body: &mut Zeroizing<Vec<u8>>, more: usize) {
    if body.capacity() - body.len() < more {
        let mut larger = Vec::with_capacity((body.len() + more).next_power_of_two());
        larger.extend_from_slice(body);
        *body = Zeroizing::new(larger);
    }
}

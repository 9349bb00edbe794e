//! The token proxy of a cluster with AKS identity bindings: a second way to Entra, with a name, a
//! trust and a path of its own.
//!
//! The contract is that of the Azure SDKs' workload identity credentials (azidentity's custom token
//! proxy above all). Two things are decided otherwise. `HTTPS_PROXY` plays no part: Go inherits it from
//! its client's default, but the token proxy is the API server's front door, and to that nothing here
//! ever goes through a proxy. And a CA file that has become unreadable or is no PEM keeps the CAs before
//! it, as an empty one does there, too: a rotation half done is no reason to lose tokens.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use cambist_core::foreign::Foreign;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::DnsName;
use tower::Service;

use super::error::TransportError;
use super::https::{Https, HttpsOptions, TransportBuildError};
use super::roots::{CaBundle, MAX_PEM};
use crate::files::{self, Need};

/// The longest base path: with the path of a request behind it, it is still a URL's.
const MAX_PATH: usize = 1024;

/// Where a cluster's token proxy is, what it is called, and who vouches for it.
///
/// ```
/// use cambist::transport::TokenProxyOptions;
///
/// let proxy = TokenProxyOptions::parse("https://api.example:6443/binding/")?
///     .with_sni_name("0123.ests.aks")?;
/// let entra = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token".parse().unwrap();
/// assert_eq!(
///     proxy.url(&entra).to_string(),
///     "https://api.example:6443/binding/tenant/oauth2/v2.0/token",
/// );
/// assert!(TokenProxyOptions::parse("http://api.example").is_err());
/// # Ok::<(), cambist::transport::TokenProxyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenProxyOptions {
    authority: Authority,
    /// Without a slash at its end.
    path: String,
    /// The name that stands in for the host in the TLS handshake, with the same port.
    named: Option<Authority>,
    /// Who vouches for its certificate.
    pub trust: TokenProxyTrust,
}

/// Who vouches for a token proxy. Entra's CAs have no say there, nor it where Entra is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenProxyTrust {
    /// The platform's certificate authorities.
    Platform,
    /// These alone.
    Bundle(CaBundle),
    /// Those in this PEM file alone, which is looked at before each request. While it is empty,
    /// broken or gone, as in the middle of a rotation, those read before hold.
    File(PathBuf),
}

/// Why a text is no token proxy's URL or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenProxyError(String);

impl TokenProxyOptions {
    /// Accepts the proxy's base URL: https, perhaps with a path, without user, query and fragment.
    ///
    /// # Errors
    /// If it is something else. A URL with a user is not repeated.
    pub fn parse(url: &str) -> Result<Self, TokenProxyError> {
        let bad = |what: String| {
            Err(TokenProxyError(format!(
                "{what}; write https://HOST, with :PORT and /PATH if it has them"
            )))
        };
        let Ok(parsed) = Url::parse(url) else {
            return bad("is no URL with a host and, if any, a port from 1 to 65535".to_owned());
        };
        if parsed.scheme() != "https" {
            return bad(format!("must be https, found {}", Foreign::new(parsed.scheme())));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return bad("must not have a user or a password".to_owned());
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return bad("must not have a query or a fragment".to_owned());
        }
        if parsed.port() == Some(0) {
            return bad("has the port 0".to_owned());
        }
        let Some(host) = parsed.host_str() else { return bad("names no host".to_owned()) };
        let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = parsed.path().trim_end_matches('/').to_owned();
        if path.len() > MAX_PATH {
            return bad(format!("has a path of more than {MAX_PATH} bytes"));
        }
        let fits = format!("{path}/").parse::<PathAndQuery>().is_ok();
        match format!("{host}{port}").parse() {
            Ok(authority) if fits => {
                Ok(Self { authority, path, named: None, trust: TokenProxyTrust::Platform })
            }
            _ => bad("is not usable for HTTP".to_owned()),
        }
    }

    /// The name to ask for in the TLS handshake, and which the certificate must be for, instead of
    /// the URL's host.
    ///
    /// # Errors
    /// If it is no DNS name: TLS has no room for an address there (RFC 6066 section 3).
    pub fn with_sni_name(self, name: &str) -> Result<Self, TokenProxyError> {
        let name = name.trim().to_ascii_lowercase();
        // As the client will read it: what looks like a number would be an address there. TLS takes
        // less for a name than a URL does.
        let read = Url::parse(&format!("https://{name}/")).ok();
        let is_name = read.is_some_and(|url| url.domain() == Some(&name))
            && DnsName::try_from(name.as_str()).is_ok();
        let port = self.authority.port().map(|port| format!(":{port}")).unwrap_or_default();
        match format!("{name}{port}").parse() {
            Ok(named) if is_name => Ok(Self { named: Some(named), ..self }),
            _ => Err(TokenProxyError(format!("must be a DNS name, found {}", Foreign::new(&name)))),
        }
    }

    /// The name in the TLS handshake, if it is not the URL's host.
    pub fn sni_name(&self) -> Option<&str> {
        self.named.as_ref().map(Authority::host)
    }

    /// Where a request goes instead: the proxy's base URL, and then the request's own path and
    /// query.
    pub fn url(&self, original: &Uri) -> Uri {
        let rest = original.path_and_query().map(PathAndQuery::as_str);
        let rest = rest.filter(|rest| rest.starts_with('/')).unwrap_or("/");
        Uri::builder()
            .scheme("https")
            .authority(self.authority.clone())
            .path_and_query(format!("{}{rest}", self.path))
            .build()
            .expect("a checked base URL, and a path that was a URL's before")
    }

    /// Sends a request to the proxy, whatever host it names: the name for TLS goes into the URL, whence
    /// TLS takes it, and the proxy's own into `Host`.
    fn address(&self, request: &mut Request<Bytes>) {
        let mut url = std::mem::take(request.uri_mut()).into_parts();
        url.scheme = Some(Scheme::HTTPS);
        url.authority = Some(self.named.as_ref().unwrap_or(&self.authority).clone());
        url.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from_parts(url).expect("it has all its parts");
        let host = HeaderValue::from_str(self.authority.as_str());
        request.headers_mut().insert(HOST, host.expect("a host and a port are visible ASCII"));
    }
}

impl fmt::Display for TokenProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority, self.path)?;
        self.sni_name().iter().try_for_each(|name| write!(f, " (as {name})"))
    }
}

impl fmt::Display for TokenProxyTrust {
    /// As it was configured, without any certificate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("the platform's"),
            Self::Bundle(_) => f.write_str("given"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The client as a service: whatever host a request names, it goes to the proxy.
#[derive(Clone)]
pub(super) struct TokenProxy(Arc<Inner>);

struct Inner {
    options: TokenProxyOptions,
    held: Mutex<Held>,
}

/// The client, and the file's content that its trust was made of.
struct Held {
    client: Https,
    pem: Vec<u8>,
}

impl TokenProxy {
    pub(super) fn new(options: TokenProxyOptions) -> Result<Self, TransportBuildError> {
        let unusable = TransportBuildError::CaFile;
        let (trust, pem) = match &options.trust {
            TokenProxyTrust::Platform => (None, Vec::new()),
            TokenProxyTrust::Bundle(bundle) => (Some(bundle.clone()), Vec::new()),
            TokenProxyTrust::File(path) => {
                let pem = files::read_in_time(path, MAX_PEM);
                let pem = pem.map_err(|fault| unusable(format!("{} {fault}", path.display())))?;
                let bundle = CaBundle::parse(path.display().to_string(), &pem);
                (Some(bundle.map_err(|error| unusable(error.to_string()))?), pem.to_vec())
            }
        };
        let client = client(&options, trust)?;
        Ok(Self(Arc::new(Inner { options, held: Mutex::new(Held { client, pem }) })))
    }

    /// The client that fits the CA file as it is now.
    async fn client(&self) -> Https {
        if let TokenProxyTrust::File(path) = &self.0.options.trust {
            let (this, file) = (self.clone(), path.clone());
            let look = move || this.look(&file);
            // Late or not, there is a client.
            if let Err(fault) = files::off_workers(Need::Ordinary, path, look).await {
                kept(format!("{} {fault}", path.display()));
            }
        }
        self.held().client.clone()
    }

    /// Takes up a CA file that has changed, if there is anything in it to be taken up.
    fn look(&self, path: &Path) {
        let pem = match files::read(path, MAX_PEM) {
            Ok(pem) if *pem == self.held().pem => return,
            Ok(pem) => pem,
            Err(fault) => return kept(format!("{} {fault}", path.display())),
        };
        let bundle = match CaBundle::parse(path.display().to_string(), &pem) {
            Ok(bundle) => bundle,
            Err(error) => return kept(error.to_string()),
        };
        match client(&self.0.options, Some(bundle)) {
            // The old client's connections end with it, and with them the old trust.
            Ok(client) => *self.held() = Held { client, pem: pem.to_vec() },
            Err(error) => kept(error.to_string()),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service<Request<Bytes>> for TokenProxy {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Bytes>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            this.0.options.address(&mut request);
            let answer = this.client().await.call(request).await;
            answer.map_err(TransportError::of_token_proxy)
        })
    }
}

fn kept(problem: String) {
    tracing::warn!(problem, "the token proxy's CA file is not usable; the one before holds");
}

fn client(
    options: &TokenProxyOptions,
    trust: Option<CaBundle>,
) -> Result<Https, TransportBuildError> {
    let https = HttpsOptions {
        platform_roots: trust.is_none(),
        roots: trust.into_iter().collect(),
        ..HttpsOptions::default()
    };
    let host = options.authority.host().trim_matches(['[', ']']);
    Https::build(https, |builder| match options.named {
        Some(_) => builder.dns_resolver(Elsewhere(host.into())),
        None => builder,
    })
}

/// Finds one host, whatever is looked for: connections go to the proxy, while its other name stands
/// in the TLS handshake.
struct Elsewhere(Arc<str>);

impl Resolve for Elsewhere {
    fn resolve(&self, _: Name) -> Resolving {
        let host = Arc::clone(&self.0);
        Box::pin(async move {
            // The client puts the URL's port in place of 0.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((&*host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

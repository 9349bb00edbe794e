//! The proxy on the way out.

use std::fmt;

use cambist_core::foreign::Foreign;
use cambist_core::secret::Secret;
use reqwest::{NoProxy, Url};

/// An HTTP proxy that makes tunnels (`CONNECT`), and the hosts that are reached without it.
///
/// The URL may hold a user and a password, so it prints without them.
///
/// ```
/// use cambist::transport::ProxyOptions;
///
/// let proxy = ProxyOptions::parse("http://edge:s3cret@proxy.corp:3128", "localhost,.svc")?;
/// assert_eq!(proxy.to_string(), "http://proxy.corp:3128");
/// assert!(!format!("{proxy:?}").contains("s3cret"));
/// # Ok::<(), cambist::transport::ProxyError>(())
/// ```
#[derive(Clone)]
pub struct ProxyOptions {
    url: Secret,
    shown: String,
    no_proxy: String,
}

/// Why a text names no proxy. It never repeats the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proxy's URL is not usable: {0}; write http://HOST:PORT, with USER:PASSWORD@ before the host if it asks for them"
)]
pub struct ProxyError(String);

impl ProxyOptions {
    /// Accepts what `HTTPS_PROXY` and `NO_PROXY` hold. A URL without a scheme is taken for http, as
    /// curl does. `no_proxy` is a list, with commas: hosts (their subdomains included), addresses,
    /// networks like `10.0.0.0/8`, or `*`.
    ///
    /// # Errors
    /// If the URL is none, or is neither http nor https.
    pub fn parse(url: &str, no_proxy: &str) -> Result<Self, ProxyError> {
        let url = url.trim_ascii();
        let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let bad = |what: &str| ProxyError(what.to_owned());
        let parsed = Url::parse(&whole).map_err(|_| match whole.split_once("://") {
            Some((_, "")) => bad("it names no host"),
            _ => bad("its host or its port is none"),
        })?;
        if !matches!(parsed.scheme(), "http" | "https") {
            let scheme = Foreign::new(parsed.scheme());
            return Err(ProxyError(format!("{scheme} proxies are not supported")));
        }
        let Some(host) = parsed.host_str() else {
            return Err(bad("it names no host"));
        };
        let mut shown = format!("{}://{host}", parsed.scheme());
        if let Some(port) = parsed.port() {
            shown = format!("{shown}:{port}");
        }
        Ok(Self { url: Secret::new(whole), shown, no_proxy: no_proxy.to_owned() })
    }

    /// `None` if no host is reached through it: reqwest takes `*` for names alone, not addresses.
    pub(super) fn build(&self) -> Result<Option<reqwest::Proxy>, reqwest::Error> {
        if self.no_proxy.split(',').any(|entry| entry.trim() == "*") {
            return Ok(None);
        }
        let no_proxy = NoProxy::from_string(&self.no_proxy);
        Ok(Some(reqwest::Proxy::all(self.url.expose())?.no_proxy(no_proxy)))
    }
}

impl fmt::Display for ProxyOptions {
    /// The proxy without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ProxyOptions");
        out.field("url", &self.shown).field("no_proxy", &self.no_proxy).finish()
    }
}

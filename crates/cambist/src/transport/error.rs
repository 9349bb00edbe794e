//! Why there is no response.

use std::error::Error;
use std::io;
use std::time::Duration;

use cambist_core::foreign::Foreign;
use rustls::CertificateError;

use crate::reason::Reason;

mod tls;

/// A request that got no whole response: where it was going and what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{role}{}: {fault}{}", host_or_unknown(.host), in_brackets(.detail))]
pub struct TransportError {
    /// What the host is, where that is not plain, with a blank behind it.
    role: &'static str,
    /// A document may have named it.
    host: Option<Foreign>,
    fault: TransportFault,
    /// In our own words or the operating system's; names in it are quoted and few.
    detail: Option<Box<str>>,
}

/// What went wrong on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportFault {
    /// The host's name was not resolved.
    #[error("the name cannot be resolved; check the name, and the pod's DNS policy")]
    Dns,
    /// No connection.
    #[error("no connection; check routes, network policies and, where one is needed, HTTPS_PROXY")]
    Connect,
    /// No connection to the proxy.
    #[error("the proxy cannot be reached; check HTTPS_PROXY, and NO_PROXY if none is needed")]
    ProxyUnreachable,
    /// The proxy asks for other credentials, or for some.
    #[error(
        "the proxy demands authentication (407); give its user and password in HTTPS_PROXY, percent-encoded"
    )]
    ProxyAuthRequired,
    /// The proxy would not make the tunnel.
    #[error("the proxy refused the tunnel; ask its owner to allow CONNECT to this host")]
    ProxyRefused,
    /// The server's certificate comes from an authority that is not trusted here.
    #[error(
        "the server's certificate was issued by an authority that is not trusted here: a private CA, or a proxy that opens TLS; if it is meant to be, give its certificate in CAMBIST_CA_FILE, or in CAMBIST_ENTRA_CA_FILE or CAMBIST_ISSUER_CA_FILE where one of these is set in its stead"
    )]
    TlsUntrusted,
    /// TLS failed otherwise.
    #[error("the TLS handshake failed")]
    Tls,
    /// No connection to the cluster's token proxy.
    #[error(
        "the cluster's token proxy cannot be reached; check AZURE_KUBERNETES_TOKEN_PROXY, and that network policies let the pod go there"
    )]
    TokenProxyUnreachable,
    /// The token proxy's certificate comes from an authority that is not trusted for it.
    #[error(
        "the certificate of the cluster's token proxy was issued by an authority that does not vouch for it here; check that AZURE_KUBERNETES_CA_FILE (or AZURE_KUBERNETES_CA_DATA) is this cluster's"
    )]
    TokenProxyUntrusted,
    /// TLS with the token proxy failed otherwise.
    #[error(
        "the TLS handshake with the cluster's token proxy failed; check that AZURE_KUBERNETES_SNI_NAME is its name"
    )]
    TokenProxyTls,
    /// The time was over.
    #[error("no whole response within {0:?}")]
    Timeout(Duration),
    /// The connection ended before the response did.
    #[error("the connection was lost before the response was complete")]
    ConnectionLost,
    /// More body than is read.
    #[error("the response's body is longer than the {0} bytes that are read")]
    BodyTooLarge(usize),
    /// What came was no HTTP.
    #[error("what answered does not speak HTTP/1.1; is it another service, or another port?")]
    NotHttp,
    /// A URL that is not https.
    #[error("only https URLs are requested")]
    NotHttps,
    /// The exchange of messages failed in another way.
    #[error("the request failed")]
    Other,
}

impl TransportError {
    /// The host, with its port if it has one; empty if the request named none.
    pub fn host(&self) -> &str {
        self.host.as_ref().map_or("", Foreign::as_str)
    }

    /// What went wrong.
    pub fn fault(&self) -> &TransportFault {
        &self.fault
    }

    /// What went wrong.
    pub fn reason(&self) -> Reason {
        match self.fault {
            TransportFault::Dns => Reason::Dns,
            TransportFault::Connect => Reason::Connect,
            TransportFault::ProxyUnreachable => Reason::ProxyUnreachable,
            TransportFault::ProxyAuthRequired => Reason::ProxyAuthRequired,
            TransportFault::ProxyRefused => Reason::ProxyRefused,
            TransportFault::TlsUntrusted => Reason::TlsUntrusted,
            TransportFault::Tls => Reason::Tls,
            TransportFault::TokenProxyUnreachable => Reason::TokenProxyUnreachable,
            TransportFault::TokenProxyUntrusted => Reason::TokenProxyUntrusted,
            TransportFault::TokenProxyTls => Reason::TokenProxyTls,
            TransportFault::Timeout(_) => Reason::Timeout,
            TransportFault::ConnectionLost => Reason::ConnectionLost,
            TransportFault::BodyTooLarge(_) => Reason::BodyTooLarge,
            TransportFault::NotHttp => Reason::NotHttp,
            TransportFault::NotHttps => Reason::NotHttps,
            TransportFault::Other => Reason::Transport,
        }
    }

    pub(super) fn at(mut self, host: &str) -> Self {
        self.host = Some(host).filter(|host| !host.is_empty()).map(Foreign::new);
        self
    }

    /// The same on the way to a token proxy, where other things are to be checked.
    pub(crate) fn of_token_proxy(mut self) -> Self {
        self.role = "the token proxy ";
        self.fault = match self.fault {
            TransportFault::Dns | TransportFault::Connect => TransportFault::TokenProxyUnreachable,
            TransportFault::TlsUntrusted => TransportFault::TokenProxyUntrusted,
            TransportFault::Tls => TransportFault::TokenProxyTls,
            other => other,
        };
        self
    }

    /// Classifies an error by itself and by what caused it.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut fault = None;
        let mut detail = None;
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(own) = error.downcast_ref::<Self>() {
                return own.clone();
            }
            fault = merge(fault, classify(error));
            // The innermost cause says most.
            detail = words(error).or(detail);
            cause = below(error);
        }
        Self { detail, ..fault.unwrap_or(TransportFault::Other).into() }
    }
}

impl From<TransportFault> for TransportError {
    fn from(fault: TransportFault) -> Self {
        Self { role: "", host: None, fault, detail: None }
    }
}

/// What may be behind a connection that the system forbids.
const FORBIDDEN: &str = ": a rule of this machine or of its network forbids it, or this process gave the port up at its \
    start (cambist-sidecar's CAMBIST_CONFINE: compare `connects to` in --check-config; an issuer elsewhere is told \
    beforehand by CAMBIST_ISSUER)";

/// What an error says besides its fault: in our own words, or in those of the operating system.
fn words(error: &(dyn Error + 'static)) -> Option<Box<str>> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return tls::words(error).map(Into::into);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        if let Some(code) = error.raw_os_error() {
            let error = io::Error::from_raw_os_error(code);
            let forbidden = error.kind() == io::ErrorKind::PermissionDenied;
            let words = if forbidden { FORBIDDEN } else { "" };
            return Some(format!("{error}{words}").into());
        }
        // What the system's resolver says; it has no codes here.
        let text = error.to_string();
        let resolver = text.strip_prefix("failed to lookup address information: ")?;
        return Some(Foreign::new(resolver).to_string().into());
    }
    let slow = error.downcast_ref::<reqwest::Error>()?.is_timeout();
    slow.then(|| "it took too long".into())
}

/// What lies under an error; `io::Error` hides the error it was made of from `source`.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The outer finding and a finding further down: which one is told. A certificate says more than
/// "no connection", and a refused connection below "the proxy's" is still the proxy's.
fn merge(outer: Option<TransportFault>, inner: Option<TransportFault>) -> Option<TransportFault> {
    match (outer, inner) {
        (Some(TransportFault::Connect | TransportFault::Other) | None, Some(inner)) => Some(inner),
        (
            Some(_),
            Some(
                inner @ (TransportFault::Tls
                | TransportFault::TlsUntrusted
                | TransportFault::NotHttp),
            ),
        ) => Some(inner),
        (outer, _) => outer,
    }
}

fn classify(error: &(dyn Error + 'static)) -> Option<TransportFault> {
    if let Some(e) = error.downcast_ref::<reqwest::Error>() {
        return match e {
            e if e.is_dns() && !tunnelled(e) => Some(TransportFault::Dns),
            e if e.is_connect() => Some(TransportFault::Connect),
            e if e.is_builder() => None,
            _ => Some(TransportFault::ConnectionLost),
        };
    }
    if let Some(e) = error.downcast_ref::<rustls::Error>() {
        return Some(match e {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                TransportFault::TlsUntrusted
            }
            _ => TransportFault::Tls,
        });
    }
    if let Some(e) = error.downcast_ref::<io::Error>() {
        use io::ErrorKind as K;
        return match e.kind() {
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => {
                Some(TransportFault::ConnectionLost)
            }
            K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable => {
                Some(TransportFault::Connect)
            }
            _ => None,
        };
    }
    tunnel_fault(error).or_else(|| http_fault(error))
}

fn tunnelled(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if tunnel_fault(error).is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The error of hyper-util's CONNECT tunnel. Its type is private, so its words are all there is; the
/// tests hold them against a real proxy.
fn tunnel_fault(error: &(dyn Error + 'static)) -> Option<TransportFault> {
    let text = error.to_string();
    Some(match text.strip_prefix("tunnel error: ")? {
        "proxy authorization required" => TransportFault::ProxyAuthRequired,
        "failed to create underlying connection" | "io error establishing tunnel" => {
            TransportFault::ProxyUnreachable
        }
        _ => TransportFault::ProxyRefused,
    })
}

/// The error of hyper's parser, which is known by its words alone: hyper is reqwest's, not ours.
fn http_fault(error: &(dyn Error + 'static)) -> Option<TransportFault> {
    let text = error.to_string();
    let parsing = text.starts_with("invalid HTTP ") || text == "message head is too large";
    parsing.then_some(TransportFault::NotHttp)
}

fn host_or_unknown(host: &Option<Foreign>) -> &str {
    host.as_ref().map_or("an unnamed host", Foreign::as_str)
}

fn in_brackets(detail: &Option<Box<str>>) -> String {
    detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default()
}

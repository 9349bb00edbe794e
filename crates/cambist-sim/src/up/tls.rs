//! The simulator's certificate authority, and the client with which Entra fetches an issuer's keys.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cambist_core::clock::UnixTime;
use http::{HeaderValue, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::{BoxError, Service};

use super::UpError;
use crate::fault::By;
use crate::reply::{Request, Response};

/// The header that tells the simulated Entra's own requests from the pod's.
pub(super) const BY: &str = "x-cambist-sim-by";

const DAY: Duration = Duration::from_secs(24 * 3600);
/// No document that Entra fetches is larger.
const MAX_DOCUMENT: usize = 1024 * 1024;

/// Both ends of TLS, by one authority whose key is forgotten as soon as it has signed.
pub(super) struct Tls {
    pub(super) ca_pem: String,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl Tls {
    /// For servers at this address. The client trusts the authorities of these files, too.
    pub(super) fn new(now: UnixTime, at: IpAddr, ca_files: &[PathBuf]) -> Result<Self, UpError> {
        let mut roots = RootCertStore::empty();
        for path in ca_files {
            let failed = |source| UpError::Ca { path: path.clone(), source };
            add_all(&mut roots, path).map_err(failed)?;
        }
        Self::make(now, at, roots).map_err(UpError::Tls)
    }

    fn make(now: UnixTime, at: IpAddr, mut roots: RootCertStore) -> Result<Self, BoxError> {
        let name = "cambist-sim: for tests, on one machine";
        let at = at.to_string();
        let Issued { ca, ca_pem, leaf, key } = issue(name, &["localhost", "127.0.0.1", &at], now)?;
        // Named rather than taken from the process, which may have another.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        roots.add(ca)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { ca_pem, server: Arc::new(server), client: Arc::new(client) })
    }
}

fn add_all(roots: &mut RootCertStore, path: &Path) -> Result<(), BoxError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.len() == before { Err("there is no certificate in it".into()) } else { Ok(()) }
}

/// A certificate, its key, and the authority that issued it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Issued {
    /// The authority's own certificate.
    pub ca: CertificateDer<'static>,
    /// The same in PEM.
    pub ca_pem: String,
    /// The server's certificate.
    pub leaf: CertificateDer<'static>,
    /// The server's key.
    pub key: PrivateKeyDer<'static>,
}

/// Makes an authority that issues one certificate, for these hosts. Its key is forgotten.
///
/// # Errors
/// If a host is no name, or the cryptography fails.
pub fn issue(ca_name: &str, hosts: &[&str], now: UnixTime) -> Result<Issued, BoxError> {
    let mut ca = params(ca_name, &[], now)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    let ca_certificate = ca.self_signed(&ca_key)?;

    let mut leaf = params(hosts.first().unwrap_or(&ca_name), hosts, now)?;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::new(ca, ca_key))?.der().clone();
    Ok(Issued {
        ca: ca_certificate.der().clone(),
        ca_pem: ca_certificate.pem(),
        leaf,
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    })
}

fn params(name: &str, hosts: &[&str], now: UnixTime) -> Result<CertificateParams, rcgen::Error> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let at = |moment: UnixTime| {
        let secs = u64::try_from(moment.as_secs()).unwrap_or(0);
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(secs)
    };
    params.not_before = at(now - DAY);
    params.not_after = at(now + DAY * 397);
    Ok(params)
}

/// One connection for each request, over HTTP/1.1: nothing here is worth a pool.
#[derive(Clone)]
pub(super) struct HttpsClient {
    config: Arc<ClientConfig>,
    by: By,
}

impl HttpsClient {
    pub(super) fn new(config: Arc<ClientConfig>, by: By) -> Self {
        Self { config, by }
    }

    async fn send(self, request: Request) -> Result<Response, BoxError> {
        let authority = request.uri().authority().ok_or("no host in the address")?.clone();
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let tcp = TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await?;
        let name = ServerName::try_from(host)?;
        let tls = TlsConnector::from(self.config).connect(name, tcp).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await?;

        let (mut head, body) = request.into_parts();
        head.headers.insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
        if self.by == By::Entra {
            head.headers.insert(BY, HeaderValue::from_static("entra"));
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = path.parse::<Uri>()?;
        let exchange = async {
            let response = sender.send_request(http::Request::from_parts(head, Full::new(body)));
            let (head, body) = response.await?.into_parts();
            let body = Limited::new(body, MAX_DOCUMENT).collect().await?.to_bytes();
            Ok::<_, BoxError>(http::Response::from_parts(head, body))
        };
        // Driven here and not by a task of its own, so that it ends with the request.
        let driver = async {
            let ended = connection.await;
            ended
                .err()
                .map_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted), io::Error::other)
        };
        tokio::pin!(exchange, driver);
        tokio::select! {
            biased;
            response = &mut exchange => response,
            error = &mut driver => {
                // The connection may end with the answer already received.
                tokio::time::timeout(Duration::ZERO, exchange).await.unwrap_or(Err(error.into()))
            }
        }
    }
}

impl Service<Request> for HttpsClient {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

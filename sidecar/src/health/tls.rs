//! The probe over TLS: it trusts the very certificate in the listener's own file, and no authority.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cambist::files::read_in_time;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    SignatureScheme, StreamOwned,
};

use crate::listener::{CERT_FILE, MAX_PEM, certificates};

/// Speaks TLS with `host`, which must have the first certificate in this file.
///
/// # Errors
/// If the file cannot be used, or `host` is no host.
pub(super) fn over_tls(
    stream: TcpStream,
    host: &str,
    cert: &Path,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let verifier = ThatOne::of(cert).map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// One certificate, whatever name and time it is for. That the other side has its key is checked as ever.
#[derive(Debug)]
struct ThatOne {
    path: PathBuf,
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ThatOne {
    fn of(path: &Path) -> Result<Self, String> {
        let pem = read_in_time(path, MAX_PEM);
        let pem = pem.map_err(|fault| format!("{CERT_FILE}: {} {fault}", path.display()))?;
        let chain = certificates(path, &pem).map_err(|fault| fault.problem)?;
        let certificate = chain.into_iter().next().ok_or("it holds no certificate")?;
        Ok(Self { path: path.to_owned(), certificate, provider: Arc::new(default_provider()) })
    }
}

/// The listener has another certificate.
struct Another(PathBuf);

impl fmt::Display for Another {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the listener's certificate is not the first in {}, which {CERT_FILE} names; a changed one is taken up within seconds",
            self.0.display()
        )
    }
}

/// What rustls tells of it.
impl fmt::Debug for Another {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Another {}

impl ServerCertVerifier for ThatOne {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        let another = rustls::OtherError(Arc::new(Another(self.path.clone())));
        Err(CertificateError::Other(another).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

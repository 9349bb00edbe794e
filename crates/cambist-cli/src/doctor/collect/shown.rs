//! The certificate that a server shows which is not trusted: by whom it says to be issued.
//!
//! The handshake is ended as soon as the certificate was seen: nothing is sent over it.

use std::sync::{Arc, Mutex, PoisonError};

use cambist::transport::ProxyOptions;
use http::Uri;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::quoted;
use crate::doctor::facts::Shown;
use crate::key::der::names;

/// The longest head of a proxy's answer that is read.
const HEAD: usize = 8 * 1024;

/// Connects as a client would, and reads who issued what is shown. A proxy that asks for credentials is not
/// gone through.
pub(super) async fn look(uri: &Uri, proxy: Option<&ProxyOptions>) -> Option<Shown> {
    let host = uri.host()?.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(443);
    let stream = match proxy {
        None => TcpStream::connect((host, port)).await.ok()?,
        Some(proxy) => tunnel(&proxy.to_string(), &format!("{}:{port}", uri.host()?)).await?,
    };
    let seen = Arc::new(Recorder { seen: Mutex::default(), provider: default_provider() });
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    // It cannot succeed: the recorder trusts nobody.
    let _ = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let der = seen.seen.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let (issuer, subject) = names(&der)?;
    // RFC 4514 escapes commas, which are plain here.
    let told = |name: &str| quoted(&name.replace("\\,", ","));
    Some(Shown { issuer: told(&issuer), subject: told(&subject) })
}

async fn tunnel(proxy: &str, target: &str) -> Option<TcpStream> {
    let proxy: Uri = proxy.parse().ok()?;
    let host = proxy.host()?.trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, proxy.port_u16().unwrap_or(80))).await.ok()?;
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > HEAD {
            return None;
        }
        head.push(stream.read_u8().await.ok()?);
    }
    head.get(8..12).filter(|status| *status == b" 200").map(|_| stream)
}

/// Notes the server's certificate, and trusts nobody.
#[derive(Debug)]
struct Recorder {
    seen: Mutex<Option<Vec<u8>>>,
    provider: CryptoProvider,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        Err(Error::General("it was only looked at".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("it was only looked at".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("it was only looked at".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

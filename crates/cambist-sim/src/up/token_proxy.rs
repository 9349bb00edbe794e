//! The front door of a cluster's token proxy (AKS identity bindings): TLS under a name and an
//! authority of its own. What lies behind it is [`Side::TokenProxy`](crate::world::Side).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cambist_core::clock::UnixTime;
use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tower::BoxError;

use super::tls::{Issued, issue};
use super::{UpError, env};
use crate::lock;
use crate::random;

/// Below what its requests lie.
pub(super) const PATH: &str = "/identity-binding";

/// Whom one must ask for in the handshake, and who vouches for it. Clones are the same.
#[derive(Clone)]
pub(super) struct TokenProxy(Arc<Certificates>);

struct Certificates {
    sni_name: String,
    ca_file: PathBuf,
    current: Mutex<Arc<CertifiedKey>>,
}

impl TokenProxy {
    /// Chooses a name, makes certificates, and writes the authority's into `ca_file`.
    pub(super) fn new(ca_file: PathBuf, now: UnixTime) -> Result<Self, UpError> {
        // As AKS has it: one label that depends on the cluster.
        let sni_name = format!("a{}.ests.aks", random::hex::<20>());
        let (ca_pem, key) = certify(&sni_name, now).map_err(UpError::Tls)?;
        super::write(&ca_file, ca_pem.as_bytes())?;
        Ok(Self(Arc::new(Certificates { sni_name, ca_file, current: Mutex::new(key) })))
    }

    pub(super) fn sni_name(&self) -> &str {
        &self.0.sni_name
    }

    pub(super) fn ca_file(&self) -> &Path {
        &self.0.ca_file
    }

    /// No handshake is ever resumed, or a client could go by a certificate that is gone.
    pub(super) fn server(&self) -> Result<Arc<ServerConfig>, UpError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| UpError::Tls(error.into()))?;
        let certificates = Arc::clone(&self.0) as Arc<dyn ResolvesServerCert>;
        let mut server = builder.with_no_client_auth().with_cert_resolver(certificates);
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Arc::new(server))
    }

    /// From now on another authority vouches for it. Its certificate goes into the CA file if
    /// `write` says so.
    pub(super) fn rotate(&self, write: bool, now: UnixTime) -> Result<(), String> {
        let (ca_pem, key) = certify(&self.0.sni_name, now).map_err(|error| error.to_string())?;
        *lock(&self.0.current) = key;
        if write {
            let written = env::write_private(&self.0.ca_file, ca_pem.as_bytes());
            written.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

fn certify(sni_name: &str, now: UnixTime) -> Result<(String, Arc<CertifiedKey>), BoxError> {
    // Two authorities of one name would not be strangers to each other.
    let ca_name = format!("cambist-sim: a token proxy, {}", random::hex::<4>());
    let Issued { ca_pem, leaf, key, .. } = issue(&ca_name, &[sni_name], now)?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = CertifiedKey::from_der(vec![leaf], key, &provider)?;
    Ok((ca_pem, Arc::new(key)))
}

impl ResolvesServerCert for Certificates {
    /// Nothing for another name: the handshake then ends in an alert.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        (hello.server_name()? == self.sni_name).then(|| Arc::clone(&lock(&self.current)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("sni_name", &self.sni_name).finish_non_exhaustive()
    }
}

//! The certificate of a listener: read from two files, and replaced while it runs when these change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cambist::config::ConfigFault;
use cambist::event::FileKind;
use cambist::files::{Watched, WatchedFile, read_in_time};
use cambist::observer::Observer;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The variable that names the file with the certificate.
pub(crate) const CERT_FILE: &str = "CAMBIST_ADMIN_CERT_FILE";

/// The variable that names the file with its key.
pub(crate) const KEY_FILE: &str = "CAMBIST_ADMIN_KEY_FILE";

/// The longest file that is read, in bytes.
pub(crate) const MAX_PEM: usize = 256 * 1024;

/// Where a certificate and its key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFiles {
    /// The certificate, and after it those that vouch for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate with its key, for those who connect from now on.
#[derive(Clone)]
pub struct Certificate(Arc<ArcSwap<ServerConfig>>);

impl CertificateFiles {
    /// The files that these settings name: both or none.
    ///
    /// # Errors
    /// If it is one of them.
    pub(crate) fn named(
        cert: Option<String>,
        key: Option<String>,
    ) -> Result<Option<Self>, ConfigFault> {
        let lacks = |name, other| {
            let problem = format!(
                "is not set, and {other} is: a certificate is of no use without its key, so set both or neither"
            );
            Err(ConfigFault::new(name, problem))
        };
        match (cert, key) {
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => Ok(Some(Self { cert: cert.into(), key: key.into() })),
            (Some(_), None) => lacks(KEY_FILE, CERT_FILE),
            (None, Some(_)) => lacks(CERT_FILE, KEY_FILE),
        }
    }

    /// Reads them, for 2 seconds each at most. It blocks: for a program's start.
    ///
    /// # Errors
    /// If one cannot be read or used, or they do not belong together.
    pub(crate) fn read(&self) -> Result<ServerConfig, ConfigFault> {
        let [cert, key] = [(CERT_FILE, &self.cert), (KEY_FILE, &self.key)].map(|(name, path)| {
            let read = read_in_time(path, MAX_PEM);
            read.map_err(|fault| ConfigFault::new(name, format!("{} {fault}", path.display())))
        });
        self.made_of(&cert?, &key?)
    }

    fn made_of(&self, cert: &[u8], key: &[u8]) -> Result<ServerConfig, ConfigFault> {
        let (chain, key) = (certificates(&self.cert, cert)?, private_key(&self.key, key)?);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| {
            let (cert, key) = (self.cert.display(), self.key.display());
            let problem = format!("the certificate in {cert} and the key in {key} are of no use together: {error}; a key goes with the first certificate of its file");
            ConfigFault::new(CERT_FILE, problem)
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// What a listener goes by, and the files to be looked at for it: what is no good there leaves what is in use.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn open(
        &self,
        observer: Arc<dyn Observer>,
    ) -> Result<(Certificate, Watched), ConfigFault> {
        let current = Arc::new(ArcSwap::from_pointee(self.read()?));
        let file = WatchedFile::new(FileKind::Certificate, CERT_FILE, &self.cert, MAX_PEM);
        let (this, place) = (self.clone(), current.clone());
        let watched = Watched::new(file.with(&self.key), None, observer, move |_| {
            // Read by themselves, they tell which of them is no good.
            let config = this.read();
            place.store(Arc::new(config.map_err(|fault| fault.problem)?));
            Ok(())
        });
        Ok((Certificate(current), watched))
    }
}

/// The certificates of a file, the listener's own first.
///
/// # Errors
/// If there is none, or one that is damaged.
pub(crate) fn certificates(
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ConfigFault> {
    let fault =
        |problem: String| ConfigFault::new(CERT_FILE, format!("{} {problem}", path.display()));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    // What the error says of the file could be a part of a key beside it.
    let chain =
        chain.map_err(|_| fault("holds a certificate that is damaged as PEM".to_owned()))?;
    if chain.is_empty() {
        let problem = "holds no certificate; it must be PEM, with \"-----BEGIN CERTIFICATE-----\"";
        return Err(fault(problem.to_owned()));
    }
    Ok(chain)
}

fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, ConfigFault> {
    // What the error says of the file could be a part of the key.
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let problem = "holds no private key that can be read; it must be PEM without a passphrase, with \"-----BEGIN PRIVATE KEY-----\"";
        ConfigFault::new(KEY_FILE, format!("{} {problem}", path.display()))
    })
}

impl Certificate {
    /// What the next client is met with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

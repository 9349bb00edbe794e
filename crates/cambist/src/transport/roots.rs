//! Certificate authorities beyond the platform's.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use crate::files::{FileFault, read_in_time};

/// The longest PEM file that is read, in bytes. The largest bundles of public authorities have a quarter
/// of it.
pub(super) const MAX_PEM: usize = 1024 * 1024;

/// Certificates of authorities that may vouch for a server, and where they were read.
#[derive(Clone, PartialEq, Eq)]
pub struct CaBundle {
    source: String,
    certificates: Vec<CertificateDer<'static>>,
}

/// Why a text is no bundle of certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The file cannot be read.
    #[error("{} {fault}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        fault: FileFault,
    },
    /// The PEM is damaged.
    #[error("{origin}: certificate {number} is not readable as PEM: {what}")]
    Pem {
        /// Where it was read.
        origin: String,
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is none.
    #[error("{origin}: holds no certificate; it must be PEM, with \"-----BEGIN CERTIFICATE-----\"")]
    Empty {
        /// Where it was read.
        origin: String,
    },
    /// It is no certificate inside.
    #[error("{origin}: certificate {number} cannot be an authority: {what}")]
    Certificate {
        /// Where it was read.
        origin: String,
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl CaBundle {
    /// Reads a PEM file, for 2 seconds at most and while its caller waits: for a program's start.
    ///
    /// # Errors
    /// If it cannot be read, and as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, CaError> {
        let pem = read_in_time(path, MAX_PEM);
        let pem = pem.map_err(|fault| CaError::File { path: path.to_owned(), fault })?;
        Self::parse(path.display().to_string(), &pem)
    }

    /// Reads a PEM file's content: one certificate or more, other sections and comments skipped.
    /// `source` is named in errors: a path, or a variable.
    ///
    /// # Errors
    /// If there is no certificate, or one of them is damaged: half a bundle is not trusted.
    ///
    /// ```
    /// use cambist::transport::CaBundle;
    ///
    /// let error = CaBundle::parse("/etc/ca.pem", b"not PEM at all").unwrap_err();
    /// assert!(error.to_string().starts_with("/etc/ca.pem: holds no certificate"));
    /// ```
    pub fn parse(source: impl Into<String>, content: &[u8]) -> Result<Self, CaError> {
        let source = source.into();
        let mut certificates = Vec::new();
        for (section, number) in CertificateDer::pem_slice_iter(content).zip(1..) {
            let certificate = section.map_err(|e| {
                let what = match e {
                    pem::Error::MissingSectionEnd { .. } => "it has no line that ends it",
                    pem::Error::IllegalSectionStart { .. } => "its first line is damaged",
                    pem::Error::Base64Decode(_) => "its content is not base64",
                    _ => "it is damaged",
                };
                CaError::Pem { origin: source.clone(), number, what }
            })?;
            RootCertStore::empty().add(certificate.clone()).map_err(|_| {
                let what = "its content is not an X.509 certificate that can be read";
                CaError::Certificate { origin: source.clone(), number, what }
            })?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(CaError::Empty { origin: source });
        }
        Ok(Self { source, certificates })
    }

    /// Where it was read.
    pub fn source(&self) -> &str {
        &self.source
    }

    #[cfg(all(unix, not(target_vendor = "apple")))]
    pub(super) fn add_to(&self, store: &mut RootCertStore) -> Result<(), rustls::Error> {
        self.certificates.iter().try_for_each(|der| store.add(der.clone()))
    }

    #[cfg(not(all(unix, not(target_vendor = "apple"))))]
    pub(super) fn certificates(
        &self,
    ) -> impl Iterator<Item = Result<reqwest::Certificate, reqwest::Error>> {
        self.certificates.iter().map(|der| reqwest::Certificate::from_der(der))
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.certificates.len();
        f.debug_struct("CaBundle").field("source", &self.source).field("count", &count).finish()
    }
}

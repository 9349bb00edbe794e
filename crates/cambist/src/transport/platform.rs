//! The platform's certificate authorities, read once for all clients that trust them.
//!
//! Where there is a bundle it has them all: the directory beside it holds the same certificates again,
//! a file each and each by two names, and reading those would be most of a sidecar's start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::roots::MAX_PEM;
use crate::files;

/// The platform's authorities. They are shared while somebody uses them; afterwards they are read anew,
/// since a package update may have changed them. Empty if there are none.
pub(super) fn roots() -> Arc<RootCertStore> {
    static HELD: Mutex<Weak<RootCertStore>> = Mutex::new(Weak::new());
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let mut store = RootCertStore::empty();
        // A certificate that cannot be used is one authority less, as everywhere.
        store.add_parsable_certificates(certificates());
        store.roots.shrink_to_fit();
        let store = Arc::new(store);
        *held = Arc::downgrade(&store);
        store
    })
}

fn certificates() -> Vec<CertificateDer<'static>> {
    // `SSL_CERT_FILE` and `SSL_CERT_DIR` mean what they mean to everybody else, both of them.
    if !openssl_probe::has_ssl_cert_env_vars() {
        let bundle = openssl_probe::probe().cert_file;
        let found = bundle.map(|bundle| of_bundle(&bundle)).unwrap_or_default();
        if !found.is_empty() {
            return found;
        }
    }
    files::in_time(|| rustls_native_certs::load_native_certs().certs).unwrap_or_default()
}

/// Where they are read from: bundles, and directories. For who has to say beforehand what a process reads.
#[must_use]
pub fn platform_ca_sources() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let openssl_probe::ProbeResult { cert_file, cert_dir } = openssl_probe::probe();
    (cert_file.into_iter().collect(), cert_dir)
}

fn of_bundle(path: &Path) -> Vec<CertificateDer<'static>> {
    let Ok(pem) = files::read_in_time(path, MAX_PEM) else { return Vec::new() };
    CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_shared_while_they_are_used() {
        let first = roots();
        assert!(Arc::ptr_eq(&first, &roots()));
    }

    #[test]
    fn a_bundle_is_read_for_what_is_good_in_it() {
        let ca = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.crt");
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, format!("# {}\n{}{broken}", "x".repeat(99), ca.cert.pem())).unwrap();
        assert_eq!(of_bundle(&path).len(), 1);
        assert!(of_bundle(dir.path()).is_empty());
    }
}

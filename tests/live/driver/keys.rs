//! Service-account keys, as files of the kinds that kube-apiserver reads.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// An RSA key's two files.
#[derive(Clone, Debug)]
pub(crate) struct KeyFiles {
    /// What signs.
    pub(crate) private: PathBuf,
    /// What verifies.
    pub(crate) public: PathBuf,
}

impl KeyFiles {
    /// A new key, in NAME.key and NAME.pub.
    pub(crate) fn generate(dir: &Path, name: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be made");
        let private = pair.as_der().expect("a key can be written down");
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("and so can its half");
        let at = |ending: &str| dir.join(format!("{name}.{ending}"));
        let files = Self { private: at("key"), public: at("pub") };
        write_private(&files.private, &pem("PRIVATE KEY", private.as_ref()));
        write_private(&files.public, &pem("PUBLIC KEY", public.as_ref()));
        files
    }
}

/// PEM around DER.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

/// Writes a file that only we read, in the place of what was there, and never half of it.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let next = path.with_extension("next");
    drop(std::fs::remove_file(&next));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file can be written");
    std::fs::rename(next, path).expect("a file can be renamed");
}

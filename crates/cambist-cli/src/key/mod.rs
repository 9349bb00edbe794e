//! Public keys in files: PEM, DER, or a key set.

use cambist_core::JsonError;
use cambist_core::foreign::Foreign;
use cambist_core::jwks::{KeyError, KeySet, KeySetError, Thumbprint};

pub(crate) mod der;
mod pem;

/// Largest key file that is read, in bytes.
pub(crate) const MAX_KEY_FILE: usize = cambist_core::jwks::MAX_JWKS_BYTES;

/// A public key found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// What it is known by, which is also the `kid` that kube-apiserver gives a key from a file.
    pub(crate) thumbprint: Thumbprint,
    /// The `kid` beside it, in a key set.
    pub(crate) kid: Option<String>,
    /// What it was found as.
    pub(crate) form: &'static str,
}

/// Why a file holds no public key. It never repeats what was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublicKeyError {
    #[error(
        "it holds a private key ({0}), which is not looked at; make the public half with `openssl pkey -pubout` and name that"
    )]
    Private(Foreign),
    #[error("the PEM section {0} is damaged: its content is not base64 of DER")]
    Damaged(Foreign),
    #[error(
        "it has no public key: expected PEM (PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE), DER, or a JWKS"
    )]
    Nothing,
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    #[error("the JWK cannot be used: {0}")]
    Jwk(KeyError),
}

/// Every public key in a file's content.
///
/// # Errors
/// If there is none, if a section is damaged, or if there is a private key: that does not belong
/// into the hands of a diagnostic.
pub(crate) fn read(content: &[u8]) -> Result<Vec<PublicKey>, PublicKeyError> {
    let start = content.trim_ascii_start();
    if start.starts_with(b"{") {
        return jwks(start);
    }
    if let Some(key) = from_der(content) {
        return Ok(vec![key]);
    }
    let text = String::from_utf8_lossy(content);
    let mut out = Vec::new();
    for section in pem::sections(&text) {
        let label = Foreign::new(section.label);
        if section.label.ends_with("PRIVATE KEY") {
            return Err(PublicKeyError::Private(label));
        }
        if !matches!(section.label, "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE") {
            continue;
        }
        let der = section.der().ok_or_else(|| PublicKeyError::Damaged(label.clone()))?;
        out.push(from_der(&der).ok_or(PublicKeyError::Damaged(label))?);
    }
    if out.is_empty() { Err(PublicKeyError::Nothing) } else { Ok(out) }
}

fn from_der(der: &[u8]) -> Option<PublicKey> {
    let found = |thumbprint, form| Some(PublicKey { thumbprint, kid: None, form });
    if der::is_spki(der) {
        return found(Thumbprint::of_spki(der), "SubjectPublicKeyInfo");
    }
    if let Some(spki) = der::spki_of_pkcs1(der) {
        return found(Thumbprint::of_spki(&spki), "PKCS #1");
    }
    let certificate = der::Certificate::parse(der)?;
    found(Thumbprint::of_spki(&certificate.spki), "X.509 certificate")
}

fn jwks(body: &[u8]) -> Result<Vec<PublicKey>, PublicKeyError> {
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|e| KeySetError::from(JsonError::from(e)))?;
    let set = match value.get("keys") {
        Some(_) => KeySet::parse(body)?,
        None => KeySet::parse(serde_json::json!({ "keys": [value] }).to_string().as_bytes())?,
    };
    let found = set.keys().iter().map(|key| PublicKey {
        thumbprint: key.thumbprint(),
        kid: key.id().map(|id| id.as_str().to_owned()),
        form: "JWK",
    });
    let found: Vec<_> = found.collect();
    match (found.is_empty(), set.unusable().first()) {
        (true, Some(unusable)) => Err(PublicKeyError::Jwk(unusable.reason.clone())),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests;

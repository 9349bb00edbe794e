//! Public keys and certificates in DER (X.690), as a library reads them: strictly, and to the end.

use cambist_core::clock::UnixTime;
use pkcs1::RsaPublicKeyRef;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::BitStringRef;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::Time;

/// Whether this is a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) and nothing else.
pub(super) fn is_spki(der: &[u8]) -> bool {
    SubjectPublicKeyInfoRef::from_der(der).is_ok()
}

/// Wraps an `RSAPublicKey` (RFC 8017 appendix A.1.1) into a `SubjectPublicKeyInfo`.
pub(super) fn spki_of_pkcs1(der: &[u8]) -> Option<Vec<u8>> {
    RsaPublicKeyRef::from_der(der).ok()?;
    let subject_public_key = BitStringRef::from_bytes(der).ok()?;
    let key = SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key };
    key.to_der().ok()
}

/// What is read of an X.509 certificate. Nobody has checked its signature.
pub(crate) struct Certificate {
    /// Its public key, whole.
    pub(crate) spki: Vec<u8>,
    /// From when it says to be valid.
    pub(crate) not_before: UnixTime,
    /// Until when.
    pub(crate) not_after: UnixTime,
}

impl Certificate {
    /// Reads a certificate (RFC 5280 section 4.1); a private authority's may have a serial number of
    /// more than 20 bytes.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let body = certificate.tbs_certificate();
        let validity = body.validity();
        let (not_before, not_after) = (moment(validity.not_before)?, moment(validity.not_after)?);
        let spki = body.subject_public_key_info().to_der().ok()?;
        Some(Self { spki, not_before, not_after })
    }
}

/// Who says to have issued a certificate, and for whom: nobody has checked that.
pub(crate) fn names(der: &[u8]) -> Option<(String, String)> {
    let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
    let body = certificate.tbs_certificate();
    Some((body.issuer().to_string(), body.subject().to_string()))
}

fn moment(time: Time) -> Option<UnixTime> {
    i64::try_from(time.to_unix_duration().as_secs()).ok().map(UnixTime::from_secs)
}

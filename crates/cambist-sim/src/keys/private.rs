//! The private members of a JWK.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::signature::{EcdsaKeyPair, RsaKeyPair};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Decode as _;

type Members = Vec<(&'static str, Vec<u8>)>;

/// RFC 7518, section 6.3.2.
pub(super) fn rsa(pair: &RsaKeyPair) -> Option<Members> {
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let outer = PrivateKeyInfoRef::from_der(der.as_ref()).ok()?;
    let key = RsaPrivateKeyRef::from_der(outer.private_key.as_bytes()).ok()?;
    let members = [
        ("d", key.private_exponent),
        ("p", key.prime1),
        ("q", key.prime2),
        ("dp", key.exponent1),
        ("dq", key.exponent2),
        ("qi", key.coefficient),
    ];
    Some(members.map(|(name, number)| (name, number.as_bytes().to_vec())).into())
}

/// RFC 7518, section 6.2.2.
pub(super) fn ec(pair: &EcdsaKeyPair) -> Option<Members> {
    let number: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
    Some(vec![("d", number.as_ref().to_vec())])
}

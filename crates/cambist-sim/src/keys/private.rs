//! The private members of a JWK.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::signature::{EcdsaKeyPair, RsaKeyPair};

type Members = Vec<(&'static str, Vec<u8>)>;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// RFC 7518, section 6.3.2.
pub(super) fn rsa(pair: &RsaKeyPair) -> Option<Members> {
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    // PKCS #8 (RFC 5208): version, algorithm, and PKCS #1 in a string of octets.
    let (outer, _) = element(SEQUENCE, der.as_ref())?;
    let (_, rest) = element(INTEGER, outer)?;
    let (_, rest) = element(SEQUENCE, rest)?;
    let (inner, _) = element(OCTETS, rest)?;
    // PKCS #1 (RFC 8017, appendix A.1.2): version, n, e, then these, in this order.
    let (mut rest, _) = element(SEQUENCE, inner)?;
    for _ in ["version", "n", "e"] {
        (_, rest) = element(INTEGER, rest)?;
    }
    let mut members = Members::new();
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        let (number, after) = element(INTEGER, rest)?;
        rest = after;
        members.push((name, number.strip_prefix(&[0]).unwrap_or(number).to_vec()));
    }
    Some(members)
}

/// RFC 7518, section 6.2.2.
pub(super) fn ec(pair: &EcdsaKeyPair) -> Option<Members> {
    let number: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
    Some(vec![("d", number.as_ref().to_vec())])
}

/// The content of the first DER element, which must have this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk()?;
    let (length, rest) = match length {
        0..0x80 => (usize::from(length), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0_usize, |sum, &digit| (sum << 8) | usize::from(digit)), rest)
        }
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

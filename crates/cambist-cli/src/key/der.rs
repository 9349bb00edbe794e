//! The little of DER (X.690) that is needed: a public key's wrapping, and a certificate's dates.

use cambist_core::clock::UnixTime;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The explicit tag of a certificate's version.
const VERSION: u8 = 0xa0;

/// `AlgorithmIdentifier` of rsaEncryption (RFC 3279 section 2.3.1): the OID and NULL.
const RSA: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// One element: its tag, its content, all of it, and what follows.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

fn element(der: &[u8]) -> Option<Element<'_>> {
    let (&tag, after) = der.split_first()?;
    let (&first, after) = after.split_first()?;
    let (length, after) = if first < 0x80 {
        (usize::from(first), after)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, after) = after.split_at_checked(count)?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), after)
    };
    let (content, rest) = after.split_at_checked(length)?;
    Some(Element { tag, content, whole: &der[..der.len() - rest.len()], rest })
}

fn expect(der: &[u8], tag: u8) -> Option<Element<'_>> {
    element(der).filter(|element| element.tag == tag)
}

/// Whether this is a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) and nothing else.
pub(super) fn is_spki(der: &[u8]) -> bool {
    let parts = || {
        let outer = expect(der, SEQUENCE).filter(|outer| outer.rest.is_empty())?;
        let algorithm = expect(outer.content, SEQUENCE)?;
        expect(algorithm.rest, BIT_STRING).filter(|key| key.rest.is_empty())
    };
    parts().is_some()
}

/// Wraps an `RSAPublicKey` (RFC 8017 appendix A.1.1) into a `SubjectPublicKeyInfo`.
pub(super) fn spki_of_pkcs1(der: &[u8]) -> Option<Vec<u8>> {
    let outer = expect(der, SEQUENCE).filter(|outer| outer.rest.is_empty())?;
    let modulus = expect(outer.content, INTEGER)?;
    // A private key would go on after the exponent.
    expect(modulus.rest, INTEGER).filter(|exponent| exponent.rest.is_empty())?;
    let key = wrap(BIT_STRING, &[&[0], der].concat());
    Some(wrap(SEQUENCE, &[&RSA, key.as_slice()].concat()))
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend(long);
        }
    }
    out.extend(content);
    out
}

/// What is read of an X.509 certificate. Nobody has checked its signature.
pub(crate) struct Certificate<'a> {
    /// Its public key, whole.
    pub(crate) spki: &'a [u8],
    /// From when it says to be valid.
    pub(crate) not_before: UnixTime,
    /// Until when.
    pub(crate) not_after: UnixTime,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate (RFC 5280 section 4.1).
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let outer = expect(der, SEQUENCE)?;
        let body = expect(outer.content, SEQUENCE)?;
        let first = element(body.content)?;
        let serial = if first.tag == VERSION { expect(first.rest, INTEGER)? } else { first };
        let algorithm = expect(serial.rest, SEQUENCE)?;
        let issuer = expect(algorithm.rest, SEQUENCE)?;
        let validity = expect(issuer.rest, SEQUENCE)?;
        let subject = expect(validity.rest, SEQUENCE)?;
        let key = expect(subject.rest, SEQUENCE).filter(|key| is_spki(key.whole))?;
        let begins = element(validity.content)?;
        let (not_before, not_after) = (time(&begins)?, time(&element(begins.rest)?)?);
        Some(Self { spki: key.whole, not_before, not_after })
    }
}

/// `UTCTime` means 1950 to 2049 (RFC 5280 section 4.1.2.5).
fn time(element: &Element<'_>) -> Option<UnixTime> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let full = match element.tag {
        UTC_TIME if text.len() == 12 => {
            let century = if text.get(..2)? < "50" { "20" } else { "19" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    let part = |range| full.get(range);
    let (date, time) = ((part(0..4)?, part(4..6)?, part(6..8)?), (part(8..10)?, part(10..12)?));
    let iso = format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, part(12..14)?);
    let at: jiff::Timestamp = iso.parse().ok()?;
    Some(UnixTime::from_secs(at.as_second()))
}

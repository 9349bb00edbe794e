//! `SubjectPublicKeyInfo` in DER (RFC 5280 section 4.1.2.7), for keys that a verifier refuses too:
//! a 1024-bit key must not be used, but its age is of interest all the same.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The algorithm identifier of RSA keys: rsaEncryption with NULL parameters (RFC 3279).
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// id-ecPublicKey with secp256r1, secp384r1 and secp521r1 (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
const P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];
const P521: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x23,
];
/// id-Ed25519 (RFC 8410).
const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

pub(super) fn rsa(n: &[u8], e: &[u8]) -> Vec<u8> {
    let numbers = [integer(n), integer(e)].concat();
    key(RSA, &element(SEQUENCE, &numbers))
}

/// `None` for an unknown curve or coordinates of another length than the curve's.
pub(super) fn ec(curve: &str, x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    let (algorithm, size) = match curve {
        "P-256" => (P256, 32),
        "P-384" => (P384, 48),
        "P-521" => (P521, 66),
        _ => return None,
    };
    let fits = x.len() == size && y.len() == size;
    fits.then(|| key(algorithm, &[&[0x04], x, y].concat()))
}

pub(super) fn ed25519(x: &[u8]) -> Option<Vec<u8>> {
    (x.len() == 32).then(|| key(ED25519, x))
}

/// A number without leading zeros.
pub(super) fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn key(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    let string = element(BIT_STRING, &[&[0x00], bits].concat());
    element(SEQUENCE, &[algorithm, &string].concat())
}

fn integer(number: &[u8]) -> Vec<u8> {
    let number = significant(number);
    // A set top bit would make it negative.
    let sign: &[u8] = if number.first().is_none_or(|top| *top >= 0x80) { &[0x00] } else { &[] };
    element(INTEGER, &[sign, number].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = significant(&length);
    let mut out = vec![tag];
    match (content.len(), u8::try_from(length.len())) {
        (0..0x80, _) => out.push(length.first().copied().unwrap_or_default()),
        (_, Ok(count)) => {
            out.push(0x80 | count);
            out.extend_from_slice(length);
        }
        // A length has at most eight bytes.
        (_, Err(_)) => {}
    }
    out.extend_from_slice(content);
    out
}

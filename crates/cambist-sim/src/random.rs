//! Identifiers and secrets nobody can guess.

use std::fmt::Write as _;

/// Sixteen random bytes in the form of a version 4 UUID (RFC 9562, section 5.4).
pub(crate) fn uuid() -> String {
    guid(uuid_bytes())
}

/// The bytes of such a one.
pub(crate) fn uuid_bytes() -> [u8; 16] {
    let mut bytes = bytes::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

/// Sixteen bytes as the five groups of a UUID.
pub(crate) fn guid(bytes: [u8; 16]) -> String {
    let hex = to_hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// `2 * N` random hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> String {
    to_hex(&bytes::<N>())
}

pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .expect("aws-lc aborts the process rather than run without entropy");
    bytes
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use cambist_core::names::is_guid;

    use super::*;

    #[test]
    fn uuids_differ_and_have_their_shape() {
        let (one, two) = (uuid(), uuid());
        assert_ne!(one, two);
        assert!(is_guid(&one), "{one}");
        assert_eq!(&one[14..15], "4");
    }
}

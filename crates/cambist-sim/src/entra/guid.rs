//! GUIDs as Entra writes them where they are to be short.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

/// 22 characters. A GUID's bytes stand there as Windows keeps them, its first three groups backwards.
pub(super) fn short(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let mut bytes = vec![d, c, b, a, f, e, h, g];
    bytes.extend_from_slice(&rest);
    BASE64URL.encode(bytes)
}

/// The same of a GUID as text; what is none keeps its bytes.
pub(super) fn short_of(text: &str) -> String {
    let digits = text.replace('-', "");
    let value = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
    value.map_or_else(|| BASE64URL.encode(text), |value| short(value.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_22_characters() {
        assert_eq!(short_of("2f420639-9860-4bf3-9732-08d9c8be0e00"), "OQZCL2CY80uXMgjZyL4OAA");
        assert_eq!(short_of("contoso"), "Y29udG9zbw");
    }
}

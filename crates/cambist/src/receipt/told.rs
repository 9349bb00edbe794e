//! What may be told of a token.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambist_core::foreign::Foreign;
use cambist_core::json;
use cambist_core::secret::Secret;

/// The first 64 bits of a token's SHA-256: enough to find it again by, and no way back to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    fn of(secret: &Secret) -> Self {
        let mut first = [0; 8];
        let digest = digest(&SHA256, secret.expose().as_bytes());
        first.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(first)
    }
}

impl fmt::Display for Fingerprint {
    /// Sixteen hexadecimal digits, as `sha256sum` begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// What may be told of a token: read once, when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) id: Option<Foreign>,
}

impl Told {
    pub(crate) fn of(secret: &Secret) -> Self {
        Self { fingerprint: Fingerprint::of(secret), id: token_id(secret.expose()) }
    }
}

/// The claim `uti`. A token is opaque to everybody but its audience, and nothing is decided by this: where it
/// cannot be read, there is none.
fn token_id(token: &str) -> Option<Foreign> {
    let payload = token.split('.').nth(1)?;
    let claims = json::object(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.get("uti")?.as_str().map(Foreign::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_how_the_digest_begins() {
        let told = Told::of(&Secret::new("abc"));
        assert_eq!(told.fingerprint.to_string(), "ba7816bf8f01cfea");
        assert_eq!(told.id, None);
    }

    #[test]
    fn an_id_is_read_where_there_is_one_and_escaped() {
        let token = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        let id = |claims: &str| token_id(&token(claims));
        assert_eq!(
            id(r#"{"uti":"OQZCL2CY80uXMgjZyL4OAA"}"#).unwrap().as_str(),
            "OQZCL2CY80uXMgjZyL4OAA"
        );
        assert_eq!(id(r#"{"uti":"a\nb"}"#).unwrap().as_str(), "a\\nb");
        for without in [r#"{"uti":7}"#, "{}", "[]", "no json"] {
            assert_eq!(id(without), None, "{without}");
        }
        assert_eq!(token_id("opaque"), None);
        assert_eq!(token_id("a.b~.c"), None);
    }
}

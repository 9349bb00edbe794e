//! What is put into a cluster so that its pods have the sidecar.

use cambist::exchange::Cloud;
use cambist_core::scope::Audience;

mod image;
mod release;
#[cfg(test)]
mod tests;

pub(crate) use image::Image;
pub(crate) use release::Release;

const INJECT: &str = include_str!("inject.yaml");
const GUARD: &str = include_str!("guard.yaml");

/// The image of this command's own release.
pub(crate) const USUAL_IMAGE: &str =
    concat!("ghcr.io/cambist/cambist-sidecar:", env!("CARGO_PKG_VERSION"));

/// The words for audiences that are known.
const WORDS: [(&str, Cloud); 8] = [
    ("public", Cloud::Public),
    ("us-gov", Cloud::UsGov),
    ("china", Cloud::China),
    ("us-nat", Cloud::UsNat),
    ("us-sec", Cloud::UsSec),
    ("france", Cloud::France),
    ("germany", Cloud::Germany),
    ("singapore", Cloud::Singapore),
];
const IDENTITY_BINDING: &str = "aks-identity-binding";

/// The policies that inject, and those that guard, of one image.
pub(crate) fn inject(image: &Image, release: Release, audience: &Audience) -> String {
    let fill = |template: &str| {
        // No value has a `<`, so that none is taken for a place.
        template
            .replace("<api>", release.api())
            .replace("<files>", if release.env_files() { "true" } else { "false" })
            .replace("<audience>", audience.as_str())
            .replace("<image>", &image.to_string())
    };
    format!("{}{}---\n{}", release.needs(), fill(INJECT), fill(GUARD))
}

/// An audience by a cloud's name, or as it is written.
pub(crate) fn audience(text: &str) -> Result<Audience, String> {
    if let Some((_, cloud)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(cloud.audience());
    }
    if text == IDENTITY_BINDING {
        return Ok(Audience::aks_identity_binding());
    }
    // It goes into an expression between quotes; a URI has none (RFC 3986 section 2), nor a `<`.
    let of_uri =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()*+,;=%".contains(&byte);
    if !text.contains(':') || !text.bytes().all(of_uri) {
        let words = WORDS.map(|(word, _)| word).join(", ");
        return Err(format!("expected a URI, or one of {words} and {IDENTITY_BINDING}"));
    }
    Audience::parse(text).map_err(|error| error.to_string())
}

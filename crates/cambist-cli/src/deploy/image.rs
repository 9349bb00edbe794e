//! References of images, as the policies hold them.

use std::fmt;
use std::str::FromStr;

/// An image by its name and a tag, a digest, or both.
///
/// It goes into an expression between quotes, and no character of it could end those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image(String);

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Image {
    type Err = String;

    /// The grammar of the distribution project's `reference`, without its default for a tag.
    fn from_str(text: &str) -> Result<Self, String> {
        let (tagged, digest) = match text.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash is a port's.
        let (name, tag) = match tagged.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (tagged, None),
        };
        let sound = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
        if !sound {
            return Err("expected HOST/NAME:TAG or HOST/NAME@sha256:DIGEST".to_owned());
        }
        if tag.or(digest).is_none() {
            return Err("it has neither a tag nor a digest, so that nobody knows what runs: \
                        expected HOST/NAME:TAG or, better, HOST/NAME@sha256:DIGEST"
                .to_owned());
        }
        match tag.filter(|_| digest.is_none()) {
            Some("latest") => Err("the tag latest is another image from one day to the next, and not the same on every \
                                   node: expected a version or, better, HOST/NAME@sha256:DIGEST"
                .to_owned()),
            Some(tag) if !name.contains('/') && could_be_a_port(tag) => Err(format!(
                "is {tag} a port, and the tag forgotten? Expected HOST:PORT/NAME:TAG, or HOST/NAME@sha256:DIGEST"
            )),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// Of two to five digits: behind the only part of a name they are more likely a host's port. Behind a slash no port
/// can be, and builds have such numbers.
fn could_be_a_port(tag: &str) -> bool {
    (2..=5).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(name: &str) -> bool {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (Some(host), path)
        }
        _ => (None, name),
    };
    name.len() <= 255 && host.is_none_or(is_host) && path.split('/').all(is_component)
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "443"));
    let label = |label: &str| {
        let of_it = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(of_it)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(label) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Lower-case letters and digits, with separators between them.
fn is_component(part: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let separators = part.split(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit());
    let separator =
        |it: &str| matches!(it, "" | "." | "_" | "__") || it.bytes().all(|byte| byte == b'-');
    alphanumeric(*first) && alphanumeric(*last) && separators.into_iter().all(separator)
}

fn is_tag(tag: &str) -> bool {
    let of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=128).contains(&tag.len()) && tag.bytes().all(of_it) && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let of_length = |length: usize| move |it: &str| it.len() == length && it.bytes().all(hex);
    match digest.split_once(':') {
        Some(("sha256", value)) => of_length(64)(value),
        Some(("sha512", value)) => of_length(128)(value),
        _ => false,
    }
}

//! PEM (RFC 7468), as far as finding sections goes: `RSA PUBLIC KEY` included, which the TLS
//! library's own reader passes over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One section.
pub(super) struct Section<'a> {
    pub(super) label: &'a str,
    body: &'a str,
}

impl Section<'_> {
    /// The bytes inside; `None` if they are not base64.
    pub(super) fn der(&self) -> Option<Vec<u8>> {
        let text: String = self.body.split_ascii_whitespace().collect();
        STANDARD.decode(text).ok()
    }
}

/// The sections of a text, in their order; text around them is passed over.
pub(super) fn sections(mut text: &str) -> Vec<Section<'_>> {
    let mut out = Vec::new();
    while let Some((_, rest)) = text.split_once("-----BEGIN ") {
        let Some((label, rest)) = rest.split_once("-----") else { break };
        let end = format!("-----END {label}-----");
        // A section without an end is damaged, not absent.
        let (body, rest) = rest.split_once(end.as_str()).unwrap_or((rest, ""));
        out.push(Section { label, body });
        text = rest;
    }
    out
}

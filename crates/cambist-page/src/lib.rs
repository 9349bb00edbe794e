//! The look that cambist's pages share: the report on an issuer's keys, and a sidecar's status.
//!
//! A [`Page`] is one document. It has no script, loads nothing, and its policy lets a browser do neither; its
//! only style is the one of this crate. Whatever is spliced into [`html`] is escaped by the macro,
//! inside quotes too; what strangers wrote is set apart by [`foreign`], so that it turns no text beside it.
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

mod parts;

pub use parts::{Tone, bar, foreign, link, prose, share};

const LOOK: &str = include_str!("look.css");

/// What a browser may do with a page: apply the style that has this hash, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, LOOK.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
});

/// The Content-Security-Policy of every page, as it stands in the page itself. A header may say more: a page
/// cannot forbid that it is framed.
pub fn policy() -> &'static str {
    &POLICY
}

/// One document.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "its makers say all of it")]
pub struct Page<'a> {
    /// The name of its tab.
    pub title: &'a str,
    /// What is in it.
    pub body: Markup,
}

impl Page<'_> {
    /// The whole document.
    pub fn render(self) -> String {
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    meta name="robots" content="noindex";
                    title { (self.title) }
                    // Ours, and text to a browser up to its end tag.
                    style { (PreEscaped(LOOK)) }
                }
                body { (self.body) }
            }
        };
        document.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_loads_nothing_and_its_policy_names_its_only_style() {
        let hostile = "\"><script>alert(1)</script>";
        let body = html! { p title=(hostile) { (foreign(hostile)) } };
        let page = Page { title: hostile, body }.render();
        assert!(!page.contains("<script") && !page.contains("http-equiv=\"refresh\""), "{page}");
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, rest) = rest.split_once("</style>").unwrap();
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert!(page.contains(&format!("style-src 'sha256-{hash}'")), "{page}");
        assert!(!rest.contains("<style") && !rest.contains("style="), "{rest}");
        assert!(!style.contains("url(") && !style.contains("@import") && !style.contains('<'));
    }
}

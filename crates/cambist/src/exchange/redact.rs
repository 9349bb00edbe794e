//! Entra's words, made fit to be shown.

use cambist_core::foreign::Foreign;

/// So many characters are looked at: what stands behind them is not shown anyway.
const READ: usize = 2000;

/// Shortest piece of the assertion that is recognised as such.
const PIECE: usize = 16;

/// Prepares foreign text for messages: its first line without the trace ids that Entra appends and
/// without a full stop, and anything that looks like a token or stands in `secret` taken out.
pub(super) fn shown(text: &str, secret: &str) -> Foreign {
    let text = text.trim_start();
    // A flood costs nothing.
    let text = text.char_indices().nth(READ).map_or(text, |(at, _)| text.split_at(at).0);
    let line = text.split(['\r', '\n']).next().unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or_default();
    let line = line.trim_end().trim_end_matches('.');
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(run);
        out.push_str(if is_secret(token, secret) { "[redacted]" } else { token });
        let Some(c) = after.chars().next() else { break };
        out.push(c);
        rest = after.split_at(c.len_utf8()).1;
    }
    Foreign::new(out)
}

/// Whether a text can be an id or a moment, which messages repeat as it stands.
pub(super) fn is_plain(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.' | b' ');
    (1..=40).contains(&text.len())
        && text.bytes().all(fits)
        && text.bytes().filter(|b| *b == b' ').count() <= 1
}

/// What a token in compact form is made of: base64url and dots.
const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `eyJ` is how `{"` begins in base64: a JWT's header and payload. A signature has no such mark, so
/// any stretch of the secret counts, whatever it is glued to.
pub(super) fn is_secret(run: &str, secret: &str) -> bool {
    let mut stretches = run.as_bytes().windows(PIECE).filter_map(|w| std::str::from_utf8(w).ok());
    run.contains("eyJ") || stretches.any(|stretch| secret.contains(stretch))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_stretch_of_the_secret_is_shown(
            before in "\\PC{0,40}", secret in "[a-zA-Z0-9_.-]{16,80}", after in "\\PC{0,40}",
        ) {
            let out = shown(&format!("{before}{secret}{after}"), &secret).to_string();
            let stretches = secret.as_bytes().windows(PIECE);
            for stretch in stretches.filter_map(|w| std::str::from_utf8(w).ok()) {
                assert!(!out.contains(stretch), "{out}");
            }
        }
    }

    #[test]
    fn ids_and_moments_are_told_from_sentences() {
        for plain in ["2026-11-23 04:13:45Z", "6af7a6e2-2b3a-4d0a-9d5f-1f1e3c000c00", "t-1"] {
            assert!(is_plain(plain), "{plain}");
        }
        for not in ["", "all is well", "a\nb", "x)", &"x".repeat(41)] {
            assert!(!is_plain(not), "{not}");
        }
    }
}

//! Entra's words, made fit to be shown.

/// Longest text of Entra's that is shown, in characters.
const SHOWN: usize = 500;

/// Shortest piece of the assertion that is recognised as such.
const PIECE: usize = 16;

/// Prepares foreign text for messages: its first line without the trace ids that Entra appends,
/// anything that looks like a token or stands in `secret` taken out, control characters escaped,
/// and cut to 500 characters.
pub(super) fn shown(text: &str, secret: &str) -> String {
    let text = text.trim_start();
    // Enough to be cut again, so that a flood costs nothing.
    let text = text.char_indices().nth(4 * SHOWN).map_or(text, |(at, _)| text.split_at(at).0);
    let line = text.split(['\r', '\n']).next().unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or_default().trim_end();
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(run);
        out.push_str(if is_secret(token, secret) { "[redacted]" } else { token });
        let Some(c) = after.chars().next() else { break };
        match c {
            '"' | '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
        rest = after.split_at(c.len_utf8()).1;
    }
    match out.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", out.split_at(at).0),
        None => out,
    }
}

/// What a token in compact form is made of: base64url and dots.
const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `eyJ` is how `{"` begins in base64: a JWT's header and payload. A signature has no such mark, so
/// any stretch of the secret counts, whatever it is glued to.
fn is_secret(run: &str, secret: &str) -> bool {
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
            let out = shown(&format!("{before}{secret}{after}"), &secret);
            let stretches = secret.as_bytes().windows(PIECE);
            for stretch in stretches.filter_map(|w| std::str::from_utf8(w).ok()) {
                assert!(!out.contains(stretch), "{out}");
            }
        }

        #[test]
        fn what_is_shown_is_one_line_of_limited_length(text in ".{0,2000}") {
            let out = shown(&text, "");
            assert!(out.chars().count() <= SHOWN + 1);
            assert!(!out.chars().any(char::is_control), "{out:?}");
        }
    }
}

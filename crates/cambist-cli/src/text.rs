//! Foreign text made fit for a terminal.

/// Longest piece of foreign text that is printed.
const SHOWN: usize = 400;

/// Longest message that is printed: as long as the sidecar's are, whose remedy comes last.
const MESSAGE: usize = 2048;

/// The text with control characters escaped, so that what a server says can neither move the cursor
/// nor forge a line, and cut if it is overlong.
pub(crate) fn plain(text: &str) -> String {
    escaped(text, SHOWN)
}

/// The same of a whole message.
pub(crate) fn message(text: &str) -> String {
    escaped(text, MESSAGE)
}

fn escaped(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        if out.len() > most {
            out.push('…');
            break;
        }
        match c {
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() || "…–—×≥≤→".contains(c) => out.push(c),
            c => out.extend(c.escape_default()),
        }
    }
    out
}

/// A message of the library, whose readers set variables, in the words of the command's, who give flags.
pub(crate) fn for_flags(text: &str) -> String {
    [
        (", and for a token proxy AZURE_KUBERNETES_CA_FILE", ""),
        (
            ", or in CAMBIST_ENTRA_CA_FILE or CAMBIST_ISSUER_CA_FILE where one of these is set in its stead",
            "",
        ),
        (
            "mount a projected serviceAccountToken volume there, or set AZURE_FEDERATED_TOKEN_FILE to where it is (the workload-identity webhook does both)",
            "name the token's file by --token-file",
        ),
        ("CAMBIST_JWKS_ANY_HOST=true", "--jwks-any-host here"),
        ("CAMBIST_ISSUER_CA_FILE", "--ca-file"),
        ("CAMBIST_CA_FILE", "--ca-file"),
        ("CAMBIST_ISSUER", "--issuer"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (variable, flag)| text.replace(variable, flag))
}

/// As much of a kid as tells it from others at a glance; `-o json` has all of it.
pub(crate) fn shorten(kid: &str) -> String {
    let mut letters = kid.chars();
    let short: String = letters.by_ref().take(12).collect();
    if letters.next().is_some() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_flags_where_the_library_s_name_variables() {
        use cambist::token_file::TokenFileFault;
        use cambist::transport::TransportFault;
        let untrusted = for_flags(&TransportFault::TlsUntrusted.to_string());
        assert!(untrusted.contains("--ca-file") && !untrusted.contains("CAMBIST_"), "{untrusted}");
        assert_eq!(for_flags("give it in CAMBIST_ISSUER_CA_FILE"), "give it in --ca-file");
        let missing = for_flags(&TokenFileFault::Missing.to_string());
        assert!(missing.contains("--token-file") && !missing.contains("AZURE_"), "{missing}");
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\n\u{202e}"), r"a\u{1b}[2Jb\n\u{202e}");
        assert!(plain(&"x".repeat(9999)).len() < 2 * SHOWN);
        let remedy = format!("{}\n set IDENTITY_HEADER", "x".repeat(1000));
        assert!(message(&remedy).ends_with(r"\n set IDENTITY_HEADER"));
        assert!(message(&"x".repeat(9999)).len() < 2 * MESSAGE);
    }
}

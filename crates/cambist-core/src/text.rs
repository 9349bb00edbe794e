//! Text from outside, made fit for an error message or a log line.

/// Longest piece of foreign text that is repeated in a message.
const SHOWN: usize = 200;

/// Quotes foreign text: control characters escaped (no log injection), overlong text cut.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN) + 2);
    out.push('"');
    for c in text.chars() {
        if out.len() > SHOWN {
            out.push('…');
            break;
        }
        match c {
            ' '..='~' if c != '"' && c != '\\' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.extend(c.escape_default()),
        }
    }
    out.push('"');
    out
}

/// Quotes and joins several foreign texts.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = items.into_iter().map(quoted).collect();
    if quoted.is_empty() { "nothing".to_owned() } else { quoted.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_break_a_line_or_flood_a_log() {
        assert_eq!(quoted("a\r\nlevel=error\u{202e}"), r#""a\r\nlevel=error\u{202e}""#);
        assert_eq!(quoted(r#"say "hi"\"#), r#""say \"hi\"\\""#);
        assert!(quoted(&"x".repeat(100_000)).len() < 2 * SHOWN);
        assert_eq!(list(["a", "b"]), r#""a", "b""#);
        assert_eq!(list([]), "nothing");
    }
}

//! How lines look: JSON for programs, or one readable line for people.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use tracing::Level;

/// How the log is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Readable on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Readable.
    Text,
    /// JSON.
    Json,
}

impl Format {
    const ALL: [Self; 3] = [Self::Auto, Self::Text, Self::Json];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// How lines of the log look on this output; colours are for a terminal alone, where they are wanted.
    pub const fn on(self, terminal: bool, colours: bool) -> Look {
        match (self, terminal) {
            (Self::Json, _) | (Self::Auto, false) => Look::Json,
            (Self::Text, _) | (Self::Auto, true) => Look::Text { colours: terminal && colours },
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|it| it.as_str() == text.trim());
        named.ok_or_else(|| format!("{text:?} is none of auto, text, json"))
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever writes lines has to know all of them")]
pub enum Look {
    /// An object of JSON on each line.
    Json,
    /// Time, level, what happened, then its fields as `name=value`.
    Text {
        /// Whether the level has a colour.
        colours: bool,
    },
}

/// How a readable line begins: the time of day in UTC, cut from a time by RFC 3339, and a word with a level's
/// colour.
pub(crate) fn head(
    out: &mut impl fmt::Write,
    at: &str,
    level: Level,
    word: &str,
    colours: bool,
) -> fmt::Result {
    let at = at.get(11..23).unwrap_or(at);
    if !colours {
        return write!(out, "{at}Z {word:>5} ");
    }
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    write!(out, "\x1b[2m{at}Z\x1b[0m \x1b[{colour}m{word:>5}\x1b[0m ")
}

/// A text in which nothing acts on a terminal or ends the line.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

/// A field behind the message; quoted where its end would not be seen.
pub(crate) fn field(out: &mut impl fmt::Write, name: &str, value: &str) -> fmt::Result {
    let bare = |c: char| c.is_ascii_graphic() && c != '"' && c != '=';
    if !value.is_empty() && value.chars().all(bare) {
        return write!(out, " {name}={value}");
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    for part in plain(value).split_inclusive('"') {
        match part.strip_suffix('"') {
            Some(before) => write!(quoted, "{before}\\\"")?,
            None => quoted.push_str(part),
        }
    }
    write!(out, " {name}=\"{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_for_terminals_unless_it_is_asked_for_and_colours_are_for_them_alone() {
        use Look::{Json, Text};
        for (format, terminal, colours, look) in [
            (Format::Auto, true, true, Text { colours: true }),
            (Format::Auto, true, false, Text { colours: false }),
            (Format::Auto, false, true, Json),
            (Format::Text, false, true, Text { colours: false }),
            (Format::Text, true, true, Text { colours: true }),
            (Format::Json, true, true, Json),
        ] {
            assert_eq!(format.on(terminal, colours), look, "{format:?} {terminal} {colours}");
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        assert!("logfmt".parse::<Format>().unwrap_err().contains("auto, text, json"));
    }

    #[test]
    fn a_value_neither_ends_early_nor_acts_on_a_terminal() {
        let field = |value: &str| {
            let mut out = String::new();
            field(&mut out, "name", value).unwrap();
            out
        };
        assert_eq!(field("https://vault.azure.net"), " name=https://vault.azure.net");
        assert_eq!(field("a=b"), " name=\"a=b\"");
        assert_eq!(field(""), " name=\"\"");
        assert_eq!(field("say \"hi\""), " name=\"say \\\"hi\\\"\"");
        assert_eq!(field("\x1b[2J\r\n\u{202e}"), " name=\"\\u{1b}[2J\\r\\n\\u{202e}\"");
        assert_eq!(plain("\x1b[31m\u{9b}x…"), "\\u{1b}[31m\\u{9b}x…");
    }
}

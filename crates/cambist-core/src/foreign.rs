//! Text from outside, made fit for an error message, a log line or a reply.

use std::fmt;

use serde::{Serialize, Serializer};

/// Most characters of foreign text that are repeated.
const SHOWN: usize = 200;

/// Most characters of a list of foreign texts.
const LISTED: usize = 300;

/// Text that somebody else wrote, in the only form in which an error may repeat it: quoted, in
/// visible ASCII, and not longer than 200 characters.
///
/// Whatever else it had is escaped, so that it can neither end a log line nor turn the direction of
/// what follows, and a letter that only looks like another is told from it. What was cut off is
/// counted behind an ellipsis, which no foreign text can have written. `Display`, `Debug` and serde
/// all give this form; what was cut off or escaped is not kept.
///
/// ```
/// use cambist_core::foreign::Foreign;
///
/// let kid = Foreign::new("key-7\r\nlevel=error \u{202e}\u{430}");
/// assert_eq!(kid.to_string(), r#""key-7\r\nlevel=error \u{202e}\u{430}""#);
/// assert_eq!(Foreign::new("x".repeat(10_000)).as_str().len(), 200 + "…+9800".len());
/// assert_eq!(Foreign::new(b"\xff\0").to_string(), r#""\xff\u{0}""#);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Foreign(Box<str>);

impl Foreign {
    /// Takes a text, or bytes that may be one.
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        Self::cut(text.as_ref(), SHOWN)
    }

    /// The text without quotes: for a field that has its own, such as one of JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn cut(text: &[u8], most: usize) -> Self {
        let mut out = String::with_capacity(text.len().min(most) + 8);
        let mut left = 0;
        let mut piece = String::new();
        for part in text.utf8_chunks() {
            for c in part.valid().chars() {
                piece.clear();
                match c {
                    ' '..='~' if c != '"' && c != '\\' => piece.push(c),
                    c => piece.extend(c.escape_default()),
                }
                left += usize::from(!push(&mut out, &piece, left, most));
            }
            for byte in part.invalid() {
                left += usize::from(!push(&mut out, &format!("\\x{byte:02x}"), left, most));
            }
        }
        if left > 0 {
            out.push_str(&format!("…+{left}"));
        }
        Self(out.into())
    }
}

/// Appends a piece unless it, or one before it, had no room.
fn push(out: &mut String, piece: &str, left: usize, most: usize) -> bool {
    let fits = left == 0 && out.len() + piece.len() <= most;
    if fits {
        out.push_str(piece);
    }
    fits
}

impl From<&str> for Foreign {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Foreign {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A message, which may hold several foreign texts, in so many bytes at most as it has in JSON, where
/// quotes and backslashes count twice. What was cut off is counted behind an ellipsis.
///
/// ```
/// use cambist_core::foreign::brief;
///
/// assert_eq!(brief(&"short", 10), "short");
/// assert_eq!(brief(&"x".repeat(1000), 20), "xxxxxxxxxx…+990");
/// assert_eq!(brief(&r#""0123456789""#, 12), "\"…+11");
/// ```
pub fn brief(message: &impl fmt::Display, most: usize) -> String {
    // An ellipsis of three bytes, a plus, and the digits of megabytes.
    const MARK: usize = 3 + 1 + 6;
    let mut text = message.to_string();
    let (mut len, mut end) = (0, 0);
    for c in text.chars() {
        len += match c {
            '"' | '\\' => 2,
            '\0'..='\x1f' => 6,
            c => c.len_utf8(),
        };
        if len + MARK <= most {
            end += c.len_utf8();
        }
    }
    if len > most {
        let more = text.get(end..).map_or(0, |rest| rest.chars().count());
        text.truncate(end);
        text.push_str(&format!("…+{more}"));
    }
    text
}

/// Several foreign texts, each quoted, as many as fit 300 characters, and how many more there are.
///
/// ```
/// use cambist_core::foreign::ForeignList;
///
/// assert_eq!(ForeignList::of(["a", "b"]).to_string(), r#""a", "b""#);
/// assert_eq!(ForeignList::of([""; 0]).to_string(), "nothing");
/// assert!(ForeignList::of(["key"; 1000]).to_string().ends_with("\"key\" and 957 more"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ForeignList(Box<str>);

impl ForeignList {
    /// Takes the texts, in their order.
    pub fn of<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let (mut out, mut left) = (String::new(), 0);
        for text in texts {
            // Once there is no room, the others are only counted.
            let room = left == 0 && out.len() < LISTED;
            let shown = if room { Foreign::new(text).to_string() } else { String::new() };
            let joint = if out.is_empty() { "" } else { ", " };
            if room && (out.is_empty() || out.len() + joint.len() + shown.len() <= LISTED) {
                out.push_str(joint);
                out.push_str(&shown);
            } else {
                left += 1;
            }
        }
        match (out.is_empty(), left) {
            (true, _) => out.push_str("nothing"),
            (false, 0) => {}
            (false, left) => out.push_str(&format!(" and {left} more")),
        }
        Self(out.into())
    }
}

impl fmt::Display for ForeignList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ForeignList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_break_a_line_or_flood_a_log() {
        let text = Foreign::new("a\r\nlevel=error\u{202e}");
        assert_eq!(text.to_string(), r#""a\r\nlevel=error\u{202e}""#);
        assert_eq!(format!("{text:?}"), text.to_string());
        assert_eq!(serde_json::to_value(&text).unwrap(), r"a\r\nlevel=error\u{202e}");
        assert_eq!(Foreign::new(r#"say "hi"\"#).to_string(), r#""say \"hi\"\\""#);
        let whole = "x".repeat(SHOWN);
        assert_eq!(Foreign::new(&whole).as_str(), whole);
        assert_eq!(Foreign::new(format!("{whole}yz")).as_str(), format!("{whole}…+2"));
    }

    #[test]
    fn the_mark_of_a_cut_cannot_be_written_by_others() {
        assert_eq!(Foreign::new("x…+5").as_str(), r"x\u{2026}+5");
        // What would fit behind something that did not is left out, too: no holes.
        let text = format!("{}\u{202e}x", "x".repeat(SHOWN - 1));
        assert_eq!(Foreign::new(&text).as_str(), format!("{}…+2", "x".repeat(SHOWN - 1)));
    }

    #[test]
    fn a_list_shows_some_and_counts_the_others() {
        let long = "y".repeat(5000);
        let list = ForeignList::of([long.as_str(), "b", &long]).to_string();
        assert_eq!(list, format!("\"{}…+4800\", \"b\" and 1 more", "y".repeat(SHOWN)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_come_through_unbounded_or_unescaped(bytes in proptest::collection::vec(0u8.., 0..2000)) {
            for shown in [Foreign::new(&bytes).to_string(), ForeignList::of([&bytes, &bytes]).to_string()] {
                assert!(shown.len() <= LISTED + 40);
                assert!(shown.chars().all(|c| matches!(c, ' '..='~' | '…')), "{shown}");
            }
        }

        #[test]
        fn a_brief_message_is_as_short_in_json(text in "[a\"\\\\\u{0}é]{0,300}", most in 20usize..200) {
            let json = serde_json::to_string(&brief(&text, most)).unwrap();
            assert!(json.len() - 2 <= most, "{json}");
        }

        #[test]
        fn plain_text_is_itself(text in "[ !#-\\[\\]-~]{0,200}") {
            assert_eq!(Foreign::new(&text).as_str(), text);
        }
    }
}

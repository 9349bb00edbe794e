//! Commands that a reader can paste into a shell.

use std::fmt;

use serde::{Serialize, Serializer};
use textwrap::core::display_width;

/// A command line: the program with its subcommand, then flags, each with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line(Vec<String>);

impl Line {
    /// `cambist` with a subcommand.
    pub(crate) fn new(subcommand: &str) -> Self {
        Self(vec![format!("cambist {subcommand}")])
    }

    /// A whole command line, whose flags begin with two hyphens.
    pub(crate) fn of(command: &str) -> Self {
        let mut parts = command.split(" --");
        let first = parts.next().unwrap_or_default().to_owned();
        Self(std::iter::once(first).chain(parts.map(|flag| format!("--{flag}"))).collect())
    }

    /// A word of its own, as it is.
    #[must_use]
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.0.push(quoted(word));
        self
    }

    /// A flag with its value.
    #[must_use]
    pub(crate) fn flag(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.0.push(format!("{name} {}", quoted(&value.to_string())));
        self
    }

    /// The flags of another line.
    #[must_use]
    pub(crate) fn with(mut self, flags: &[String]) -> Self {
        self.0.extend_from_slice(flags);
        self
    }

    /// The flags alone, without program and subcommand.
    pub(crate) fn flags(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }

    /// On as many lines as the width asks for; those that go on end in a backslash.
    pub(crate) fn lines(&self, width: usize, indent: usize) -> String {
        let mut lines: Vec<String> = Vec::new();
        let (first, rest) = (" ".repeat(indent), " ".repeat(indent + 2));
        let room = width.saturating_sub(2);
        for part in self.0.iter().flat_map(|part| fitting(part, room.saturating_sub(indent + 2))) {
            match lines.last_mut() {
                Some(line) if display_width(line) + 1 + display_width(part) <= room => {
                    line.push(' ');
                    line.push_str(part);
                }
                last => {
                    let indent = if last.is_some() { &rest } else { &first };
                    lines.push(format!("{indent}{part}"));
                }
            }
        }
        let lines: Vec<_> = lines.iter().map(|line| broken(line, room)).collect();
        lines.join(" \\\n") + "\n"
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A word as a shell takes it for itself, in quotes if it has to be.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A part as it is, or its words if it is too long for a line.
fn fitting(part: &str, room: usize) -> Vec<&str> {
    // What is quoted may have spaces of its own.
    let whole = display_width(part) <= room || part.contains('\'');
    if whole { vec![part] } else { part.split(' ').collect() }
}

/// A line with a word that is longer than any line: a shell joins what a backslash parts, if the next line
/// begins at once. Within quotes it does not, so that such a word stays as long as it is.
fn broken(line: &str, room: usize) -> String {
    if display_width(line) <= room || line.contains('\'') {
        return line.to_owned();
    }
    let mut out = String::new();
    for (place, c) in line.chars().enumerate() {
        if place > 0 && place % room == 0 {
            out.push_str("\\\n");
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_what_was_meant() {
        let url = format!("https://issuer.example/{}", "x".repeat(150));
        let line =
            Line::new("issuer observe").flag("--issuer", &url).flag("--history", "file:a b.json");
        for width in [60, 80, 100, 200] {
            let text = line.lines(width, 4);
            assert!(text.lines().all(|line| display_width(line) <= width), "{width}:\n{text}");
            // What a shell makes of it.
            let joined = text.replace("\\\n", "");
            let words: Vec<_> = joined.split_whitespace().collect();
            assert_eq!(words.join(" "), line.to_string(), "{width}:\n{text}");
        }
        let odd = Line::new("issuer explain").word("it's; rm -rf $HOME");
        assert_eq!(odd.to_string(), r"cambist issuer explain 'it'\''s; rm -rf $HOME'");
    }
}

//! Words for a person at a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use cambist::Env as _;
use cambist::env::Process;

/// The width of running text.
const WIDTH: usize = 88;

/// Prints titles and text; titles are bold on a terminal, unless `NO_COLOR` is set. If nobody reads
/// any more, the steps are checked all the same.
pub(crate) struct Teller {
    bold: bool,
}

impl Teller {
    pub(crate) fn new() -> Self {
        Self { bold: io::stdout().is_terminal() && Process.get("NO_COLOR").is_none() }
    }

    pub(crate) fn title(&self, text: &str) {
        let (on, off) = if self.bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let _ = writeln!(io::stdout(), "\n{on}{text}{off}");
    }

    /// A name and what it stands for.
    pub(crate) fn item(&self, name: &str, text: &str) {
        let _ = writeln!(io::stdout(), "   {name:<27}{text}");
    }

    /// A line to be copied.
    pub(crate) fn verbatim(&self, text: &str) {
        let _ = writeln!(io::stdout(), "{text}");
    }

    /// Running text, wrapped.
    pub(crate) fn say(&self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
                let _ = writeln!(io::stdout(), "   {line}");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        let _ = writeln!(io::stdout(), "   {line}");
    }
}

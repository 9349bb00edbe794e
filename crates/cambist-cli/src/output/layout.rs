//! Text laid out for the width of a terminal: wrapped, never cut.

use std::fmt::Write as _;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, core::display_width};

use crate::world::World;

/// The width where nothing tells: a pipe, or a file.
pub(crate) const PIPE: usize = 100;

/// Below this nothing can be laid out.
const LEAST: usize = 40;

/// How long names before a text may get.
const NAME: usize = 10;

/// How wide what is printed may be.
pub(crate) fn width(world: &World<'_>, to_file: bool) -> usize {
    let asked = || world.env.get("COLUMNS")?.parse().ok();
    let told = if to_file { None } else { world.columns.or_else(asked) };
    told.unwrap_or(PIPE).max(LEAST)
}

/// Wraps a text; its first line begins with `first`, the others with `rest`.
pub(crate) fn wrap(text: &str, width: usize, first: &str, rest: &str) -> String {
    // A hyphen is part of a flag or a date, not a place to break.
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(text, options) + "\n"
}

/// A name and its text, which is wrapped beside it.
pub(crate) fn field(name: &str, text: &str, width: usize) -> String {
    wrap(text, width, &format!("{name:<NAME$}"), &" ".repeat(NAME))
}

/// Rows below their heads; where the terminal is too narrow for that, each row as a paragraph that names
/// its cells. `paint` colours the last cell.
pub(crate) fn grid(
    head: &[&str],
    rows: &[Vec<String>],
    width: usize,
    paint: impl Fn(&str) -> String,
) -> String {
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| display_width(cell)).max().unwrap_or(0);
        widest.max(head.get(column).map_or(0, |name| name.len()))
    };
    let widths: Vec<_> = (0..head.len()).map(widest).collect();
    if widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1) > width {
        return paragraphs(head, rows, width, paint);
    }
    let mut out = String::new();
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            if column + 1 == row.len() {
                line.push_str(&paint(cell));
            } else {
                let room = widths.get(column).copied().unwrap_or(0);
                let blank = " ".repeat(room.saturating_sub(display_width(cell)));
                _ = write!(line, "{cell}{blank}  ");
            }
        }
        out.push_str(line.trim_end_matches(' '));
        out.push('\n');
    }
    out
}

/// The first cell and the last on a line, and the others below, each after its name.
fn paragraphs(
    head: &[&str],
    rows: &[Vec<String>],
    width: usize,
    paint: impl Fn(&str) -> String,
) -> String {
    let mut out = String::new();
    for row in rows {
        let Some(((first, last), between)) = row.split_first().and_then(|(first, rest)| {
            let (last, between) = rest.split_last()?;
            Some(((first, last), between))
        }) else {
            continue;
        };
        let name = head.last().map(|name| name.to_lowercase()).unwrap_or_default();
        out.push_str(&wrap(&format!("{first}  {name} {}", paint(last)), width, "", "  "));
        let cells = between.iter().zip(head.iter().skip(1));
        let cells: Vec<_> = cells
            .filter(|(cell, _)| !cell.is_empty() && *cell != "-")
            // What belongs together stays together.
            .map(|(cell, name)| {
                format!("{}\u{a0}{}", name.to_lowercase(), cell.replace(' ', "\u{a0}"))
            })
            .collect();
        let text = wrap(&cells.join("; "), width, "  ", "  ");
        out.push_str(&text.replace('\u{a0}', " "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_that_is_too_wide_becomes_paragraphs_and_nothing_is_lost() {
        let row = ["name", "a word or two", "-", "third", "STATE"].map(str::to_owned).to_vec();
        let head = ["KEY", "WORDS", "NONE", "MORE", "STATUS"];
        let wide = grid(&head, std::slice::from_ref(&row), 80, str::to_owned);
        assert!(wide.starts_with("KEY   WORDS"), "{wide}");
        let narrow = grid(&head, &[row], 38, str::to_owned);
        assert_eq!(narrow, "name  status STATE\n  words a word or two; more third\n");
    }
}

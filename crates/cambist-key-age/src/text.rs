//! Foreign text within a longer message.

use cambist_core::foreign::{Foreign, ForeignList};

/// Quotes foreign text.
pub(crate) fn quoted(text: &str) -> String {
    Foreign::new(text).to_string()
}

/// Quotes and joins several foreign texts.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    ForeignList::of(items).to_string()
}

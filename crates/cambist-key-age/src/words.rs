//! Durations and facts in words.

pub(super) use cambist_core::duration::rough as span;

use super::fact::Fact;

/// Facts, one after the other.
pub(super) fn facts(facts: &[Fact]) -> String {
    let words: Vec<_> = facts.iter().map(Fact::to_string).collect();
    if words.is_empty() { "no evidence".to_owned() } else { words.join("; ") }
}

//! Durations and facts in words.

use std::time::Duration;

use super::fact::Fact;

/// A duration at a glance: days and hours, or less.
pub(super) fn span(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Facts, one after the other.
pub(super) fn facts(facts: &[Fact]) -> String {
    let words: Vec<_> = facts.iter().map(Fact::to_string).collect();
    if words.is_empty() { "no evidence".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        for (secs, text) in [
            (0, "0 s"),
            (300, "5 min"),
            (3600, "1 h"),
            (5400, "1 h 30 min"),
            (94 * 86_400, "94 d"),
            (94 * 86_400 - 300, "93 d 23 h"),
        ] {
            assert_eq!(span(Duration::from_secs(secs)), text);
        }
    }
}

//! What must be seen nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// So long is the shortest part of a secret that does harm.
const SHORTEST: usize = 8;

/// The secrets that a test has used so far, each in every part that would do harm. Clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Parts>>);

/// By how they begin, so that a long text is gone through once and not for each of thousands.
type Parts = BTreeMap<[u8; SHORTEST], BTreeSet<String>>;

impl Secrets {
    /// Notes one secret. A token counts in each of its three parts: its signature makes a token of
    /// claims that somebody knows already, and its payload has what a log has no business with.
    pub fn add(&self, secret: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in secret.trim().split('.') {
            if let Some(head) = part.as_bytes().first_chunk() {
                all.entry(*head).or_default().insert(part.to_owned());
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(BTreeSet::len).sum()
    }

    /// Whether there are none, so that a search would prove nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether one of them is in the text.
    pub fn are_in(&self, text: &str) -> bool {
        self.first_in(text).is_some()
    }

    /// Holds that none of them is in the text.
    ///
    /// # Panics
    /// If one is.
    #[track_caller]
    pub fn assert_absent(&self, place: &str, text: &str) {
        if let Some((at, secret)) = self.first_in(text) {
            let line = text[..at].lines().count();
            let head: String = secret.chars().take(6).collect();
            panic!("{place} holds a secret ({head}..., in line {line}):\n{text}");
        }
    }

    /// The first of them in the text, and where it is.
    fn first_in(&self, text: &str) -> Option<(usize, String)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heads = text.as_bytes().windows(SHORTEST).enumerate();
        let mut begun = heads.filter_map(|(at, head)| Some((at, all.get(head)?)));
        begun.find_map(|(at, parts)| {
            let here = &text.as_bytes()[at..];
            let part = parts.iter().find(|part| here.starts_with(part.as_bytes()))?;
            Some((at, part.clone()))
        })
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_found_wherever_it_is_and_nothing_else() {
        let secrets = Secrets::default();
        assert!(secrets.is_empty());
        secrets.add("header-of-it.payload-of-it.ünicode-of-it");
        secrets.add("header-of-another\n");
        secrets.add("short");
        assert_eq!(secrets.len(), 4);
        for text in
            ["header-of-it", "x payload-of-it", "éünicode-of-it.", "a\nheader-of-another\nb"]
        {
            assert!(secrets.are_in(text), "{text}");
        }
        for text in ["", "short", "header-of", "header-of-i", "payload-of_it", "é"] {
            assert!(!secrets.are_in(text), "{text}");
            secrets.assert_absent("a text", text);
        }
        let held = std::panic::catch_unwind(|| secrets.assert_absent("it", "a\nb header-of-it"));
        let said = *held.unwrap_err().downcast::<String>().unwrap();
        assert!(said.starts_with("it holds a secret (header..., in line 2)"), "{said}");
    }
}

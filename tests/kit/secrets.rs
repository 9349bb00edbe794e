//! What must be seen nowhere.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The secrets that a test has used so far, each in every part that would do harm. Clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl Secrets {
    /// Notes one secret. A token counts in each of its three parts: its signature makes a token of
    /// claims that somebody knows already, and its payload has what a log has no business with.
    pub fn add(&self, secret: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in secret.trim().split('.').filter(|part| part.len() >= 8) {
            all.insert(part.to_owned());
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none, so that a search would prove nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether one of them is in the text.
    pub fn are_in(&self, text: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|secret| text.contains(secret))
    }

    /// Holds that none of them is in the text.
    ///
    /// # Panics
    /// If one is.
    #[track_caller]
    pub fn assert_absent(&self, place: &str, text: &str) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in all.iter() {
            if let Some(at) = text.find(secret) {
                let line = text[..at].lines().count();
                let head: String = secret.chars().take(6).collect();
                panic!("{place} holds a secret ({head}..., in line {line}):\n{text}");
            }
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.len())
    }
}

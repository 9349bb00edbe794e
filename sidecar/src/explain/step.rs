//! One decision, told.

use cambist_core::foreign::brief;
use serde::Serialize;

/// Most bytes of a sentence.
pub(super) const SENTENCE: usize = 900;

/// One decision.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    step: &'static str,
    pub(super) state: State,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Warning,
    Failed,
    /// It did not come to that.
    None,
}

impl Step {
    pub(super) fn new(step: &'static str, state: State, says: impl std::fmt::Display) -> Self {
        Self { step, state, says: brief(&says, SENTENCE), fix: None }
    }

    /// The same with what to do, if there is something.
    pub(super) fn with_fix(self, fix: Option<String>) -> Self {
        Self { fix: fix.map(|fix| brief(&fix, SENTENCE)).filter(|fix| !fix.is_empty()), ..self }
    }
}

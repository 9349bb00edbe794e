//! Several identities under one policy, as values: for a sidecar, and for an app that embeds several.

use std::path::PathBuf;

pub use cambist_core::policy::{
    Caller, Denied, Identity as Selectable, Mode, Policy, Selector, SelectorKind, Verdict,
};

use crate::config::Identity;

/// Most identities of one process.
pub const MOST_IDENTITIES: usize = 1000;

/// Most callers of one process: their secrets are all looked at for every request.
pub const MOST_CALLERS: usize = 100;

/// What a variable with a caller's secret is called, or begins with: no other is taken for one by mistake.
pub const SECRET_VARIABLE: &str = "IDENTITY_HEADER";

/// Identities, and the policy of who may have their tokens.
///
/// [Open](crate::config::TrustConfig::open) the trust once, make a [`Credential`](crate::Credential) of each of the
/// [`identities`](Self::identities), and ask the [`policy`](Self::policy) which of them a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identities {
    /// As whom tokens are asked for: one for each identity of the policy, in its order.
    pub identities: Vec<Identity>,
    /// Who may have whose tokens, and what for.
    pub policy: Policy,
    /// How each caller of the policy is known, in its order.
    pub known_by: Vec<KnownBy>,
    /// What is allowed and still worth a warning.
    pub warnings: Vec<String>,
}

/// How a caller is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownBy {
    /// By the secret in any of these files.
    Files(Vec<PathBuf>),
    /// By the secret in this variable of the process.
    Variable(String),
    /// By nothing.
    Nothing,
}

impl Identities {
    /// These identities under this policy, in its order.
    ///
    /// # Panics
    /// If there is not one identity for each of the policy's, or not one way to know each caller.
    pub fn new(identities: Vec<Identity>, policy: Policy, known_by: Vec<KnownBy>) -> Self {
        assert_eq!(identities.len(), policy.identities().len(), "one for each of the policy's");
        assert_eq!(known_by.len(), policy.callers().len(), "one for each caller");
        Self { identities, policy, known_by, warnings: Vec::new() }
    }

    /// Whether any caller is known by a secret.
    pub fn have_secrets(&self) -> bool {
        self.known_by.iter().any(|it| *it != KnownBy::Nothing)
    }
}

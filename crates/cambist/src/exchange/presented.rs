//! What is shown to Entra in exchange for a token.

use cambist_core::admission::{Assertion, Standing};
use cambist_core::foreign::Foreign;
use cambist_core::jwks::KeyId;
use cambist_core::secret::Secret;

use crate::credential::AgentAssertion;

/// All that can be exchanged. Neither is made of a token that somebody brings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presented<'a> {
    /// The projected token, once it is admitted.
    Projected(&'a Assertion),
    /// What a blueprint gave to stand for its agent identity, in exchange for that.
    Agent(&'a AgentAssertion),
}

impl<'a> Presented<'a> {
    /// The token, to be sent to Entra and nowhere else.
    pub(super) fn secret(self) -> &'a Secret {
        match self {
            Self::Projected(assertion) => assertion.secret(),
            Self::Agent(assertion) => assertion.token().secret(),
        }
    }

    /// What is known of the projected token that it is or came of.
    pub(super) fn standing(self) -> Option<Standing> {
        match self {
            Self::Projected(assertion) => Some(assertion.standing()),
            Self::Agent(assertion) => assertion.token().standing(),
        }
    }

    /// The id (`jti`) of the projected token that it is or came of.
    pub(super) fn assertion_id(self) -> Option<Foreign> {
        match self {
            Self::Projected(assertion) => assertion.claims().id.as_ref().map(Foreign::new),
            Self::Agent(assertion) => assertion.token().receipt().assertion.clone(),
        }
    }

    /// The name of the key that signed it. What Entra signed is not taken apart.
    pub(super) fn kid(self) -> Option<&'a KeyId> {
        match self {
            Self::Projected(assertion) => assertion.kid(),
            Self::Agent(_) => None,
        }
    }
}

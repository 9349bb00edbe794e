//! Why a caller gets no token.

use crate::foreign::Foreign;

/// Why a caller gets no token. Says only what this caller may know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// It names an identity that it may not have, or that does not exist.
    #[error("Identity not found: the request names the {selector}, and {caller} may have {own}")]
    NotFound {
        /// Who asked.
        caller: String,
        /// What it named.
        selector: String,
        /// The names of those it may have.
        own: String,
    },
    /// It names none, or not enough, and may have several.
    #[error(
        "{caller} may have {own}, and none of them is its default: name one, by client_id, object_id or mi_res_id \
         (in an SDK, by the identity given to its credential)"
    )]
    Ambiguous {
        /// Who asked.
        caller: String,
        /// The names of those it may mean.
        own: String,
    },
    /// The policy gives it nothing at all.
    #[error("the policy gives {caller} no identity")]
    Nothing {
        /// Who asked.
        caller: String,
    },
    /// The identity is its own, but not for this.
    #[error("the policy gives {caller} no token of {identity} for {resource}")]
    Resource {
        /// Who asked.
        caller: String,
        /// Whose token.
        identity: String,
        /// What for.
        resource: Foreign,
    },
}

//! The one error of the library.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cambist_core::admission::Refusal;
#[cfg(feature = "azure")]
use cambist_core::foreign::ForeignList;
use cambist_core::refresh::Failure;

use http::StatusCode;

use crate::exchange::{EntraError, ExchangeError};
use crate::issuer_keys::error::KeysError;
use crate::principal::Principal;
use crate::reason::{Class, Reason};
use crate::receipt::RequestId;
use crate::token_file::TokenFileError;

/// Why there is no token.
///
/// It prints what was compared with what and what to do about it; [`reason`](Self::reason) is the
/// same in one stable word. Cheap to clone: everybody who waited for the same work gets it.
#[derive(Clone)]
pub struct Error {
    kind: Arc<Kind>,
    retry_after: Option<Duration>,
    blueprint: Option<Principal>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    #[error("the projected token is not sent to Entra: {0}")]
    Refused(#[from] Refusal),
    #[error("the projected token is not sent to Entra yet: {0}")]
    KeyPending(KeysError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(
        "{0} scopes are held or being fetched, which is all there is room for; an app that needs more is asking for something else than resources"
    )]
    CacheFull(usize),
    #[error(
        "more than {0} scopes were asked for in a short time; new ones are taken up one a second, so that no caller can drive this identity into throttling"
    )]
    TooManyScopes(usize),
    #[error(
        "the work for this token ended without a result; this is a defect of cambist, please report it"
    )]
    Lost,
    #[cfg(feature = "azure")]
    #[error("the developer's own sign-in gave no token: {0}")]
    Developer(ForeignList),
    #[cfg(any(test, feature = "test-util"))]
    #[error("there is no token, since the test that it is for said so ({0})")]
    Fixed(Reason),
}

impl Error {
    /// The reason.
    pub fn reason(&self) -> Reason {
        match &*self.kind {
            Kind::TokenFile(error) => error.reason(),
            Kind::Refused(refusal) => Reason::of_word(refusal.as_str()),
            Kind::KeyPending(_) => Reason::UnknownKid,
            Kind::Exchange(error) => error.reason(),
            Kind::CacheFull(_) => Reason::CacheFull,
            Kind::TooManyScopes(_) => Reason::TooManyScopes,
            Kind::Lost => Reason::Internal,
            #[cfg(feature = "azure")]
            Kind::Developer(_) => Reason::DeveloperSignIn,
            #[cfg(any(test, feature = "test-util"))]
            Kind::Fixed(reason) => *reason,
        }
    }

    /// What kind of trouble it is.
    pub fn class(&self) -> Class {
        let too_many = Some(StatusCode::TOO_MANY_REQUESTS);
        match (&*self.kind, self.reason().class()) {
            (Kind::Exchange(error), Class::Transient) if error.status() == too_many => {
                Class::Throttled
            }
            (_, class) => class,
        }
    }

    /// How long it is of no use to ask again, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The blueprint that was asked in vain, if it was the first of an agent identity's two exchanges that
    /// failed; it [names](Principal::agent) the agent.
    pub fn blueprint(&self) -> Option<&Principal> {
        self.blueprint.as_ref()
    }

    /// The id of the exchange that failed, if it came to one: the tenant's sign-in log has it as the
    /// correlation id.
    pub fn request_id(&self) -> Option<RequestId> {
        match &*self.kind {
            Kind::Exchange(error) => Some(error.request_id()),
            _ => None,
        }
    }

    /// What Entra said, if it was Entra that refused.
    pub fn entra(&self) -> Option<&EntraError> {
        match &*self.kind {
            Kind::Exchange(error) => error.entra(),
            _ => None,
        }
    }

    pub(crate) fn new(kind: impl Into<Kind>) -> Self {
        let kind = kind.into();
        let retry_after = match &kind {
            Kind::Exchange(error) => error.retry_after(),
            _ => None,
        };
        Self { kind: Arc::new(kind), retry_after, blueprint: None }
    }

    /// The same at the first of an agent identity's two exchanges.
    pub(crate) fn of_blueprint(self, blueprint: Principal) -> Self {
        Self { blueprint: Some(blueprint), ..self }
    }

    /// How long an upstream asked to be left alone.
    pub(crate) fn asked_pause(&self) -> Option<Duration> {
        match &*self.kind {
            Kind::Exchange(error) => error.retry_after(),
            _ => None,
        }
    }

    pub(crate) fn with_retry_after(&self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self.clone() }
    }

    /// Whether Entra found the assertion too old (or too young).
    pub(crate) fn is_stale_assertion(&self) -> bool {
        matches!(&*self.kind, Kind::Exchange(error) if error.is_stale_assertion())
    }

    /// Whether another projected token may do what this one did not. Never where the upstream asked to
    /// be left alone.
    pub(crate) fn is_of_assertion(&self) -> bool {
        match &*self.kind {
            Kind::TokenFile(_) | Kind::Refused(_) | Kind::KeyPending(_) => true,
            Kind::Exchange(error) => {
                let of_assertion = matches!(
                    error.reason(),
                    Reason::EntraNoMatchingCredential
                        | Reason::EntraAssertionStale
                        | Reason::EntraAssertionInvalid
                        | Reason::EntraSignatureUnknown
                        | Reason::EntraSignatureInvalid
                        | Reason::EntraWrongCredential
                        | Reason::EntraIssuedAssertion
                        | Reason::TokenProxyRefused
                );
                of_assertion && error.retry_after().is_none()
            }
            _ => false,
        }
    }

    /// How the next try is to be timed.
    pub(crate) fn failure(&self) -> Failure {
        match &*self.kind {
            Kind::Exchange(error) => error.failure(),
            Kind::KeyPending(_) | Kind::Refused(Refusal::Held { .. }) => Failure::Looking,
            // Found out here, for nothing but a look at a file: a new one is noticed soon.
            Kind::TokenFile(_) | Kind::Refused(_) | Kind::Lost => Failure::Transient,
            Kind::CacheFull(_) | Kind::TooManyScopes(_) => Failure::Transient,
            #[cfg(feature = "azure")]
            Kind::Developer(_) => Failure::Transient,
            #[cfg(any(test, feature = "test-util"))]
            Kind::Fixed(reason) if reason.is_retryable() => Failure::Transient,
            #[cfg(any(test, feature = "test-util"))]
            Kind::Fixed(_) => Failure::Permanent,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(blueprint) = &self.blueprint {
            let (client, agent) = (blueprint.client_id(), blueprint.agent().unwrap_or_default());
            write!(f, "at the first of two exchanges, as blueprint {client} for agent {agent}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("reason", &self.reason().as_str()).field("message", &self.to_string());
        out.field("retry_after", &self.retry_after).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

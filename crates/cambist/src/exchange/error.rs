//! Why there is no Azure token.

use std::fmt;
use std::time::Duration;

use cambist_core::admission::Assertion;
use cambist_core::refresh::Failure;
use cambist_core::scope::Scope;
use http::StatusCode;

use super::TenantId;
use super::aadsts::Trouble;
use crate::transport::TransportError;

/// Why an exchange gave no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// There was no whole reply.
    #[error("no usable answer to the exchange: {0}")]
    Transport(#[from] TransportError),
    /// Entra said why not.
    #[error(transparent)]
    Entra(#[from] Box<EntraError>),
    /// The reply cannot be used.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// A refusal in Entra's own words, cleaned of anything that looks like a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraError {
    pub(super) status: StatusCode,
    pub(super) error: String,
    pub(super) suberror: Option<String>,
    pub(super) codes: Vec<u32>,
    pub(super) description: String,
    pub(super) correlation_id: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) timestamp: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) trouble: Trouble,
    pub(super) fix: String,
}

/// A reply that is neither a token nor an error in Entra's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} answered with status {}, but {fault}", .answerer.as_str(), .status.as_u16())]
pub struct ReplyError {
    pub(super) answerer: Answerer,
    pub(super) status: StatusCode,
    pub(super) fault: ReplyFault,
    pub(super) retry_after: Option<Duration>,
}

/// Who is known to have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answerer {
    /// Entra, as far as TLS can tell.
    Authority,
    /// A cluster's token proxy. A reply that is not in Entra's form is its own.
    TokenProxy,
}

impl Answerer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "the authority",
            Self::TokenProxy => "the token proxy (AZURE_KUBERNETES_TOKEN_PROXY)",
        }
    }
}

/// What is wrong with a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// A redirect, which is not followed: the assertion goes to one place only.
    #[error("the redirect{} is refused: tokens are sent to the configured authority alone; is a captive portal or a proxy in between?", to(.0))]
    Redirect(Option<String>),
    /// A status that a token endpoint has no use for.
    #[error("that status means nothing here; is AZURE_AUTHORITY_HOST really an authority?")]
    Status,
    /// No body.
    #[error("the body is empty")]
    Empty,
    /// A page for people.
    #[error("the body is an HTML page, not JSON; did a proxy or a gateway answer?")]
    Html,
    /// No JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// JSON that ends too early.
    #[error("the body ends in the middle of its JSON")]
    CutOff,
    /// JSON of another kind.
    #[error("the body is JSON but no object")]
    NotAnObject,
    /// An object that means two things.
    #[error("the body's JSON says a name twice")]
    NameTwice,
    /// A member that is missing or senseless.
    #[error("the member {name:?} must be {expected}, found {found}")]
    Member {
        /// The member.
        name: &'static str,
        /// What must stand there.
        expected: &'static str,
        /// What stands there; never a text's content.
        found: String,
    },
}

fn to(host: &Option<String>) -> String {
    host.as_ref().map(|host| format!(" to {host}")).unwrap_or_default()
}

impl ExchangeError {
    pub(super) fn by(mut self, answerer: Answerer) -> Self {
        match self {
            Self::Reply(ref mut error) => error.answerer = answerer,
            // That the time was over is found out above the transport, which knows its role.
            Self::Transport(error) if answerer == Answerer::TokenProxy => {
                return Self::Transport(error.of_token_proxy());
            }
            Self::Transport(_) | Self::Entra(_) => {}
        }
        self
    }

    /// How the next try is to be timed.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Transport(_) => Failure::Transient,
            Self::Entra(error) => error.trouble.failure(),
            Self::Reply(error) => error.failure(),
        }
    }

    /// How long Entra asked to be left alone; an hour at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transport(_) => None,
            Self::Entra(error) => error.retry_after,
            Self::Reply(error) => error.retry_after,
        }
    }

    /// The HTTP status, if there was a reply.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Transport(_) => None,
            Self::Entra(error) => Some(error.status),
            Self::Reply(error) => Some(error.status),
        }
    }

    /// What Entra said, if it said why.
    pub fn entra(&self) -> Option<&EntraError> {
        match self {
            Self::Entra(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the assertion was too old or too young (AADSTS700024 and its kin): reading the token
    /// file again may help at once.
    pub fn is_stale_assertion(&self) -> bool {
        self.entra().is_some_and(|error| error.trouble == Trouble::StaleAssertion)
    }

    /// Whether Entra does not know the key that signed the assertion (AADSTS7000272).
    pub fn is_signature_unknown(&self) -> bool {
        self.entra().is_some_and(|error| error.trouble == Trouble::UnknownSignature)
    }

    /// What went wrong, as one stable word for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Transport(error) => error.reason(),
            Self::Entra(error) => error.trouble.reason(),
            Self::Reply(error) => error.reason(),
        }
    }
}

impl ReplyError {
    pub(super) fn new(
        status: StatusCode,
        fault: ReplyFault,
        retry_after: Option<Duration>,
    ) -> Self {
        Self { answerer: Answerer::Authority, status, fault, retry_after }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong.
    pub fn fault(&self) -> &ReplyFault {
        &self.fault
    }

    fn failure(&self) -> Failure {
        match self.status.as_u16() {
            408 | 429 => Failure::Transient,
            400..500 => Failure::Permanent,
            _ => Failure::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        use Answerer::{Authority, TokenProxy};
        match (self.answerer, &self.fault, self.status.as_u16()) {
            (_, ReplyFault::Redirect(_), _) => "redirect_refused",
            (Authority, _, 429) => "entra_throttled",
            (Authority, _, 408 | 500..) => "entra_unavailable",
            (Authority, _, 400..500) => "entra_refused",
            (Authority, ..) => "entra_reply_unusable",
            (TokenProxy, _, 429) => "token_proxy_throttled",
            (TokenProxy, _, 408 | 500..) => "token_proxy_unavailable",
            (TokenProxy, _, 400..500) => "token_proxy_refused",
            (TokenProxy, ..) => "token_proxy_reply_unusable",
        }
    }
}

impl EntraError {
    /// The HTTP status: 400 or 401 for most refusals, for the same code at different times.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// OAuth's `error`, such as `invalid_client`.
    pub fn error(&self) -> &str {
        &self.error
    }

    /// Entra's `suberror`.
    pub fn suberror(&self) -> Option<&str> {
        self.suberror.as_deref()
    }

    /// The AADSTS codes, the most telling first as a rule.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The first line of `error_description`, without the ids that follow it.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The id under which the tenant's sign-in log has this request.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// The id that Microsoft's support asks for.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// When it happened, by Entra's clock and in Entra's form.
    pub fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }

    /// What to compare with what, and what to do.
    pub fn fix(&self) -> &str {
        &self.fix
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entra refused with status {}, {}", self.status.as_u16(), self.error)?;
        match (self.description.as_str(), self.codes.first()) {
            ("", Some(code)) => write!(f, ", AADSTS{code}")?,
            ("", None) => {}
            (description, _) => write!(f, ": {}", description.trim_end_matches('.'))?,
        }
        write!(f, ". {}.", self.fix)?;
        let ids = [
            ("trace id", &self.trace_id),
            ("correlation id", &self.correlation_id),
            ("at", &self.timestamp),
        ];
        let ids = ids.into_iter().filter_map(|(name, id)| Some(format!("{name} {}", id.as_ref()?)));
        let ids = ids.collect::<Vec<_>>().join(", ");
        if ids.is_empty() { Ok(()) } else { write!(f, " ({ids})") }
    }
}

impl std::error::Error for EntraError {}

/// What was asked for and with what, to be held against what Entra knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) assertion: &'a Assertion,
    pub(super) scope: &'a Scope,
    pub(super) client_id: &'a str,
    pub(super) tenant: &'a TenantId,
}

impl Asked<'_> {
    pub(super) fn issuer(&self) -> String {
        cut(&self.assertion.claims().issuer)
    }

    /// The name of the key that signed, quoted.
    pub(super) fn key(&self) -> String {
        self.assertion.kid().map_or_else(|| "(none)".to_owned(), ToString::to_string)
    }

    /// Issuer, subject and audience, each quoted.
    pub(super) fn presented(&self) -> String {
        let claims = self.assertion.claims();
        let audiences = claims.audiences.iter().take(3).map(|a| format!("{:?}", cut(a)));
        let audiences = audiences.collect::<Vec<_>>().join(", ");
        let (issuer, subject) = (self.issuer(), cut(&claims.subject));
        format!("issuer {issuer:?}, subject {subject:?}, audience {audiences}")
    }
}

/// Entra keeps no more than 600 characters of any of them.
fn cut(claim: &str) -> String {
    claim.chars().take(600).collect()
}

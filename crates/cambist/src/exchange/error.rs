//! Why there is no Azure token.

use std::fmt;
use std::time::Duration;

use cambist_core::Found;
use cambist_core::foreign::Foreign;
use cambist_core::refresh::Failure;
use http::StatusCode;

use super::aadsts::Trouble;
use crate::reason::Reason;
use crate::receipt::{Ids, RequestId};
use crate::transport::TransportError;

/// Why an exchange gave no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// There was no whole reply.
    #[error("no usable answer to the exchange: {error}")]
    Transport {
        /// What went wrong on the way.
        #[source]
        error: TransportError,
        /// The id that it was sent with.
        request_id: RequestId,
    },
    /// Entra said why not.
    #[error(transparent)]
    Entra(#[from] Box<EntraError>),
    /// The reply cannot be used.
    #[error(transparent)]
    Reply(#[from] Box<ReplyError>),
}

/// A refusal in Entra's own words, cleaned of anything that looks like a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraError {
    pub(super) ids: Ids,
    pub(super) status: StatusCode,
    pub(super) error: Foreign,
    pub(super) suberror: Option<Foreign>,
    pub(super) codes: Vec<u32>,
    pub(super) description: Option<Foreign>,
    pub(super) trace_id: Option<Foreign>,
    pub(super) timestamp: Option<Foreign>,
    pub(super) retry_after: Option<Duration>,
    pub(super) trouble: Trouble,
    pub(super) signer_known_for: Duration,
    pub(super) fix: String,
}

/// A reply that is neither a token nor an error in Entra's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} answered with status {}, {}{fault}", .answerer.as_str(), .status.as_u16(), meaning(.status))]
pub struct ReplyError {
    pub(super) answerer: Answerer,
    pub(super) ids: Ids,
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
    Redirect(Option<Foreign>),
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
        /// What stands there; of a text only what is short.
        found: Found,
    },
}

/// What a status means whatever stands below it: throttling comes as plain text.
fn meaning(status: &StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "which asks for fewer requests: it is asked again after a pause; ",
        _ => "but ",
    }
}

fn to(host: &Option<Foreign>) -> String {
    host.as_ref().map(|host| format!(" to {}", host.as_str())).unwrap_or_default()
}

impl ExchangeError {
    pub(super) fn by(mut self, answerer: Answerer) -> Self {
        match self {
            Self::Reply(ref mut error) => error.answerer = answerer,
            // That the time was over is found out above the transport, which knows its role.
            Self::Transport { error, request_id } if answerer == Answerer::TokenProxy => {
                return Self::Transport { error: error.of_token_proxy(), request_id };
            }
            Self::Transport { .. } | Self::Entra(_) => {}
        }
        self
    }

    /// How the next try is to be timed.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Transport { .. } => Failure::Transient,
            Self::Entra(error) => error.failure(),
            Self::Reply(error) => error.failure(),
        }
    }

    /// How long Entra asked to be left alone; an hour at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transport { .. } => None,
            Self::Entra(error) => error.retry_after,
            Self::Reply(error) => error.retry_after,
        }
    }

    /// The id of the exchange, here and in the tenant's sign-in log.
    pub fn request_id(&self) -> RequestId {
        self.ids().map_or_else(|request_id| request_id, |ids| ids.request)
    }

    /// The id that Entra gave the request (`x-ms-request-id`), if it answered at all.
    pub fn entra_request_id(&self) -> Option<&str> {
        self.ids().ok()?.entra.as_ref().map(Foreign::as_str)
    }

    fn ids(&self) -> Result<&Ids, RequestId> {
        match self {
            Self::Transport { request_id, .. } => Err(*request_id),
            Self::Entra(error) => Ok(&error.ids),
            Self::Reply(error) => Ok(&error.ids),
        }
    }

    /// The HTTP status, if there was a reply.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Transport { .. } => None,
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

    /// What went wrong.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Transport { error, .. } => error.reason(),
            Self::Entra(error) => error.trouble.reason(),
            Self::Reply(error) => error.reason(),
        }
    }
}

impl ReplyError {
    pub(super) fn new(
        ids: Ids,
        status: StatusCode,
        fault: ReplyFault,
        retry_after: Option<Duration>,
    ) -> Box<Self> {
        Box::new(Self { answerer: Answerer::Authority, ids, status, fault, retry_after })
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong.
    pub fn fault(&self) -> &ReplyFault {
        &self.fault
    }

    /// A refusal lasts only if whoever decides has said so: what is not in Entra's form may be a gateway's
    /// or a captive portal's, and be over with it. A token proxy has no form of its own.
    fn failure(&self) -> Failure {
        match (self.answerer, self.status.as_u16()) {
            (_, 408 | 429) => Failure::Transient,
            (Answerer::TokenProxy, 400..500) => Failure::Permanent,
            _ => Failure::Transient,
        }
    }

    fn reason(&self) -> Reason {
        use Answerer::{Authority, TokenProxy};
        match (self.answerer, &self.fault, self.status.as_u16()) {
            (_, ReplyFault::Redirect(_), _) => Reason::RedirectRefused,
            (Authority, _, 429) => Reason::EntraThrottled,
            (Authority, _, 408 | 500..) => Reason::EntraUnavailable,
            (Authority, ..) => Reason::EntraReplyUnusable,
            (TokenProxy, _, 429) => Reason::TokenProxyThrottled,
            (TokenProxy, _, 408 | 500..) => Reason::TokenProxyUnavailable,
            (TokenProxy, _, 400..500) => Reason::TokenProxyRefused,
            (TokenProxy, ..) => Reason::TokenProxyReplyUnusable,
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
        self.error.as_str()
    }

    /// Entra's `suberror`.
    pub fn suberror(&self) -> Option<&str> {
        self.suberror.as_ref().map(Foreign::as_str)
    }

    /// The AADSTS codes, the most telling first as a rule.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The first of its codes that is known here, of which there are about a hundred: fit for what must be of a
    /// closed set, such as a metric's label.
    pub fn known_code(&self) -> Option<u32> {
        Trouble::known_code(&self.codes)
    }

    /// The first line of `error_description`, without the ids that follow it and a full stop.
    pub fn description(&self) -> &str {
        self.description.as_ref().map_or("", Foreign::as_str)
    }

    /// The id of the exchange, which it was sent with.
    pub fn request_id(&self) -> RequestId {
        self.ids.request
    }

    /// The id that Entra gave the request (`x-ms-request-id`).
    pub fn entra_request_id(&self) -> Option<&str> {
        self.ids.entra.as_ref().map(Foreign::as_str)
    }

    /// The id under which the tenant's sign-in log has this request: ours as a rule.
    pub fn correlation_id(&self) -> Option<&str> {
        self.ids.correlation.as_ref().map(Foreign::as_str)
    }

    /// The id that Microsoft's support asks for.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_ref().map(Foreign::as_str)
    }

    /// When it happened, by Entra's clock and in Entra's form.
    pub fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_ref().map(Foreign::as_str)
    }

    /// What to compare with what, and what to do.
    pub fn fix(&self) -> &str {
        &self.fix
    }

    fn failure(&self) -> Failure {
        match self.trouble.failure() {
            Failure::Learning => Failure::learning(self.signer_known_for),
            failure => failure,
        }
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entra refused with status {}, ", self.status.as_u16())?;
        // OAuth's own words stand there as they are; no sentence can pass for one.
        let is_word = |b: u8| b.is_ascii_lowercase() || b == b'_';
        match self.error.as_str() {
            word if word.bytes().all(is_word) => f.write_str(word)?,
            _ => self.error.fmt(f)?,
        }
        match (&self.description, self.codes.first()) {
            (None, Some(code)) => write!(f, ", AADSTS{code}")?,
            (None, None) => {}
            (Some(description), _) => write!(f, ": {description}")?,
        }
        let end = if self.fix.ends_with('?') { "" } else { "." };
        write!(f, ". {}{end}", self.fix)?;
        let ids = [
            ("trace id", &self.trace_id),
            ("correlation id", &self.ids.correlation),
            ("at", &self.timestamp),
        ];
        let ids = ids
            .into_iter()
            .filter_map(|(name, id)| Some(format!("{name} {}", id.as_ref()?.as_str())));
        let ids = ids.collect::<Vec<_>>().join(", ");
        if ids.is_empty() { Ok(()) } else { write!(f, " ({ids})") }
    }
}

impl std::error::Error for EntraError {}

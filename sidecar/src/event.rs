//! What happens at the endpoints, typed like the library's own events, which come along.
//!
//! Readers match on all of these: whoever adds one is shown by the compiler who is to hear of it.

use std::path::Path;
use std::time::Duration;

use cambist::event::ServedHow;
use cambist::{AccessToken, Error, Principal};
use http::StatusCode;

use crate::listener::Recalled;
use crate::request::{Protocol, Rejection};
use crate::telemetry::Pair;

/// Something that happened in this sidecar.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The library tells of its work.
    Library(&'a cambist::Event<'a>),
    /// A request of the wrong shape was refused.
    Refused(Refused<'a>),
    /// A request to the admin listener was refused at the door.
    TurnedAway(TurnedAway<'a>),
    /// A request for a token was answered without one.
    Failed(Failed<'a>),
    /// A request for a token could not wait for it, or no longer.
    SentAway(SentAway<'a>),
    /// A request was answered with a token.
    Granted(Granted<'a>),
    /// A request is answered that the policy would refuse if it were enforced.
    WouldDeny(WouldDeny<'a>),
    /// The policy or a secret had changed.
    Reloaded(Reloaded<'a>),
}

/// A request of the wrong shape was refused.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Refused<'a> {
    /// How it was asked, if its path says so.
    pub protocol: Option<Protocol>,
    /// Why.
    pub rejection: &'a Rejection,
}

/// A request to the admin listener was refused at the door.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TurnedAway<'a> {
    /// Why.
    pub rejection: &'a Rejection,
}

/// A request for a token, as far as it was decided.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TokenRequest<'a> {
    /// How it was asked.
    pub protocol: Protocol,
    /// Who asked, and whose token was asked for, as the policy calls them.
    pub pair: &'a Pair,
    /// Whose token was asked for.
    pub principal: &'a Principal,
    /// What for, as the app wrote it.
    pub resource: &'a str,
}

/// A request for a token was answered without one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failed<'a> {
    /// What was asked.
    pub request: TokenRequest<'a>,
    /// What was answered.
    pub status: StatusCode,
    /// Why there is none.
    pub error: &'a Error,
    /// How long it was waited for.
    pub waited: Duration,
}

/// A request for a token could not wait for it, or no longer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SentAway<'a> {
    /// What was asked.
    pub request: TokenRequest<'a>,
    /// Why not.
    pub recalled: Recalled,
    /// How long it was waited for.
    pub waited: Duration,
}

/// A request was answered with a token.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Granted<'a> {
    /// What was asked.
    pub request: TokenRequest<'a>,
    /// The token, with its receipt.
    pub token: &'a AccessToken,
    /// Where it was from.
    pub how: ServedHow,
    /// How long it was waited for; zero for what was there.
    pub waited: Duration,
}

/// A request is answered that the policy would refuse if it were enforced.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WouldDeny<'a> {
    /// What is asked.
    pub request: TokenRequest<'a>,
}

impl SentAway<'_> {
    /// What was answered.
    pub const STATUS: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
}

/// The policy or a secret had changed, and was taken over or not.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Reloaded<'a> {
    /// It is in force from now on.
    Applied {
        /// How many identities there are.
        identities: usize,
        /// How many callers.
        callers: usize,
        /// The files with their projected tokens.
        token_files: &'a [&'a Path],
        /// What is allowed and still worth a warning.
        warnings: &'a [String],
    },
    /// What is there now is no good; what was in force is so still.
    Refused {
        /// What is wrong with it.
        problem: &'a str,
    },
    /// What was no good is again as what is in force.
    Unchanged,
}

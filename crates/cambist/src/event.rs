//! What happens, typed: for metrics, the audit log, traces, and whoever else keeps count.
//!
//! An event borrows everything that it tells of: to make one allocates nothing and takes no lock, and
//! whoever is told looks at what it needs. None holds a secret that prints.

use std::path::Path;
use std::time::Duration;

use cambist_core::admission::Assertion;
use cambist_core::clock::UnixTime;
use cambist_core::issuer::IssuerUrl;
use cambist_core::scope::Scope;
use cambist_core::subject::ServiceAccount;

use crate::error::Error;
use crate::exchange::AccessToken;
use crate::issuer_keys::error::FetchError;
use crate::key_age::report::Report;
use crate::principal::Principal;
use crate::receipt::{Purpose, Receipt, RequestId};

mod words;

pub use words::{FileKind, FileOutcome, Hop, KeySource, KeysOutcome, ServedHow};

/// Something that happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A reader got an answer.
    Served(Served<'a>),
    /// A projected token was judged and may be sent.
    Admitted(Admitted<'a>),
    /// The work for a token ended: reading, judging and exchanging together. Of an agent identity, the
    /// work for what its blueprint gives is work of its own.
    Fetched(Fetched<'a>),
    /// Somebody looked for an issuer's keys.
    KeysFetched(KeysFetched<'a>),
    /// The ages of an issuer's keys were judged anew.
    KeysJudged(KeysJudged<'a>),
    /// The history of the issuer's keys cannot be used as it is.
    HistoryAiling(HistoryAiling<'a>),
    /// A file that was looked at has changed.
    FileChanged(FileChanged<'a>),
    /// A caller was not let in by an [`AuthenticateLayer`](crate::layer::AuthenticateLayer).
    CallerDenied(CallerDenied<'a>),
}

/// A reader got an answer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Served<'a> {
    /// Whose token was asked for.
    pub principal: &'a Principal,
    /// What for.
    pub scope: &'a Scope,
    /// How it was answered.
    pub how: ServedHow,
    /// With what.
    pub outcome: Result<&'a AccessToken, &'a Error>,
    /// How long the reader waited; zero for what was there.
    pub waited: Duration,
}

/// A projected token was judged and may be sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Admitted<'a> {
    /// Whom it stands for; of an agent identity, its blueprint.
    pub principal: &'a Principal,
    /// What is to be asked for with it; `None` if somebody else exchanges it.
    pub purpose: Option<Purpose<'a>>,
    /// The token, with what is known of it.
    pub assertion: &'a Assertion,
}

/// The work for a token ended: reading, judging and exchanging together.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fetched<'a> {
    /// Whose token it is; at the first of an agent identity's [hops](Self::hop), its blueprint.
    pub principal: &'a Principal,
    /// What for.
    pub scope: &'a Scope,
    /// The token, with its receipt; or why there is none.
    pub outcome: Result<&'a AccessToken, &'a Error>,
    /// How long it took, with waiting for a place among the exchanges.
    pub took: Duration,
}

/// Somebody looked for an issuer's keys.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeysFetched<'a> {
    /// Whose.
    pub issuer: &'a IssuerUrl,
    /// Where.
    pub source: KeySource,
    /// Whether a usable set was read, or why not.
    pub result: Result<(), &'a FetchError>,
    /// When the answer was there, by the wall clock.
    pub at: UnixTime,
    /// How long it took.
    pub took: Duration,
}

/// The ages of an issuer's keys were judged anew.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeysJudged<'a> {
    /// Whose.
    pub issuer: &'a IssuerUrl,
    /// What is to be said of them.
    pub report: &'a Report,
}

/// The history of the issuer's keys cannot be used as it is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HistoryAiling<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What is wrong with it.
    pub problem: &'a str,
}

/// A file that [`look_at_files`](crate::Trust::look_at_files) looked at has changed, and stayed so.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FileChanged<'a> {
    /// What it is for.
    pub kind: FileKind,
    /// The variable that it is named by, or would be.
    pub name: &'static str,
    /// Which.
    pub path: &'a Path,
    /// Whether what it holds was taken up, also if that was in use before and is there again; or, with
    /// the file's name, why it was not. What was in use before then goes on.
    pub result: Result<(), &'a str>,
}

/// A caller was not let in. Whoever may come near can bring this about as often as they like: count it, or
/// tell it sparingly.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallerDenied<'a> {
    /// Whose tokens are taken.
    pub issuer: &'a IssuerUrl,
    /// Which caller, once its token was verified: one who was not allowed.
    pub account: Option<&'a ServiceAccount>,
    /// Why not, in the word that `x-cambist-reason` has.
    pub reason: &'static str,
    /// When it may work, if it may: what could not be checked is neither true nor false.
    pub retry_after: Option<Duration>,
}

impl Served<'_> {
    /// The id of the exchange that the token or the error came of, if it came to one.
    pub fn request_id(&self) -> Option<RequestId> {
        request_id(self.outcome)
    }
}

impl<'a> Fetched<'a> {
    /// The id of the exchange, if it came to one; of two tries, that of the last.
    pub fn request_id(&self) -> Option<RequestId> {
        request_id(self.outcome)
    }

    /// Which of an identity's exchanges it was. A failure of the first one is told twice: of it, and
    /// of each token that could not be had for it, whose error then [names](Error::blueprint) the
    /// blueprint.
    pub fn hop(&self) -> Hop {
        self.principal.agent().map_or(Hop::Resource, |_| Hop::Blueprint)
    }

    /// How the token was had, if it was.
    pub fn receipt(&self) -> Option<&'a Receipt> {
        self.outcome.ok().map(AccessToken::receipt)
    }
}

impl KeysFetched<'_> {
    /// How it ended, in one of the words that it is counted by.
    pub fn outcome(&self) -> KeysOutcome {
        self.result.map_or(KeysOutcome::Failed, |()| KeysOutcome::Read)
    }
}

impl FileChanged<'_> {
    /// How it ended, in one of the words that it is counted by.
    pub fn outcome(&self) -> FileOutcome {
        self.result.map_or(FileOutcome::Refused, |()| FileOutcome::Applied)
    }
}

fn request_id(outcome: Result<&AccessToken, &Error>) -> Option<RequestId> {
    match outcome {
        Ok(token) => Some(token.receipt().request_id()),
        Err(error) => error.request_id(),
    }
}

#[cfg(test)]
mod tests;

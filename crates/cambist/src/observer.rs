//! What happens, told to whoever keeps count: metrics, the audit log, traces.

use std::fmt;
use std::time::Duration;

use cambist_core::admission::Assertion;
use cambist_core::scope::Scope;

use crate::error::Error;
use crate::exchange::AccessToken;
use crate::key_age::report::Report;

/// Somebody who is told what happens. Every method does nothing unless overridden, is called on the
/// path it reports and must return at once.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A reader got an answer.
    fn served(&self, scope: &Scope, how: Served) {
        let _ = (scope, how);
    }

    /// A projected token was judged and may be sent.
    fn admitted(&self, assertion: &Assertion) {
        let _ = assertion;
    }

    /// The work for a token ended: reading, judging and exchanging together.
    fn fetched(&self, scope: &Scope, outcome: Result<&AccessToken, &Error>, took: Duration) {
        let _ = (scope, outcome, took);
    }

    /// Somebody looked for the issuer's keys.
    fn keys_fetched(&self, source: KeySource, outcome: KeysOutcome, detail: &str) {
        let _ = (source, outcome, detail);
    }

    /// The ledger of the issuer's keys cannot be used as it is.
    fn ledger_ailing(&self, problem: &str) {
        let _ = problem;
    }

    /// The ages of the issuer's keys were judged anew.
    fn keys_judged(&self, report: &Report) {
        let _ = report;
    }
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// How a reader was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Served {
    /// From the cache, at once.
    Hit,
    /// From the cache although the token should have been refreshed by now.
    Held,
    /// After waiting for the work to be done.
    Fetched,
    /// With an error.
    Failed,
}

impl Served {
    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Held => "held",
            Self::Fetched => "fetched",
            Self::Failed => "failed",
        }
    }
}

/// Where an issuer's keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// The issuer's public discovery document and key set.
    Public,
    /// The cluster's own API server.
    Api,
    /// A mounted key-set file.
    File,
}

impl KeySource {
    /// The word it is configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Api => "api",
            Self::File => "file",
        }
    }
}

/// How looking for keys ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeysOutcome {
    /// A key set was read.
    Read,
    /// The source could not be reached or gave no usable set.
    Failed,
}

impl KeysOutcome {
    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

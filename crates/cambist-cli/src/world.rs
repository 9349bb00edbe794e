//! Everything a command gets from outside, so that tests can put something else there.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cambist::Env;
use cambist::transport::{HttpsOptions, Transport, TransportBuildError};
use cambist_core::clock::{Clock, UnixTime};

use crate::time::Fixed;

/// Makes a transport for one trust domain.
pub(crate) type Connect =
    dyn Fn(HttpsOptions) -> Result<Transport, TransportBuildError> + Send + Sync;

/// The environment, the clock, the network and the terminal.
pub(crate) struct World<'a> {
    pub(crate) env: &'a dyn Env,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connect: &'a Connect,
    pub(crate) stdin: &'a mut (dyn Read + Send),
    /// Where a command that goes on writes each line as it comes.
    pub(crate) lines: &'a mut (dyn Write + Send),
    /// Whether standard output is a terminal.
    pub(crate) terminal: bool,
    /// Standard error, if it is a terminal: where a command tells what it is waiting for.
    pub(crate) progress: Option<&'a mut (dyn Write + Send)>,
    /// How many columns it has, if it is one and tells.
    pub(crate) columns: Option<usize>,
    /// Where a pod's own account is mounted, if not at the usual place.
    pub(crate) mount: Option<PathBuf>,
}

impl World<'_> {
    /// The clock, or the moment that `--now` says.
    pub(crate) fn clock(&self, now: Option<UnixTime>) -> Arc<dyn Clock> {
        now.map_or_else(|| self.clock.clone(), |now| Arc::new(Fixed(now)))
    }
}

/// What a command ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What goes to standard output.
    pub(crate) out: String,
    /// What goes to standard error.
    pub(crate) err: String,
    /// The exit code.
    pub(crate) code: u8,
}

/// The exit codes that are no verdict.
pub(crate) const COULD_NOT_RUN: u8 = 3;
/// sysexits' `EX_USAGE`.
pub(crate) const USAGE: u8 = 64;

impl Outcome {
    pub(crate) fn print(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    pub(crate) fn fail(code: u8, error: impl std::fmt::Display) -> Self {
        Self { err: format!("error: {error}\n"), code, out: String::new() }
    }
}

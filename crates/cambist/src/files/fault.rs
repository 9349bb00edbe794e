//! Why a file could not be read.

use std::time::Duration;

/// How long a file may take. One that hangs must not take its readers along.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Why a file could not be read. The file itself is named by whoever wanted it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// There is nothing there.
    #[error("does not exist")]
    Missing,
    /// It may not be read.
    #[error(
        "may not be read by this process: it lacks the right, or gave the file up at its start (cambist-sidecar's CAMBIST_CONFINE: compare `reads` in --check-config, and restart it)"
    )]
    Denied,
    /// It is no regular file.
    #[error("is {0}, not a regular file")]
    NotAFile(&'static str),
    /// It is longer than what is read.
    #[error("has {found} bytes or more, and {limit} at most are read; is it the right file?")]
    TooLong {
        /// How many there are at least.
        found: u64,
        /// How many are read.
        limit: usize,
    },
    /// The file system does not answer.
    #[error("could not be read within {PATIENCE:?}; does its file system hang?")]
    Hangs,
    /// The threads that may block are all in use.
    #[error(
        "could not be read within {PATIENCE:?}, because no thread was free: other files hang, or looking up names does"
    )]
    Crowded,
    /// The operating system's refusal.
    #[error("cannot be read: {0}")]
    Io(String),
}

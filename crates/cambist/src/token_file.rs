//! The projected service-account token, on disk.
//!
//! The kubelet writes each version of a projected volume into a directory of its own and then swings
//! the symbolic link `..data` over to it, so whoever opens the file anew gets one version whole.
//! Nothing is kept between reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cambist_core::clock::UnixTime;
use cambist_core::jws::{JwsError, MAX_TOKEN_BYTES};
use cambist_core::token::{ProjectedToken, TokenError};

use crate::files::{self, FileFault, Need};
use crate::reason::Reason;

/// Where the projected token is.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: Arc<Path>,
    /// When the token that was last seen there expires, in seconds since 1970.
    expires: Arc<AtomicI64>,
}

/// No token was seen.
const NEVER: i64 = i64::MIN;

/// Why there is no token: which file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token file {}: {fault}", .path.display())]
pub struct TokenFileError {
    path: Box<Path>,
    fault: TokenFileFault,
}

/// What is wrong with a token file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFileFault {
    /// There is nothing there.
    #[error(
        "does not exist; mount a projected serviceAccountToken volume there, or set AZURE_FEDERATED_TOKEN_FILE to where it is (the workload-identity webhook does both)"
    )]
    Missing,
    /// It may not be read.
    #[error(
        "may not be read by this process; set fsGroup in the pod's securityContext, or runAsUser to the file's owner; if it has these rights, it gave the file up at its start (cambist-sidecar's CAMBIST_CONFINE): compare `reads` in --check-config, and restart it"
    )]
    Denied,
    /// It is no regular file.
    #[error("is {0}, not a regular file; name the token itself, such as .../token")]
    NotAFile(&'static str),
    /// It is longer than any token.
    #[error(
        "is longer than the {MAX_TOKEN_BYTES} bytes that a token may have; is it the right file?"
    )]
    TooLong,
    /// It has nothing in it.
    #[error("is empty; the kubelet never writes it so: was it written by something else?")]
    Empty,
    /// It starts with a byte order mark.
    #[error(
        "starts with a byte order mark; write the bare token, as the kubelet does: ASCII text without one"
    )]
    ByteOrderMark,
    /// It is no text.
    #[error("is not text (not UTF-8); is it the right file?")]
    NotText,
    /// What it holds is no service-account token.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The file system does not answer.
    #[error("{}", FileFault::Hangs)]
    Hangs,
    /// Other files' systems do not answer, and every thread waits for them.
    #[error("{}", FileFault::Crowded)]
    Crowded,
    /// The operating system's refusal.
    #[error("cannot be read: {0}")]
    Io(String),
}

impl TokenFileError {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn fault(&self) -> &TokenFileFault {
        &self.fault
    }

    /// What is wrong.
    pub fn reason(&self) -> Reason {
        match &self.fault {
            TokenFileFault::Missing => Reason::TokenFileMissing,
            TokenFileFault::Denied => Reason::TokenFileDenied,
            TokenFileFault::NotAFile(_) => Reason::TokenFileNotAFile,
            TokenFileFault::TooLong => Reason::TokenFileTooLong,
            TokenFileFault::Empty => Reason::TokenFileEmpty,
            TokenFileFault::ByteOrderMark | TokenFileFault::NotText => Reason::TokenFileNotText,
            // Of a file it is told like that; the rest is the token's own fault.
            TokenFileFault::Token(TokenError::Empty) => Reason::TokenFileEmpty,
            TokenFileFault::Token(TokenError::Jws(JwsError::TooLarge { .. })) => {
                Reason::TokenFileTooLong
            }
            TokenFileFault::Token(TokenError::Jws(JwsError::Parts { .. })) => {
                Reason::TokenFileNoToken
            }
            TokenFileFault::Token(error) => Reason::of_word(error.as_str()),
            TokenFileFault::Hangs | TokenFileFault::Crowded => Reason::TokenFileHangs,
            TokenFileFault::Io(_) => Reason::TokenFileIo,
        }
    }
}

impl TokenFile {
    /// The token file at a path. It is opened at each [`read`](Self::read), not before.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), expires: Arc::new(AtomicI64::new(NEVER)) }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When the token expires that was last seen here, by what it claims itself; nothing if none was seen. Clones
    /// see together.
    pub fn expires_on(&self) -> Option<UnixTime> {
        let secs = self.expires.load(Ordering::Relaxed);
        (secs != NEVER).then(|| UnixTime::from_secs(secs))
    }

    /// Somebody saw a token there that expires then.
    pub(crate) fn holds_until(&self, expires: UnixTime) {
        self.expires.store(expires.as_secs(), Ordering::Relaxed);
    }

    /// Reads the token as it is now, on a thread that may block, for at most 2 seconds.
    ///
    /// # Errors
    /// [`TokenFileError`], which never repeats the file's content.
    pub async fn read(&self) -> Result<ProjectedToken, TokenFileError> {
        let path = Arc::clone(&self.path);
        let read = files::off_workers(Need::Token, &self.path, move || {
            parse(&files::read(&path, MAX_TOKEN_BYTES)?)
        });
        let read = read.await.map_err(TokenFileFault::from).flatten();
        if let Ok(token) = &read {
            self.holds_until(token.claims().expires_at);
        }
        read.map_err(|fault| TokenFileError { path: (&*self.path).into(), fault })
    }
}

/// When the token expires that was read of a file, or what is wrong with it.
pub(crate) fn check(
    path: &Path,
    read: Result<&[u8], FileFault>,
) -> Result<UnixTime, TokenFileError> {
    let parsed = read.map_err(TokenFileFault::from).and_then(parse);
    parsed
        .map(|token| token.claims().expires_at)
        .map_err(|fault| TokenFileError { path: path.into(), fault })
}

fn parse(content: &[u8]) -> Result<ProjectedToken, TokenFileFault> {
    if [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|bom| content.starts_with(bom)) {
        return Err(TokenFileFault::ByteOrderMark);
    }
    let text = std::str::from_utf8(content).map_err(|_| TokenFileFault::NotText)?;
    match ProjectedToken::parse(text) {
        Err(TokenError::Empty) => Err(TokenFileFault::Empty),
        parsed => Ok(parsed?),
    }
}

impl From<FileFault> for TokenFileFault {
    fn from(fault: FileFault) -> Self {
        match fault {
            FileFault::Missing => Self::Missing,
            FileFault::Denied => Self::Denied,
            FileFault::NotAFile(what) => Self::NotAFile(what),
            FileFault::TooLong { .. } => Self::TooLong,
            FileFault::Hangs => Self::Hangs,
            FileFault::Crowded => Self::Crowded,
            FileFault::Io(problem) => Self::Io(problem),
        }
    }
}

#[cfg(test)]
mod tests;

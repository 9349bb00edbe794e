//! The projected service-account token, on disk.
//!
//! The kubelet writes each version of a projected volume into a directory of its own and then swings
//! the symbolic link `..data` over to it, so whoever opens the file anew gets one version whole.
//! Nothing is kept between reads.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cambist_core::jws::{JwsError, MAX_TOKEN_BYTES};
use cambist_core::token::{ProjectedToken, TokenError};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::Reason;

/// How long a read may take. A file system that hangs must not take its readers along.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many threads a hung file system may hold on to.
const MOST_READERS: usize = 4;

/// Where the projected token is.
#[derive(Clone)]
pub struct TokenFile {
    path: Arc<Path>,
    readers: Arc<Semaphore>,
}

/// Why there is no token: which file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token file {}: {fault}", .path.display())]
pub struct TokenFileError {
    path: PathBuf,
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
        "may not be read by this process; set fsGroup in the pod's securityContext, or runAsUser to the file's owner"
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
    #[error("could not be read within {PATIENCE:?}; does its file system hang?")]
    Hangs,
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
            TokenFileFault::Hangs => Reason::TokenFileHangs,
            TokenFileFault::Io(_) => Reason::TokenFileIo,
        }
    }
}

impl TokenFile {
    /// The token file at a path. It is opened at each [`read`](Self::read), not before.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), readers: Arc::new(Semaphore::new(MOST_READERS)) }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the token as it is now, on a thread that may block, for at most 2 seconds.
    ///
    /// A file that is not there is looked for once more, because opening it may cross the moment in
    /// which the kubelet takes an old version away.
    ///
    /// # Errors
    /// [`TokenFileError`], which never repeats the file's content.
    pub async fn read(&self) -> Result<ProjectedToken, TokenFileError> {
        let at = |fault| TokenFileError { path: self.path.to_path_buf(), fault };
        match tokio::time::timeout(PATIENCE, self.read_on_a_thread()).await {
            Ok(read) => read.map_err(at),
            Err(_) => Err(at(TokenFileFault::Hangs)),
        }
    }

    async fn read_on_a_thread(&self) -> Result<ProjectedToken, TokenFileFault> {
        let reading = Arc::clone(&self.readers).acquire_owned().await;
        let path = Arc::clone(&self.path);
        let read = tokio::task::spawn_blocking(move || {
            // Held until the thread is free again, not until somebody gives up waiting.
            let _reading = reading;
            twice_if_missing(|| read(&path))
        });
        read.await.map_err(|_| TokenFileFault::Io("the reading thread ended early".to_owned()))?
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenFile").field(&self.path).finish()
    }
}

fn twice_if_missing<T>(
    mut read: impl FnMut() -> Result<T, TokenFileFault>,
) -> Result<T, TokenFileFault> {
    match read() {
        Err(TokenFileFault::Missing) => read(),
        read => read,
    }
}

fn read(path: &Path) -> Result<ProjectedToken, TokenFileFault> {
    // Without NONBLOCK, opening a FIFO waits for somebody to write into it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    if let Some(what) = not_a_file(kind) {
        return Err(TokenFileFault::NotAFile(what));
    }
    // Room for all at once, since growing would leave copies of the token in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_TOKEN_BYTES + 2));
    let limit = u64::try_from(MAX_TOKEN_BYTES + 1).unwrap_or(u64::MAX);
    File::from(file).take(limit).read_to_end(&mut content)?;
    parse(&content)
}

fn parse(content: &[u8]) -> Result<ProjectedToken, TokenFileFault> {
    if content.len() > MAX_TOKEN_BYTES {
        return Err(TokenFileFault::TooLong);
    }
    if [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|bom| content.starts_with(bom)) {
        return Err(TokenFileFault::ByteOrderMark);
    }
    let text = std::str::from_utf8(content).map_err(|_| TokenFileFault::NotText)?;
    match ProjectedToken::parse(text) {
        Err(TokenError::Empty) => Err(TokenFileFault::Empty),
        parsed => Ok(parsed?),
    }
}

fn not_a_file(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a FIFO"),
        FileType::Socket => Some("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        _ => Some("something else"),
    }
}

impl From<Errno> for TokenFileFault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Missing,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            // What opening a socket gives.
            Errno::NXIO => Self::NotAFile("a socket or a device that is not there"),
            errno => Self::Io(errno.to_string()),
        }
    }
}

impl From<io::Error> for TokenFileFault {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).map_or_else(|| Self::Io(error.to_string()), Self::from)
    }
}

#[cfg(test)]
mod tests;

//! Reading files that somebody else writes: tokens, keys, authorities, histories, secrets.
//!
//! A path from a configuration may name anything: a FIFO that waits for a writer, a device without an
//! end, a mount whose server is gone. Here is the one way in which such a path is read: opened without
//! waiting, regular files only, no further than the longest content that makes sense, and never where
//! somebody else would have to wait for it. While a process starts, that is a thread of its own; later
//! it is one of the runtime's threads that may block, of which files take three at most, and of those
//! one is kept for projected tokens.
//!
//! On Windows a pipe, a console and a device are refused as well, before anything is read; and whoever
//! serves a pipe learns nothing of who opened it. Two promises are Unix's alone. What cambist writes for
//! its owner has the mode 0600 there; on Windows it has the access list that its directory hands down.
//! And a rename is synced with its directory; on Windows the file system's journal has to be trusted
//! with that, and after a power cut the generation before may be there again.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;

use zeroize::Zeroizing;

mod budget;
mod fault;
#[cfg_attr(unix, path = "files/unix.rs")]
#[cfg_attr(windows, path = "files/windows.rs")]
mod system;
mod watched;

pub(crate) use budget::{Need, off_workers};
use fault::PATIENCE;
pub(crate) use system::{private, sync_dir};

pub use fault::FileFault;
pub use watched::{File as WatchedFile, Look, Watched};

/// Reads a whole file of `limit` bytes at most, and waits 2 seconds at most. For a program's start:
/// it blocks its caller.
///
/// # Errors
/// [`FileFault`], which never repeats the file's content.
///
/// ```
/// use cambist::files::{FileFault, read_in_time};
///
/// let fault = read_in_time(".".as_ref(), 4096).unwrap_err();
/// assert_eq!(fault, FileFault::NotAFile("a directory"));
/// ```
pub fn read_in_time(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, FileFault> {
    let path = path.to_owned();
    in_time(move || read(&path, limit)).flatten()
}

/// Does on a thread of its own what may hang on a file, and waits for it for 2 seconds at most. For a program's start:
/// it blocks its caller.
///
/// # Errors
/// [`FileFault`], if it takes longer or there is no thread for it.
pub fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FileFault> {
    let (done, told) = sync_channel(1);
    let thread = thread::Builder::new().name("file".to_owned());
    // Nobody listens any more if it took too long.
    let started = thread.spawn(move || drop(done.send(work())));
    started.map_err(|error| FileFault::Io(error.to_string()))?;
    told.recv_timeout(PATIENCE).map_err(|error| match error {
        RecvTimeoutError::Timeout => FileFault::Hangs,
        RecvTimeoutError::Disconnected => FileFault::ended_early(),
    })
}

/// Reads a whole file of `limit` bytes at most. Blocks for as long as its file system likes: call it
/// through [`in_time`] or [`off_workers`].
///
/// A file that is not there is looked for once more, because opening it may cross the moment in which
/// the kubelet takes an old version of a mounted volume away.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, FileFault> {
    twice_if_missing(|| read_once(path, limit))
}

fn twice_if_missing<T>(mut read: impl FnMut() -> Result<T, FileFault>) -> Result<T, FileFault> {
    match read() {
        Err(FileFault::Missing) => read(),
        read => read,
    }
}

fn read_once(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, FileFault> {
    let (file, said) = system::open(path)?;
    let too_long = |found: u64| Err(FileFault::TooLong { found: found.max(said), limit });
    if usize::try_from(said).map_or(true, |said| said > limit) {
        return too_long(said);
    }
    let mut capacity = said as usize + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity));
    loop {
        let room = capacity - content.len();
        let got = (&file).take(room as u64).read_to_end(&mut content)?;
        if content.len() > limit {
            return too_long(content.len() as u64);
        }
        if got < room {
            return Ok(content);
        }
        // It has more than it said. Growing in place would leave copies of a secret in freed memory.
        capacity = (2 * capacity).min(limit + 1);
        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
        larger.extend_from_slice(&content);
        content = larger;
    }
}

impl FileFault {
    fn ended_early() -> Self {
        Self::Io("the reading thread ended early".to_owned())
    }
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Io(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;

//! Reading files that somebody else writes: tokens, keys, authorities, histories, secrets.
//!
//! A path from a configuration may name anything: a FIFO that waits for a writer, a device without an
//! end, a mount whose server is gone. Here is the one way in which such a path is read: opened without
//! waiting, regular files only, no further than the longest content that makes sense, and never where
//! somebody else would have to wait for it. While a process starts, that is a thread of its own; later
//! it is one of the runtime's threads that may block, of which files take three at most, and of those
//! one is kept for projected tokens.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

mod budget;
mod fault;
mod watched;

pub(crate) use budget::{Need, off_workers};
use fault::PATIENCE;

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
/// let fault = read_in_time("/dev/zero".as_ref(), 4096).unwrap_err();
/// assert_eq!(fault, FileFault::NotAFile("a device"));
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
    // Without NONBLOCK, opening a FIFO waits for somebody to write into it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if let Some(what) = not_a_file(FileType::from_raw_mode(stat.st_mode)) {
        return Err(FileFault::NotAFile(what));
    }
    let said = u64::try_from(stat.st_size).unwrap_or(0);
    let too_long = |found: u64| Err(FileFault::TooLong { found: found.max(said), limit });
    if usize::try_from(said).map_or(true, |said| said > limit) {
        return too_long(said);
    }
    let (file, mut capacity) = (File::from(file), said as usize + 1);
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

impl FileFault {
    fn ended_early() -> Self {
        Self::Io("the reading thread ended early".to_owned())
    }
}

impl From<Errno> for FileFault {
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

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).map_or_else(|| Self::Io(error.to_string()), Self::from)
    }
}

#[cfg(test)]
mod tests;

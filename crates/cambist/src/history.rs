//! The history of an issuer's keys, in a file.
//!
//! The document itself, its checksum and its merging are [`cambist_key_age::history`]'s. Here
//! is how it stays whole on a disk: one writer at a time, a new generation beside the old one, and
//! only then a rename. Whatever moment a machine stops at, one of the two generations is whole; on
//! Windows it may be the older one that is found, see [`crate::files`].

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cambist_key_age::History;
use cambist_key_age::history::{HistoryError, MAX_HISTORY_BYTES};

use crate::files::{self, FileFault, Need, private};

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it tries in that time.
const TRIES: u32 = 200;

/// A history in a file. Beside it live `FILE.bak`, the generation before, `FILE.lock`, and once one was
/// found damaged, `FILE.damaged`.
///
/// Reading needs no lock and no right to write, so a read-only mount will do.
#[derive(Clone, Debug)]
pub struct HistoryFile {
    path: PathBuf,
    patience: Duration,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The history.
    pub history: History,
    /// What was wrong with the file, if the history could be saved all the same.
    pub damage: Option<Damage>,
}

/// What was wrong with a history's file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// It is torn or altered; the generation before was taken. Holds the reader's words.
    Torn(String),
    /// It is older than its own backup: somebody put an old copy back.
    RolledBack {
        /// The backup's sequence number.
        expected: u64,
        /// The file's.
        found: u64,
    },
    /// It is gone while its backup is still there.
    Missing,
}

/// Why a history cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryFileError {
    /// The operating system's refusal.
    #[error("the history {}: cannot {doing}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The refusal.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("the history {} {fault}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        fault: FileFault,
    },
    /// It is not whole, and there is no whole backup. Both are left as they are.
    #[error(
        "the history {} {}; it was left as it is. {} away to start a new one: ages are then UNKNOWN until enough was seen", .path.display(), unusable(.source, *.file, .backup.as_deref()), if *.file && .backup.is_some() { "Move both" } else { "Move it" }
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; with its backup, if it is gone itself.
        source: HistoryError,
        /// Whether the file itself is there.
        file: bool,
        /// The backup, if there is one; it is damaged, too.
        backup: Option<PathBuf>,
    },
    /// Another process writes and does not come to an end.
    #[error(
        "the history {} has been locked by another process for {patience:?}; are two observers writing one file?", .path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        patience: Duration,
    },
    /// What is to be written is no acceptable history any more.
    #[error("the history cannot be written: {0}")]
    Encode(#[from] HistoryError),
}

/// Says what there is, and no more.
fn unusable(source: &HistoryError, file: bool, backup: Option<&Path>) -> String {
    match (file, backup) {
        (true, None) => format!("cannot be used: {source}; it has no backup"),
        (true, Some(backup)) => {
            format!("cannot be used: {source}; nor can its backup {}", backup.display())
        }
        (false, backup) => {
            let backup = backup.unwrap_or(Path::new("")).display();
            format!("is gone, and its backup {backup} cannot be used: {source}")
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn(what) => write!(f, "is damaged ({what}); its backup was taken instead"),
            Self::RolledBack { expected, found } => write!(
                f,
                "was rolled back: its sequence number is {found}, its backup's {expected}; both were merged"
            ),
            Self::Missing => f.write_str("is gone although its backup is there, which was taken"),
        }
    }
}

impl HistoryFile {
    /// The history at `path`, which need not exist yet. Its directory must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), patience: PATIENCE }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; `None` if there is none yet. Blocks for as long as its file system likes.
    ///
    /// # Errors
    /// If neither it nor its backup can be read whole. An unreadable history is never mistaken for
    /// an absent one, which would forget everything.
    pub fn read(&self) -> Result<Option<Stored>, HistoryFileError> {
        let (own, backup) = (self.load(&self.path)?, self.load(&self.beside(".bak"))?);
        let stored = match (own, backup) {
            (None, None) => return Ok(None),
            (Some(Ok(history)), None | Some(Err(_))) => Stored { history, damage: None },
            (Some(Ok(history)), Some(Ok(backup))) => newest(history, &backup),
            (Some(Err(torn)), Some(Ok(history))) => {
                Stored { history, damage: Some(Damage::Torn(torn.to_string())) }
            }
            (None, Some(Ok(history))) => Stored { history, damage: Some(Damage::Missing) },
            (Some(Err(source)), None) => return Err(self.damaged(source, true, false)),
            (Some(Err(source)), Some(Err(_))) => return Err(self.damaged(source, true, true)),
            (None, Some(Err(source))) => return Err(self.damaged(source, false, true)),
        };
        Ok(Some(stored))
    }

    /// As [`read`](Self::read), for a program's start: waits for 2 seconds at most.
    pub(crate) fn read_in_time(&self) -> Result<Option<Stored>, HistoryFileError> {
        let file = self.clone();
        let read = files::in_time(move || file.read());
        read.map_err(|fault| self.unreadable(fault)).flatten()
    }

    /// As [`read`](Self::read), on a thread that may block.
    pub(crate) async fn read_off_workers(&self) -> Result<Option<Stored>, HistoryFileError> {
        let file = self.clone();
        let read = files::off_workers(Need::Ordinary, &self.path, move || file.read()).await;
        read.map_err(|fault| self.unreadable(fault)).flatten()
    }

    fn damaged(&self, source: HistoryError, file: bool, backup: bool) -> HistoryFileError {
        let backup = backup.then(|| self.beside(".bak"));
        HistoryFileError::Damaged { path: self.path.clone(), source, file, backup }
    }

    /// Where [`update`](Self::update) keeps a damaged file's bytes when it writes what it made of the
    /// backup in its place: `FILE.damaged`.
    pub fn set_aside(&self) -> PathBuf {
        self.beside(".damaged")
    }

    fn unreadable(&self, fault: FileFault) -> HistoryFileError {
        HistoryFileError::Unreadable { path: self.path.clone(), fault }
    }

    /// Reads it, lets `change` make the next generation of it (of `None` if there is none yet), and
    /// writes that. No other process can write in between.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if it cannot be locked or written; then what was there stays.
    pub fn update<T>(
        &self,
        change: impl FnOnce(Option<Stored>) -> (History, T),
    ) -> Result<T, HistoryFileError> {
        let lock = self.lock()?;
        let (history, out) = change(self.read()?);
        self.write(&history.encode()?)?;
        drop(lock);
        Ok(out)
    }

    fn lock(&self) -> Result<File, HistoryFileError> {
        let path = self.beside(".lock");
        let mut options = OpenOptions::new();
        let file = private(options.create(true).truncate(false).write(true)).open(&path);
        let file = file.map_err(|source| failed(&path, "open the lock file", source))?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(self.patience / TRIES),
                Err(TryLockError::Error(source)) => return Err(failed(&path, "lock it", source)),
            }
        }
        Err(HistoryFileError::Busy { path: self.path.clone(), patience: self.patience })
    }

    fn write(&self, bytes: &[u8]) -> Result<(), HistoryFileError> {
        let next = self.beside(".new");
        let written = (|| {
            let mut options = OpenOptions::new();
            let mut file = private(options.create(true).truncate(true).write(true)).open(&next)?;
            file.write_all(bytes)?;
            file.sync_all()
        })();
        written.map_err(|source| failed(&next, "write the next generation", source))?;
        // A damaged file must not take the place of a whole backup, and is kept for whoever looks into it.
        let kept = match self.load(&self.path)? {
            Some(Ok(_)) => keep(&self.path, &self.beside(".bak")),
            Some(Err(_)) => keep(&self.path, &self.set_aside()),
            None => Ok(()),
        };
        kept.map_err(|source| failed(&self.path, "keep what it holds now", source))?;
        let moved = std::fs::rename(&next, &self.path).and_then(|()| sync_dir(&self.path));
        moved.map_err(|source| failed(&self.path, "put the next generation in place", source))
    }

    fn load(&self, path: &Path) -> Result<Option<Result<History, HistoryError>>, HistoryFileError> {
        match files::read(path, MAX_HISTORY_BYTES) {
            Ok(bytes) => Ok(Some(History::decode(&bytes))),
            Err(FileFault::Missing) => Ok(None),
            // Nobody who writes histories wrote that; the backup may be whole.
            Err(FileFault::TooLong { found, limit }) => {
                let found = usize::try_from(found).unwrap_or(usize::MAX);
                Ok(Some(Err(HistoryError::TooLarge { found, limit })))
            }
            Err(fault) => Err(HistoryFileError::Unreadable { path: path.to_owned(), fault }),
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

/// The file is one generation ahead of its backup, or at worst as old: a machine that stopped
/// between two renames leaves both the same.
fn newest(mut history: History, backup: &History) -> Stored {
    let (expected, found) = (backup.sequence(), history.sequence());
    if found >= expected {
        return Stored { history, damage: None };
    }
    // A backup of another issuer cannot be merged, and says nothing of this one.
    let damage = history.merge(backup).is_ok().then_some(Damage::RolledBack { expected, found });
    Stored { history, damage }
}

/// Makes `backup` another name of `path`, without a moment in which there is none.
fn keep(path: &Path, backup: &Path) -> io::Result<()> {
    let mut next = backup.as_os_str().to_owned();
    next.push(".new");
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Not every file system has hard links.
    if std::fs::hard_link(path, &next).is_err() {
        let mut copy = private(OpenOptions::new().create_new(true).write(true)).open(&next)?;
        io::copy(&mut File::open(path)?, &mut copy)?;
        copy.sync_all()?;
    }
    std::fs::rename(next, backup)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    files::sync_dir(dir.unwrap_or(Path::new(".")))
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> HistoryFileError {
    HistoryFileError::Io { path: path.to_owned(), doing, source }
}

#[cfg(test)]
mod tests;

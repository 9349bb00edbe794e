//! Files that may change while a process runs: noticed by what is in them, whether somebody writes
//! them in place or the kubelet swings a symbolic link, and taken up once they have settled.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::{FileFault, Need, off_workers, read};
use crate::event::{Event, FileChanged, FileKind};
use crate::observer::Observer;

/// Whether files are as they were last taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is settling is taken up by the next look"]
#[non_exhaustive]
pub enum Look {
    /// Nothing is left to be taken up.
    Settled,
    /// One has changed, and is taken up if the next look finds it the same: look again soon.
    Settling,
}

/// Takes up what a file holds, or why it cannot be read. Blocks, and changes nothing if it fails.
type Take = dyn Fn(Result<&[u8], FileFault>) -> Result<(), String> + Send + Sync;

/// Which file, and what its content is for.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    kind: FileKind,
    name: &'static str,
    path: &'a Path,
    with: Option<&'a Path>,
    limit: usize,
}

impl<'a> File<'a> {
    /// The file at `path`, which is configured by `name`; no more than `limit` bytes of it are read.
    pub fn new(kind: FileKind, name: &'static str, path: &'a Path, limit: usize) -> Self {
        Self { kind, name, path, with: None, limit }
    }

    /// Along with another that is of no use without it, as a key is without its certificate: a change of either is
    /// one of both, and their contents are taken up as one, with a line's end between.
    #[must_use]
    pub fn with(self, other: &'a Path) -> Self {
        Self { with: Some(other), ..self }
    }
}

/// A file that is looked at again and again. Clones are the same.
#[derive(Clone)]
pub struct Watched(Arc<Inner>);

struct Inner {
    kind: FileKind,
    name: &'static str,
    path: PathBuf,
    with: Option<PathBuf>,
    limit: usize,
    take: Box<Take>,
    seen: Mutex<Sightings>,
    observer: Arc<dyn Observer>,
}

impl Watched {
    /// The file, with the content that is in use. Where that is not known, the first look takes up
    /// what it finds, and tells nobody. `take` gets what is there once it has changed and settled, and
    /// may block; if it fails it changes nothing.
    pub fn new(
        file: File<'_>,
        in_use: Option<&[u8]>,
        observer: Arc<dyn Observer>,
        take: impl Fn(Result<&[u8], FileFault>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let File { kind, name, path, with, limit } = file;
        let seen = Sightings { in_use: in_use.map(Sight::of), ..Sightings::default() };
        let (path, with) = (path.to_owned(), with.map(Path::to_owned));
        let (take, seen) = (Box::new(take), Mutex::new(seen));
        Self(Arc::new(Inner { kind, name, path, with, limit, take, seen, observer }))
    }

    /// Looks at the file, for 2 seconds at most, and takes it up if it has changed and settled.
    pub async fn look(&self) -> Look {
        let need = match self.0.kind {
            // Whoever needs the token must never wait behind a look that waits for something else.
            FileKind::Token => Need::Token,
            FileKind::Ca | FileKind::Certificate => Need::Ordinary,
        };
        let this = self.clone();
        let looking = move || this.see(this.0.read().as_deref());
        let look = off_workers(need, &self.0.path, looking).await;
        let look = look.unwrap_or_else(|fault| self.see(Err(&fault)));
        // Also that of an earlier look which was not waited for to its end.
        let news = self.seen().news.take();
        if let Some(news) = news {
            let Inner { kind, name, path, observer, .. } = &*self.0;
            let result = news.as_ref().copied().map_err(String::as_str);
            let changed = FileChanged { kind: *kind, name, path, result };
            observer.event(&Event::FileChanged(changed));
        }
        look
    }

    fn see(&self, read: Result<&Vec<u8>, &FileFault>) -> Look {
        let sight = read.map_or_else(|fault| Sight::Fault(fault.clone()), |it| Sight::of(it));
        // Not held while it is taken up: that may take a while.
        let step = self.seen().see(&sight);
        let quietly = match step {
            Step::Nothing => return Look::Settled,
            Step::Wait => return Look::Settling,
            Step::Take { quietly } => quietly,
        };
        let taken = (self.0.take)(read.map(Vec::as_slice).map_err(FileFault::clone));
        self.seen().judged(sight, taken, quietly);
        Look::Settled
    }

    fn seen(&self) -> MutexGuard<'_, Sightings> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, FileFault> {
        let first = read(&self.path, self.limit)?;
        let Some(with) = &self.with else { return Ok(first) };
        let second = read(with, self.limit)?;
        // Grown in place, it would leave copies of a secret in freed memory.
        let mut both = Zeroizing::new(Vec::with_capacity(first.len() + 1 + second.len()));
        both.extend_from_slice(&first);
        both.push(b'\n');
        both.extend_from_slice(&second);
        Ok(both)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// What a look found. Times, owners and links make no difference.
#[derive(Clone, PartialEq, Eq)]
enum Sight {
    /// The digest of a content.
    Content(Vec<u8>),
    Fault(FileFault),
}

impl Sight {
    fn of(content: &[u8]) -> Self {
        Self::Content(digest(&SHA256, content).as_ref().to_owned())
    }
}

/// What was found of a file: plain data, with all that is decided.
#[derive(Default)]
struct Sightings {
    /// What was taken up last.
    in_use: Option<Sight>,
    /// What was found since, and could not be taken up.
    refused: Option<Sight>,
    /// What the last look found, if it is neither.
    settling: Option<Sight>,
    /// What is to be told.
    news: Option<Result<(), String>>,
}

/// What comes of a look.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is as it was.
    Nothing,
    /// It is new, and may be half written.
    Wait,
    /// It is to be taken up.
    Take { quietly: bool },
}

impl Sightings {
    fn see(&mut self, sight: &Sight) -> Step {
        let is = |known: &Option<Sight>| known.as_ref() == Some(sight);
        let (in_use, settled) = (is(&self.in_use), is(&self.settling));
        let known = is(&self.refused) || (in_use && self.refused.is_none());
        let first = self.in_use.is_none() && self.refused.is_none();
        self.settling = None;
        if known {
            Step::Nothing
        } else if first {
            Step::Take { quietly: true }
        } else if settled || in_use {
            // What was in use before is whole, and is told to be there again.
            Step::Take { quietly: false }
        } else {
            self.settling = Some(sight.clone());
            Step::Wait
        }
    }

    fn judged(&mut self, sight: Sight, taken: Result<(), String>, quietly: bool) {
        if taken.is_ok() {
            (self.in_use, self.refused) = (Some(sight), None);
        } else {
            self.refused = Some(sight);
        }
        if !quietly {
            self.news = Some(taken);
        }
    }
}

#[cfg(test)]
mod tests;

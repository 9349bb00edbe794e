//! How many threads files may hold on to, whatever hangs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::fault::{FileFault, PATIENCE};

/// How many threads read files at once. A process may have few that may block (the sidecar has four),
/// and looking up a name needs one, too.
const READERS: usize = 3;

/// How many of them read what no token depends on directly.
const ORDINARY: usize = 2;

/// What for a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Without it there is no token: it never waits behind what is read for anything else.
    Token,
    /// Something that is held already and may be a little older, or does without.
    Ordinary,
}

/// Does `work`, which reads the file at `path`, on a thread that may block; waits for 2 seconds at
/// most. Of reads of one path one goes on at a time, so that one that hangs holds on to one thread.
///
/// # Errors
/// That it could not be done in time, while it may still go on.
pub(crate) async fn off_workers<T: Send + 'static>(
    need: Need,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FileFault> {
    static PROCESS: Budget = Budget::new(PATIENCE);
    PROCESS.spend(need, path, work).await
}

/// The threads of a process that files may have: one for all, because the runtime's are.
pub(super) struct Budget {
    patience: Duration,
    readers: Semaphore,
    ordinary: Semaphore,
    /// One for each path that is being read.
    gates: Mutex<Vec<(PathBuf, Weak<Semaphore>)>>,
}

impl Budget {
    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            readers: Semaphore::const_new(READERS),
            ordinary: Semaphore::const_new(ORDINARY),
            gates: Mutex::new(Vec::new()),
        }
    }

    pub(super) async fn spend<T: Send + 'static>(
        &'static self,
        need: Need,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, FileFault> {
        let (gate, entered) = (self.gate(path), AtomicBool::new(false));
        let begun = Arc::new(AtomicBool::new(false));
        let reading = async {
            let gate = gate.acquire_owned().await;
            entered.store(true, Ordering::Relaxed);
            let ordinary = match need {
                Need::Ordinary => Some(self.ordinary.acquire().await),
                Need::Token => None,
            };
            let reader = self.readers.acquire().await;
            let begun = Arc::clone(&begun);
            let read = tokio::task::spawn_blocking(move || {
                // Held until the thread is free again, not until somebody gives up waiting.
                let _held = (gate, ordinary, reader);
                begun.store(true, Ordering::Relaxed);
                work()
            });
            read.await
        };
        match tokio::time::timeout(self.patience, reading).await {
            Ok(done) => done.map_err(|_| FileFault::ended_early()),
            Err(_) if entered.load(Ordering::Relaxed) && !begun.load(Ordering::Relaxed) => {
                Err(FileFault::Crowded)
            }
            Err(_) => Err(FileFault::Hangs),
        }
    }

    /// The one place for whoever reads this path. It is forgotten with its last reader, hung or not.
    fn gate(&self, path: &Path) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|(_, gate)| gate.strong_count() > 0);
        let known = gates.iter().find(|(known, _)| known == path);
        known.and_then(|(_, gate)| gate.upgrade()).unwrap_or_else(|| {
            let gate = Arc::new(Semaphore::new(1));
            gates.push((path.to_owned(), Arc::downgrade(&gate)));
            gate
        })
    }
}

//! The projected tokens' files, and whose tokens are made of what is in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cambist_core::clock::UnixTime;
use cambist_core::jws::MAX_TOKEN_BYTES;

use crate::credential::{Credential, Remembered};
use crate::event::FileKind;
use crate::files::{Watched, WatchedFile};
use crate::observer::Observer;
use crate::token_file;

/// The token files of living credentials.
#[derive(Default)]
pub(super) struct TokenFiles(Mutex<HashMap<PathBuf, Used>>);

struct Used {
    file: Watched,
    by: Users,
}

#[derive(Clone, Default)]
struct Users(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    users: Vec<Remembered>,
    /// When the token expires that was last seen in their file.
    expires: Option<UnixTime>,
}

impl TokenFiles {
    /// Remembers that a credential uses the file at a path.
    pub(super) fn remember(
        &self,
        path: &Path,
        credential: &Credential,
        observer: &Arc<dyn Observer>,
    ) {
        let mut all = self.all();
        let used = all.entry(path.to_owned()).or_insert_with(|| Used::new(path, observer.clone()));
        used.by.add(credential.remembered());
    }

    /// The files that are used still.
    pub(super) fn watched(&self) -> Vec<Watched> {
        let mut all = self.all();
        all.retain(|_, used| !used.by.are_gone());
        all.values().map(|used| used.file.clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<PathBuf, Used>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn new(path: &Path, observer: Arc<dyn Observer>) -> Self {
        let by = Users::default();
        let (users, at) = (by.clone(), path.to_owned());
        let looked_at = AtomicBool::new(false);
        let name = "AZURE_FEDERATED_TOKEN_FILE";
        let file = WatchedFile::new(FileKind::Token, name, path, MAX_TOKEN_BYTES);
        let file = Watched::new(file, None, observer, move |read| {
            // What was there all along is no other token.
            let is_another = looked_at.swap(true, Ordering::Relaxed);
            let expires = token_file::check(&at, read).map_err(|error| error.to_string())?;
            users.see(expires);
            if is_another {
                users.tell();
            }
            Ok(())
        });
        Self { file, by }
    }
}

impl Users {
    fn add(&self, user: Remembered) {
        let mut known = self.known();
        if let Some(expires) = known.expires {
            user.assertion_seen(expires);
        }
        let users = &mut known.users;
        // Before it grows, and so not for each of many.
        if users.len() == users.capacity() {
            users.retain(|user| !user.is_gone());
        }
        users.push(user);
    }

    fn are_gone(&self) -> bool {
        self.known().users.iter().all(Remembered::is_gone)
    }

    /// Their file holds a token that expires then.
    fn see(&self, expires: UnixTime) {
        self.known().expires = Some(expires);
        self.each(|user| user.assertion_seen(expires));
    }

    /// Tells them that there is another token.
    fn tell(&self) {
        self.each(Remembered::assertion_renewed);
    }

    fn each(&self, tell: impl FnMut(&Remembered)) {
        // Told without the lock: the last of a credential may end here.
        let users = self.known().users.clone();
        users.iter().for_each(tell);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

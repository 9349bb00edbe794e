//! The projected tokens' files, and whose tokens are made of what is in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
struct Users(Arc<Mutex<Vec<Remembered>>>);

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
        let name = "AZURE_FEDERATED_TOKEN_FILE";
        let file = WatchedFile { kind: FileKind::Token, name, path, limit: MAX_TOKEN_BYTES };
        let file = Watched::new(file, None, observer, move |read| {
            token_file::check(&at, read).map_err(|error| error.to_string())?;
            users.tell();
            Ok(())
        });
        Self { file, by }
    }
}

impl Users {
    fn add(&self, user: Remembered) {
        let mut all = self.all();
        // Before it grows, and so not for each of many.
        if all.len() == all.capacity() {
            all.retain(|user| !user.is_gone());
        }
        all.push(user);
    }

    fn are_gone(&self) -> bool {
        self.all().iter().all(Remembered::is_gone)
    }

    /// Tells them that there is another token.
    fn tell(&self) {
        // Told without the lock: the last of a credential may end here.
        let all = self.all().clone();
        all.iter().for_each(Remembered::assertion_renewed);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

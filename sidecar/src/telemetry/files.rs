//! The reader that keeps which changed files cannot be used, for as long as that is so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cambist::event::FileKind;
use cambist_core::clock::UnixTime;
use cambist_core::foreign::brief;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::MESSAGE;
use super::run::Run;
use crate::event::{Event, Reloaded};
use crate::metrics::{Counted, Labels};

/// Most files that are kept: as many as there are kinds of, and a token for each of many identities.
const MOST: usize = 1000;

/// By the variable that names it, and its path.
type Refused = BTreeMap<(&'static str, PathBuf), RefusedFile>;

/// The files that cannot be used as they are now.
#[derive(Debug)]
pub(super) struct Files {
    run: Run,
    refused: Mutex<Refused>,
    usable: Family<Labels<1>, Gauge>,
}

/// A file that has changed and cannot be used; what was there before goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedFile {
    /// What it is for.
    pub(crate) kind: FileKind,
    /// The variable that names it.
    pub(crate) setting: &'static str,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Since when it is no good.
    pub(crate) since: UnixTime,
    /// What is wrong with it now.
    pub(crate) problem: String,
}

impl Files {
    pub(super) fn new(run: Run) -> Self {
        let files = Self { run, refused: Mutex::default(), usable: Family::default() };
        files.count(&files.all());
        files
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Library(cambist::Event::FileChanged(it)) => {
                self.changed((it.kind, it.name, it.path), it.result);
            }
            Event::Reloaded(Reloaded::Applied { token_files, .. }) => self.keep(token_files),
            _ => {}
        }
    }

    fn changed(&self, file: (FileKind, &'static str, &Path), result: Result<(), &str>) {
        let (kind, setting, path) = (file.0, file.1, file.2.to_owned());
        let mut all = self.all();
        let key = (setting, path.clone());
        match result {
            Ok(()) => _ = all.remove(&key),
            Err(problem) => {
                let since = all.get(&key).map_or_else(|| self.run.now(), |known| known.since);
                let problem = brief(&problem, MESSAGE);
                if all.len() < MOST || all.contains_key(&key) {
                    all.insert(key, RefusedFile { kind, setting, path, since, problem });
                }
            }
        }
        self.count(&all);
    }

    /// A token file that no identity has any more is looked at by nobody, so that nobody would see it mended.
    fn keep(&self, token_files: &[&Path]) {
        let mut all = self.all();
        all.retain(|(_, path), it| it.kind != FileKind::Token || token_files.contains(&&**path));
        self.count(&all);
    }

    fn count(&self, all: &Refused) {
        for kind in FileKind::ALL {
            let usable = !all.values().any(|it| it.kind == kind);
            self.usable.get_or_create(&[("what", kind.as_str())]).set(usable.into());
        }
    }

    pub(super) fn refused(&self) -> Vec<RefusedFile> {
        self.all().values().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted for Files {
    fn register(&self, registry: &mut Registry) {
        let help = "Whether all files of this kind can be used as they are: 0 while what was last found in one is no good, and \
            what was there before goes on";
        registry.register("file_usable", help, self.usable.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::counted;

    fn usable(files: &Files) -> [bool; 3] {
        let lines = counted(files);
        FileKind::ALL.map(|kind| {
            let line = format!("cambist_file_usable{{what=\"{}\"}} 1", kind.as_str());
            lines.contains(&line)
        })
    }

    #[test]
    fn a_kind_is_usable_again_once_each_of_its_files_is() {
        let files = Files::new(Run::beginning(Arc::new(cambist::SystemClock)));
        let at = FileKind::ALL.iter().position(|kind| *kind == FileKind::Token).unwrap();
        let tell = |path: &str, result| {
            files.changed((FileKind::Token, "AZURE_FEDERATED_TOKEN_FILE", Path::new(path)), result);
            usable(&files)[at]
        };
        assert_eq!(usable(&files), [true; 3]);
        assert!(!tell("/a", Err("is empty")));
        assert!(!tell("/b", Err("is empty")));
        assert!(!tell("/a", Err("is no token")));
        assert!(!tell("/b", Ok(())));
        assert_eq!(usable(&files).iter().filter(|it| **it).count(), 2, "the other kinds are well");
        let refused = files.refused();
        assert_eq!((refused.len(), &*refused[0].problem), (1, "is no token"));
        assert!(tell("/a", Ok(())));

        // Whose identity the policy has no more.
        assert!(!tell("/a", Err("is empty")));
        files.keep(&[Path::new("/a")]);
        assert!(!usable(&files)[at]);
        files.keep(&[Path::new("/b")]);
        assert_eq!((usable(&files), files.refused()), ([true; 3], Vec::new()));
    }
}

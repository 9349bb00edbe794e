//! What may be read, as the file system has it: places without links on the way.

use std::fs::canonicalize;
use std::path::{Path, PathBuf};

use cambist::config::ConfigFault;
use cambist::identities::Identities;

use super::Needs;
use super::needs::{Kind, Read, home, is_wide, of_identities};

/// What may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    files: Vec<PathBuf>,
    dirs: Vec<PathBuf>,
    missing: Vec<PathBuf>,
}

impl Granted {
    /// What these needs come to now.
    pub fn of(needs: &Needs) -> Self {
        let mut granted = Self::default();
        needs.reads.iter().for_each(|read| granted.add(read));
        granted
    }

    /// Single files.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Directories, with all beneath.
    pub(super) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// What the configuration names and could not be granted, since it is not there.
    pub fn missing(&self) -> &[PathBuf] {
        &self.missing
    }

    /// Whether this file may be read: it itself, or what will once be there.
    pub fn covers(&self, file: &Path) -> bool {
        let Ok(at) = canonicalize(file) else {
            return canonicalize(home(file)).is_ok_and(|home| self.has(&home));
        };
        self.has(&at)
    }

    /// What is wrong with identities that need more than was granted, if they do.
    pub(crate) fn lacking(&self, name: &'static str, identities: &Identities) -> Vec<ConfigFault> {
        let reads = of_identities(identities).into_iter();
        let beyond = reads.filter(|read| !self.covers(&read.path));
        let faults = beyond.map(|Read { path, why, .. }| {
            let path = path.display();
            let problem = format!(
                "{path} ({why}) lies where this process cannot read any more: at its start it gave up all files \
                 but those that were needed then. Restart it, or use a directory that was needed then \
                 (CAMBIST_CONFINE, --check-config)"
            );
            ConfigFault::new(name, problem)
        });
        faults.collect()
    }

    fn has(&self, at: &Path) -> bool {
        self.files.iter().any(|file| file == at) || self.dirs.iter().any(|dir| at.starts_with(dir))
    }

    fn add(&mut self, read: &Read) {
        if read.kind == Kind::Tree {
            self.dirs.extend(canonicalize(&read.path));
            return;
        }
        let named = self.add_place(read.place());
        // Where links lead elsewhere, what is there is replaced, too.
        let behind =
            canonicalize(&read.path).is_ok_and(|at| self.has(&at) || self.add_place(home(&at)));
        if read.kind == Kind::Named && !named && !behind {
            self.missing.push(read.path.clone());
        }
    }

    /// Whether there is such a place.
    fn add_place(&mut self, place: &Path) -> bool {
        let Ok(at) = canonicalize(place) else { return false };
        if at.is_dir() {
            // A link to a directory with much else is followed to the file alone.
            if is_wide(&at) {
                return false;
            }
            push(&mut self.dirs, at);
        } else {
            push(&mut self.files, at);
        }
        true
    }
}

fn push(all: &mut Vec<PathBuf>, one: PathBuf) {
    if !all.contains(&one) {
        all.push(one);
    }
}

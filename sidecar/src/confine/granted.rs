//! What may be read, as the file system has it: places without links on the way.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{canonicalize, metadata, read_dir, read_link};
use std::path::{Path, PathBuf};

use cambist::config::ConfigFault;
use cambist::identities::Identities;

use super::Needs;
use super::needs::{Kind, Read, of_identities};
use super::way::Way;
use super::wide::is_wide;

/// Most entries of a directory of CAs that are looked at. A distribution has some 300.
const MOST_CAS: usize = 4096;

/// What may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    places: BTreeMap<PathBuf, Place>,
    missing: Vec<Read>,
}

/// A file, or a directory with all beneath.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    dir: bool,
    whys: Vec<&'static str>,
}

impl Granted {
    /// What these needs come to now.
    pub fn of(needs: &Needs) -> Self {
        let mut granted = Self::default();
        needs.reads.iter().for_each(|read| granted.add(read));
        let cas = needs.reads.iter().filter(|read| read.kind == Kind::Cas);
        cas.for_each(|read| granted.add_behind(read));
        granted.merge();
        let named = needs.reads.iter().filter(|read| read.kind == Kind::Named);
        let missing: Vec<_> = named.filter(|read| !granted.covers(&read.path)).cloned().collect();
        Self { missing, ..granted }
    }

    /// Single files.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.those(false)
    }

    /// Directories, with all beneath.
    pub(super) fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.those(true)
    }

    fn those(&self, dir: bool) -> impl Iterator<Item = &Path> {
        self.places.iter().filter(move |(_, place)| place.dir == dir).map(|(at, _)| &**at)
    }

    /// What the configuration names and could not be granted, since it is not there.
    pub fn missing(&self) -> impl Iterator<Item = &Path> {
        self.missing.iter().map(|read| &*read.path)
    }

    /// Whether this file may be read: it itself, or what will once be there.
    pub fn covers(&self, file: &Path) -> bool {
        let end = Way::of(file).end;
        end.ancestors().find(|at| at.exists()).is_some_and(|there| self.has(there))
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
        self.places.contains_key(at) || self.above(at).is_some()
    }

    /// The outermost directory that is granted and that this is beneath.
    fn above(&self, at: &Path) -> Option<&Path> {
        self.dirs().find(|dir| *dir != at && at.starts_with(dir))
    }

    fn add(&mut self, read: &Read) {
        let Way { links, end } = Way::of(&read.path);
        // Whoever replaces a link on the way is followed.
        links.iter().filter_map(|link| followed(link)).for_each(|dir| self.put(dir, read.why));
        if matches!(read.kind, Kind::Named | Kind::Usual) {
            // So is whoever replaces the file.
            let home = end.parent().filter(|dir| !is_wide(dir));
            home.into_iter().for_each(|dir| self.put(dir, read.why));
            // Somebody may have named a directory.
            if self.has(&end) || (end.is_dir() && is_wide(&end)) {
                return;
            }
        }
        self.put(&end, read.why);
    }

    /// The files that a directory's links lead to.
    fn add_behind(&mut self, read: &Read) {
        let Ok(entries) = read_dir(&read.path) else { return };
        for entry in entries.take(MOST_CAS).flatten() {
            // A link to another entry is done when that one is.
            let leaves = read_link(entry.path()).is_ok_and(|to| to.components().count() > 1);
            if let (true, Ok(at)) = (leaves, canonicalize(entry.path()))
                && at.is_file()
                && !self.has(&at)
            {
                self.put(&at, read.why);
            }
        }
    }

    /// Grants this, if it is there.
    fn put(&mut self, at: &Path, why: &'static str) {
        let Ok(there) = metadata(at) else { return };
        let new = Place { dir: there.is_dir(), whys: Vec::new() };
        self.places.entry(at.to_owned()).or_insert(new).add(why);
    }

    /// Takes what lies beneath a directory together with it.
    fn merge(&mut self) {
        let within = |at: &PathBuf| Some((at.clone(), self.above(at)?.to_owned()));
        let within: Vec<_> = self.places.keys().filter_map(within).collect();
        for (inner, outer) in within {
            let inner = self.places.remove(&inner);
            let whys = inner.map(|place| place.whys).unwrap_or_default();
            if let Some(outer) = self.places.get_mut(&outer) {
                whys.into_iter().for_each(|why| outer.add(why));
            }
        }
    }
}

/// The directory of a link that is granted for it, so that wherever it leads to next can be read.
pub(super) fn followed(link: &Path) -> Option<&Path> {
    // What the kubelet swaps is in a volume of its own, wherever that is mounted.
    link.parent().filter(|dir| link.ends_with("..data") || !is_wide(dir))
}

impl Place {
    fn add(&mut self, why: &'static str) {
        if !self.whys.contains(&why) {
            self.whys.push(why);
        }
    }
}

impl fmt::Display for Granted {
    /// A line each, for `--check-config`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Place { dir, whys }) in &self.places {
            // With a slash behind it, a directory.
            let at = if *dir { at.join("") } else { at.clone() };
            writeln!(f, "reads            {} ({})", at.display(), whys.join(", "))?;
        }
        for Read { path, why, .. } in &self.missing {
            let path = path.display();
            writeln!(f, "not there        {path} ({why}): read only if it is there at the start")?;
        }
        Ok(())
    }
}

//! A directory of files that change, as the kubelet changes them or as anybody else does.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// How a file is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the kubelet does: all are written anew beside the old ones, and a symbolic link is swung.
    Swap,
    /// In place.
    Rewrite,
}

/// Some files, each `NAME` -> `..data/NAME`, and `..data` -> a directory of this version.
#[derive(Debug)]
pub struct Volume {
    dir: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    version: u32,
}

impl Volume {
    /// These files, in a directory that is made for them.
    pub fn new(dir: PathBuf, files: &[(&str, &[u8])]) -> Self {
        fs::create_dir(&dir).expect("a directory can be made");
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec()));
        let mut volume = Self { dir, files: files.collect(), version: 0 };
        volume.swap();
        for name in volume.files.keys() {
            symlink(format!("..data/{name}"), volume.file(name)).expect("a link can be made");
        }
        volume
    }

    /// Where a file is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What is in a file.
    pub fn content(&self, name: &str) -> &[u8] {
        self.files.get(name).map_or(&[], Vec::as_slice)
    }

    /// Changes a file.
    pub fn put(&mut self, way: Way, name: &str, content: &[u8]) {
        self.files.insert(name.to_owned(), content.to_vec());
        match way {
            Way::Swap => self.swap(),
            Way::Rewrite => fs::write(self.file(name), content).expect("a file can be written"),
        }
    }

    fn swap(&mut self) {
        let version = |n: u32| format!("..version-{n}");
        self.version += 1;
        let (before, now) = (version(self.version - 1), version(self.version));
        let made = self.dir.join(&now);
        fs::create_dir(&made).expect("a directory can be made");
        for (name, content) in &self.files {
            fs::write(made.join(name), content).expect("a file can be written");
        }
        let next = self.dir.join("..data_tmp");
        symlink(now, &next).expect("a link can be made");
        fs::rename(next, self.dir.join("..data")).expect("a link can be swung");
        if self.version > 1 {
            fs::remove_dir_all(self.dir.join(before)).expect("the old files can go");
        }
    }
}

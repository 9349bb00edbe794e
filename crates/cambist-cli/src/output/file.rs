//! Files that are written whole or not at all.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use crate::system::{readable, sync_dir};

/// Writes beside the target, syncs, and renames: a reader sees the old content or the new.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    // What a textfile collector ignores, and what two writers at once do not share.
    next.push(format!(".{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    let written = readable(options.create(true).truncate(true).write(true)).open(&next);
    let written = written.and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| std::fs::rename(&next, path));
    if moved.is_err() {
        // What is half written helps nobody.
        let _ = std::fs::remove_file(&next);
    }
    moved?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    sync_dir(dir.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn content_is_replaced_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.prom");
        for content in ["one", "two"] {
            super::write(&path, content.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert!(super::write(&dir.path().join("missing/x"), b"").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

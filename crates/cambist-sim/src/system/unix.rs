//! Linux and macOS.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A directory that is made by this is its owner's alone.
pub(crate) fn private_dir(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder.mode(0o700)
}

/// A file that is made by these options is its owner's alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// A link at `at` to the file `target`.
pub(crate) fn link_file(target: &Path, at: &Path) -> io::Result<()> {
    symlink(target, at)
}

/// Makes `at` a link to the directory `target` in one step, whatever it was a link to before.
pub(crate) fn swing(target: &Path, at: &Path) -> io::Result<()> {
    let mut next = at.as_os_str().to_owned();
    next.push("_tmp");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &next)?;
    fs::rename(next, at)
}

/// The path of what is there, by which other programs find it.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// A path as it is typed into a shell.
pub(crate) fn typed(path: &Path) -> String {
    path.display().to_string()
}

/// SIGTERM and Ctrl-C, heard from now on.
pub(crate) struct Stop([Signal; 2]);

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
    }

    pub(crate) async fn heard(&mut self) {
        let [terminate, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

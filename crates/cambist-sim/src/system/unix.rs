//! Linux and macOS.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A directory that is made by this is its owner's alone.
pub(crate) fn private_dir(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder.mode(0o700)
}

/// Why others could replace what is in a directory, if they could, and what to do.
pub(crate) fn not_private(dir: &Path) -> io::Result<Option<String>> {
    const OTHER: &str = "take a directory of your own, or a path where none is";
    let own = rustix::process::geteuid().as_raw();
    // A link is its owner's to swing. A slash behind it would ask for what it leads to.
    let link = fs::symlink_metadata(dir.components().collect::<PathBuf>())?;
    let there = fs::metadata(dir)?;
    if let Some(owner) = [link.uid(), there.uid()].into_iter().find(|uid| *uid != own) {
        return Ok(Some(format!("it belongs to user {owner}, and this is user {own}: {OTHER}")));
    }
    let mode = there.mode() & 0o7777;
    // With the sticky bit it is meant to be everybody's, as /tmp is.
    let chmod = if mode & 0o1000 == 0 { "chmod go-w, or " } else { "" };
    let why = || format!("its group or others may write to it (mode {mode:04o}): {chmod}{OTHER}");
    Ok((mode & 0o022 != 0).then(why))
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

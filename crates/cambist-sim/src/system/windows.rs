//! Windows.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::windows::fs::{symlink_dir, symlink_file};
use std::path::{Path, PathBuf};

use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

/// Left as it is: a new directory has the access list that its own hands down.
pub(crate) fn private_dir(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder
}

/// Not looked for: who may do what there is for the access list to say.
pub(crate) fn not_private(_: &Path) -> io::Result<Option<String>> {
    Ok(None)
}

/// Left as it is, as above.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// A link at `at` to the file `target`.
pub(crate) fn link_file(target: &Path, at: &Path) -> io::Result<()> {
    symlink_file(target, at).map_err(told)
}

/// Makes `at` a link to the directory `target`. Nothing is there for a moment: Windows cannot rename
/// over a link to a directory, and kubelet does it like this there, too.
pub(crate) fn swing(target: &Path, at: &Path) -> io::Result<()> {
    match fs::remove_dir(at) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink_dir(target, at).map_err(told)
}

/// `ERROR_PRIVILEGE_NOT_HELD`.
const NO_PRIVILEGE: i32 = 1314;

/// Links are not everybody's to make.
fn told(error: io::Error) -> io::Error {
    if error.raw_os_error() != Some(NO_PRIVILEGE) {
        return error;
    }
    let why =
        "a symbolic link is an administrator's to make, and everybody's once Developer Mode is on";
    io::Error::new(error.kind(), format!("{why}: {error}"))
}

/// The path of what is there, by which other programs find it. `canonicalize` would make a `\\?\` path of
/// it, in which no slash is a separator any more.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// A path as it is typed into a shell, to which a backslash is none of its separators.
pub(crate) fn typed(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}

/// Ctrl-C and Ctrl-Break, heard from now on.
pub(crate) struct Stop(CtrlC, CtrlBreak);

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(ctrl_c()?, ctrl_break()?))
    }

    pub(crate) async fn heard(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

//! Linux and macOS.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A file that is made by these options is for everybody to read, and its owner's to write.
pub(crate) fn readable(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o644)
}

/// Makes what was renamed in a directory last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Who may do what with a file; nothing if that is not to be had.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|it| it.permissions().mode() & 0o7777)
}

/// SIGTERM and Ctrl-C, heard from now on: what comes during a look is not lost.
pub(crate) struct Stop([Option<Signal>; 2]);

impl Stop {
    pub(crate) fn listen() -> Self {
        // Without a handler the signal's own effect remains, which is to end the program.
        Self([SignalKind::terminate(), SignalKind::interrupt()].map(|kind| signal(kind).ok()))
    }

    pub(crate) async fn heard(&mut self) {
        let [terminate, interrupt] = &mut self.0;
        let wait = async |signal: &mut Option<Signal>| match signal {
            Some(signal) => _ = signal.recv().await,
            None => std::future::pending().await,
        };
        tokio::select! {
            () = wait(terminate) => {}
            () = wait(interrupt) => {}
        }
    }
}

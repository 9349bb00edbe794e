//! Windows.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

/// Left as it is: a new file has the access list that its directory hands down.
pub(crate) fn readable(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Nothing: a directory cannot be synced, and the file system's journal keeps what was renamed in it.
pub(crate) fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing: an access list is no mode.
pub(crate) fn mode(_: &Path) -> Option<u32> {
    None
}

/// Ctrl-C and Ctrl-Break, heard from now on: what comes during a look is not lost.
pub(crate) struct Stop(Option<CtrlC>, Option<CtrlBreak>);

impl Stop {
    pub(crate) fn listen() -> Self {
        // Without a handler the key's own effect remains, which is to end the program.
        Self(ctrl_c().ok(), ctrl_break().ok())
    }

    pub(crate) async fn heard(&mut self) {
        let Self(interrupt, stop) = self;
        let interrupted = async {
            match interrupt {
                Some(interrupt) => _ = interrupt.recv().await,
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            match stop {
                Some(stop) => _ = stop.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = interrupted => {}
            () = stopped => {}
        }
    }
}

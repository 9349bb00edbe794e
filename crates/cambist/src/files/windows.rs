//! Windows.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;

use winapi_util::file::typ;

use super::FileFault;

/// `SECURITY_ANONYMOUS`.
const ANONYMOUS: u32 = 0;

/// Opens a regular file, and nothing else, without waiting; with the length that it says it has. What
/// is open here may be replaced or removed by others all the same.
pub(super) fn open(path: &Path) -> Result<(File, u64), FileFault> {
    // Whoever serves a pipe may act as the one that opens it, unless that one says otherwise.
    let file = OpenOptions::new().read(true).security_qos_flags(ANONYMOUS).open(path);
    let file = match file {
        // How Windows refuses to open one.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.is_dir() => {
            return Err(FileFault::NotAFile("a directory"));
        }
        file => file?,
    };
    // Before anything is read: a pipe or a console would be waited for.
    let kind = typ(&file)?;
    if !kind.is_disk() {
        let what = match (kind.is_pipe(), kind.is_char()) {
            (true, _) => "a pipe or a socket",
            (_, true) => "a device",
            _ => "something else",
        };
        return Err(FileFault::NotAFile(what));
    }
    // Of a whole disk this fails.
    let stat = file.metadata()?;
    if !stat.is_file() {
        return Err(FileFault::NotAFile("something else"));
    }
    Ok((file, stat.len()))
}

/// Left as it is: a new file has the access list that its directory hands down.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Nothing: a directory cannot be synced, and the file system's journal keeps what was renamed in it.
pub(crate) fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::windows::fs::OpenOptionsExt as _;

    use tokio::net::windows::named_pipe::ServerOptions;

    use super::super::read;
    use super::*;

    #[tokio::test]
    async fn what_is_no_file_is_named_and_never_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = format!(r"\\.\pipe\cambist-{}", std::process::id());
        // Nobody ever writes to it.
        let _served = ServerOptions::new().create(&pipe).unwrap();
        for (path, words) in [
            (dir.path().join("nothing"), "does not exist"),
            (dir.path().into(), "a directory"),
            (pipe.into(), "a pipe"),
            ("NUL".into(), "a device"),
        ] {
            let fault = read(&path, 16).unwrap_err().to_string();
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn a_file_that_somebody_keeps_to_himself_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut alone = OpenOptions::new();
        let _held = alone.create(true).write(true).share_mode(0).open(&path).unwrap();
        assert!(matches!(read(&path, 16), Err(FileFault::Io(_))));
    }

    // Windows 10's NTFS does it; Wine 8 does not.
    #[test]
    fn a_file_that_is_being_read_can_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [path, next] = ["file", "next"].map(|name| dir.path().join(name));
        std::fs::write(&path, "old").unwrap();
        std::fs::write(&next, "new").unwrap();
        let (_held, length) = open(&path).unwrap();
        assert_eq!(length, 3);
        std::fs::rename(&next, &path).unwrap();
        assert_eq!(**read(&path, 16).unwrap(), *b"new");
    }
}

//! Linux and macOS.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::FileFault;

/// Opens a regular file, and nothing else, without waiting; with the length that it says it has.
pub(super) fn open(path: &Path) -> Result<(File, u64), FileFault> {
    // Without NONBLOCK, opening a FIFO waits for somebody to write into it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(fault)?;
    let stat = rustix::fs::fstat(&file).map_err(fault)?;
    if let Some(what) = not_a_file(FileType::from_raw_mode(stat.st_mode)) {
        return Err(FileFault::NotAFile(what));
    }
    Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or(0)))
}

fn not_a_file(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a FIFO"),
        FileType::Socket => Some("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        _ => Some("something else"),
    }
}

/// A file that is made by these options is its owner's alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// Makes what was renamed in a directory last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn fault(errno: Errno) -> FileFault {
    match errno {
        // What opening a socket gives, on Linux and on macOS.
        Errno::NXIO | Errno::OPNOTSUPP => {
            FileFault::NotAFile("a socket or a device that is not there")
        }
        errno => io::Error::from(errno).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::super::read;
    use super::*;

    #[test]
    fn what_is_no_file_is_named_and_never_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        // The command, because macOS lacks the system call that rustix wraps.
        assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        let _socket = UnixListener::bind(at("socket")).unwrap();
        symlink(at("loop"), at("loop")).unwrap();
        for (path, words) in [
            (at("nothing"), "does not exist"),
            (at("fifo").join("file"), "Not a directory"),
            (at(""), "a directory"),
            (at("fifo"), "a FIFO"),
            (at("socket"), "a socket"),
            (at("loop"), "symbolic links"),
            ("/dev/zero".into(), "a device"),
        ] {
            let fault = read(&path, 16).unwrap_err().to_string();
            assert!(fault.contains(words), "{fault}");
        }
    }

    // By its number, because whoever runs the tests as root may read everything.
    #[test]
    fn a_forbidden_file_is_told() {
        for errno in [Errno::ACCESS, Errno::PERM] {
            assert_eq!(FileFault::from(io::Error::from(errno)), FileFault::Denied);
        }
    }

    #[test]
    fn a_private_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let made = private(OpenOptions::new().write(true).create_new(true)).open(&path);
        let mode = made.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        sync_dir(dir.path()).unwrap();
    }
}

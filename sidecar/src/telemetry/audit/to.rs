//! Where the audit trail is wanted.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cambist::files::in_time;
use cambist_core::foreign::Foreign;
use rustix::fs::OFlags;

/// Where the audit trail is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever starts it has to know all ways")]
pub enum To {
    /// On standard output, which has nothing else on it while the sidecar serves.
    #[default]
    Stdout,
    /// In a file, or a FIFO.
    File(PathBuf),
    /// Nowhere by itself: what it would have is in the log.
    Off,
}

impl To {
    /// Opens it for as long as the process runs; nothing for what goes into the log. Whether it is a terminal.
    ///
    /// A file is made with mode 0600 if it is not there, and appended to if it is: whoever rotates it copies and
    /// truncates it. A FIFO is opened without waiting for its reader, and holds what it can until one is there.
    ///
    /// # Errors
    /// In words, with the file's name.
    pub fn open(&self) -> Result<Option<(File, bool)>, String> {
        match self {
            Self::Off => Ok(None),
            Self::Stdout => {
                let stdout = io::stdout();
                // Without the buffer that the standard library has before it.
                let file = stdout.as_fd().try_clone_to_owned().map(File::from);
                let file =
                    file.map_err(|error| format!("standard output cannot be used: {error}"))?;
                Ok(Some((file, stdout.is_terminal())))
            }
            Self::File(path) => {
                let told = |problem: String| format!("{} {problem}", path.display());
                let to_open = path.clone();
                let opened = in_time(move || open(&to_open)).map_err(|fault| fault.to_string());
                opened.flatten().map(|file| Some((file, false))).map_err(told)
            }
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stdout | Self::Off => None,
        }
    }
}

fn open(path: &Path) -> Result<File, String> {
    let is_fifo = |file: &std::fs::Metadata| file.file_type().is_fifo();
    let fifo = std::fs::metadata(path).is_ok_and(|file| is_fifo(&file));
    // To write alone, a FIFO cannot be opened before somebody reads it; and without NONBLOCK opening waits for that.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut options = File::options();
    options.read(fifo).append(true).create(!fifo).mode(0o600).custom_flags(flags);
    let file =
        options.open(path).map_err(|error| format!("cannot be opened for appending: {error}"))?;
    let there = file.metadata().map_err(|error| format!("cannot be looked at: {error}"))?;
    if there.is_file() || is_fifo(&there) {
        return Ok(file);
    }
    Err("is neither a file nor a FIFO: name one, or stdout".to_owned())
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "stdout" => Ok(Self::Stdout),
            "off" => Ok(Self::Off),
            path if path.starts_with('/') => Ok(Self::File(path.into())),
            // A misspelt word would be a file's name.
            other => Err(format!("{} is none of stdout, off, /PATH", Foreign::new(other))),
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Off => f.write_str("off: what it would have is in the log"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_made_for_its_owner_alone_and_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        for line in ["one\n", "two\n"] {
            let (mut file, terminal) = To::File(path.clone()).open().unwrap().unwrap();
            file.write_all(line.as_bytes()).unwrap();
            assert!(!terminal);
        }
        // As whoever rotates it by copying leaves it.
        let (mut file, _) = To::File(path.clone()).open().unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        File::options().write(true).truncate(true).open(&path).unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_fifo_is_opened_before_anybody_reads_it_and_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let (mut fifo, _) = To::File(path.clone()).open().unwrap().unwrap();
        fifo.write_all(b"kept\n").unwrap();
        let mut read = [0; 5];
        File::open(&path).unwrap().read_exact(&mut read).unwrap();
        assert_eq!(&read, b"kept\n");
        // Its reader is gone again, and that is no error.
        fifo.write_all(b"more\n").unwrap();
    }

    #[test]
    fn what_is_no_file_and_what_is_no_place_is_refused() {
        let open = |path: &str| To::File(path.into()).open().map(drop);
        assert!(open("/dev/null").unwrap_err().contains("neither a file nor a FIFO"));
        assert!(open("/nonexistent/audit").unwrap_err().contains("cannot be opened"));
        assert!(open("/").is_err());
        for (text, to) in
            [("stdout", To::Stdout), ("off", To::Off), ("/a/b", To::File("/a/b".into()))]
        {
            assert_eq!(text.parse(), Ok(to));
        }
        for strange in ["stderr", "of", "audit.jsonl", ""] {
            let problem = strange.parse::<To>().unwrap_err();
            assert!(problem.contains("none of stdout, off, /PATH"), "{problem}");
        }
    }
}

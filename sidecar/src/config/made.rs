//! A header secret that the sidecar makes for its pod, in the form that a container's `fileKeyRef` reads.
//!
//! Kubelet reads the file each time it starts a container of the app, so what stands there stays there: a sidecar that
//! is started again takes up the secret that the app has already.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use cambist::files::{FileFault, read_in_time};
use cambist_core::secret::Secret;
use zeroize::Zeroizing;

use super::policy::SECRET;

/// The variable that names the file.
pub(crate) const MAKE_SECRET: &str = "CAMBIST_MAKE_HEADER_FILE";

/// The bytes of randomness in a secret; it has twice as many characters.
const RANDOM: usize = 32;
/// The longest file that is read: one of ours has a fifth of it.
const MAX_FILE: usize = 512;

/// The secret in this file. Where there is none yet, a new one, which is written there if `keep`.
///
/// # Errors
/// In words, to go on after the file's name: it is not of our making, or cannot be written. A file that is there is
/// never changed.
pub(crate) fn secret(path: &Path, keep: bool) -> Result<Secret, String> {
    match read_in_time(path, MAX_FILE) {
        Ok(line) => taken(&line).ok_or_else(|| {
            format!(
                "is there, and not as a sidecar left it (one line, {SECRET}='{} hexadecimal digits'); it \
                 stays as it is: name another file",
                2 * RANDOM
            )
        }),
        Err(FileFault::Missing) => {
            let secret = new().map_err(|error| format!("cannot be made: {error}"))?;
            if !keep {
                return Ok(secret);
            }
            match write(path, &secret) {
                Ok(()) => Ok(secret),
                // Another one was quicker, and apps may have its secret already.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self::secret(path, false),
                Err(error) => Err(format!(
                    "cannot be written: {error}. Mount a volume there that this container may write \
                     (emptyDir, medium: Memory), and no other container has"
                )),
            }
        }
        Err(fault) => Err(fault.to_string()),
    }
}

fn new() -> io::Result<Secret> {
    let mut random = Zeroizing::new([0; RANDOM]);
    aws_lc_rs::rand::fill(&mut *random).map_err(|_| io::Error::other("no random numbers"))?;
    let mut text = Zeroizing::new(String::with_capacity(2 * RANDOM));
    for byte in *random {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(digit.into(), 16).expect("half a byte is a digit"));
        }
    }
    Ok(Secret::new(text.as_str()))
}

/// Whole or not at all: whoever reads it finds no half of a line. What is there is left there.
fn write(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    // Left by one that was killed while it wrote: in a container, the next one has the same number.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    // Quoted, as Kubernetes has it from 1.35 on.
    let line = Zeroizing::new(format!("{SECRET}='{}'\n", secret.expose()));
    let written = file.write_all(line.as_bytes()).and_then(|()| fs::hard_link(&beside, path));
    fs::remove_file(&beside)?;
    written
}

/// The secret of a line that [`write`] wrote.
fn taken(line: &[u8]) -> Option<Secret> {
    let line = std::str::from_utf8(line).ok()?;
    let text = line.strip_prefix(SECRET)?.strip_prefix("='")?.strip_suffix("'\n")?;
    let ours = text.len() == 2 * RANDOM && text.bytes().all(|b| b.is_ascii_hexdigit());
    ours.then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_and_taken_up_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("header.env");
        // What one that was killed left.
        let beside = format!("header.env.{}", std::process::id());
        fs::write(dir.path().join(beside), "IDENTITY_HEADER='01").unwrap();
        let first = secret(&path, true).unwrap();
        assert_eq!(first.expose().len(), 64);
        let line = fs::read_to_string(&path).unwrap();
        assert_eq!(line, format!("IDENTITY_HEADER='{}'\n", first.expose()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = secret(&path, true).unwrap();
        assert!(second.matches(first.expose().as_bytes()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "and nothing beside it");
    }

    #[test]
    fn of_two_that_begin_at_once_one_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("header.env");
        let (mine, another) = (new().unwrap(), new().unwrap());
        write(&path, &another).unwrap();
        assert_eq!(write(&path, &mine).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(secret(&path, true).unwrap().matches(another.expose().as_bytes()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "and nothing beside it");
    }

    #[test]
    fn no_two_are_alike_and_one_that_is_not_kept_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("header.env");
        let (one, other) = (secret(&path, false).unwrap(), secret(&path, false).unwrap());
        assert!(!one.matches(other.expose().as_bytes()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_another_wrote_stays_and_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("header.env");
        for text in ["", "IDENTITY_HEADER=hunter2hunter2hunter2\n", "IDENTITY_HEADER='00'\n", "X"] {
            fs::write(&path, text).unwrap();
            let problem = secret(&path, true).unwrap_err();
            assert!(problem.contains("name another file"), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let problem = secret(&dir.path().join("no/header.env"), true).unwrap_err();
        assert!(problem.contains("cannot be written") && problem.contains("emptyDir"), "{problem}");
    }
}

//! The token file, written the way kubelet writes it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use cambist_core::clock::{Clock, UnixTime};

use crate::keys::KeyError;
use crate::lock;
use crate::random;
use crate::world::Sim;

/// How often a token's age is looked at.
const TICK: Duration = Duration::from_secs(1);

/// A token could not be projected; the one before is still in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeletError {
    /// It could not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It could not be written.
    #[error("cannot project a token into '{}'", dir.display())]
    Write {
        /// The volume's directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Keeps one projected volume: `token` -> `..data/token`, and `..data` -> a directory named after the
/// moment, exchanged for the next one by a rename.
#[derive(Debug)]
pub struct Kubelet {
    sim: Sim,
    dir: PathBuf,
    issued: Mutex<UnixTime>,
}

impl Kubelet {
    /// For the world's workload, into `dir`, which is created if need be. Projects nothing yet.
    pub fn new(sim: Sim, dir: impl Into<PathBuf>) -> Self {
        let issued = Mutex::new(UnixTime::from_secs(0));
        Self { sim, dir: dir.into(), issued }
    }

    /// The path an app reads.
    pub fn token_file(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// Projects a new token now.
    ///
    /// # Errors
    /// If it cannot be signed or written; the token before stays.
    pub fn project(&self) -> Result<(), KubeletError> {
        let now = self.sim.clock().wall();
        let token = self.sim.token()?;
        self.write(token.as_bytes())?;
        *lock(&self.issued) = now;
        Ok(())
    }

    /// Projects anything, as if it were a token.
    ///
    /// # Errors
    /// If it cannot be written; what was there before stays.
    pub fn write(&self, content: &[u8]) -> Result<(), KubeletError> {
        swap(&self.dir, self.sim.clock().wall(), content)
            .map_err(|source| KubeletError::Write { dir: self.dir.clone(), source })
    }

    /// Projects a new token whenever the current one is in the last fifth of its life, or from the
    /// future. Returns when that fails, never otherwise.
    pub async fn keep_fresh(&self) -> KubeletError {
        loop {
            if self.is_due()
                && let Err(error) = self.project()
            {
                return error;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn is_due(&self) -> bool {
        let (now, issued) = (self.sim.clock().wall(), *lock(&self.issued));
        now < issued || now.since(issued) >= self.sim.settings().token_lifetime.mul_f64(0.8)
    }
}

fn swap(volume: &Path, now: UnixTime, content: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(volume)?;
    let data = volume.join("..data");
    let before = fs::read_link(&data).ok();

    let name = format!("..{}.{}", stamp(now), random::hex::<4>());
    let version = volume.join(&name);
    fs::DirBuilder::new().mode(0o700).create(&version)?;
    let file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(version.join("token"));
    file?.write_all(content)?;

    let next = volume.join("..data_tmp");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(&name, &next)?;
    fs::rename(&next, &data)?;
    match symlink("..data/token", volume.join("token")) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if let Some(before) = before {
        fs::remove_dir_all(volume.join(before))?;
    }
    Ok(())
}

/// `2026_11_23_04_13_45`.
fn stamp(now: UnixTime) -> String {
    now.to_string().replace(['-', 'T', ':'], "_").trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn lays_the_volume_out_as_kubelet_does() {
        let dir = tempfile::tempdir().unwrap();
        let kubelet = Kubelet::new(Sim::new().unwrap(), dir.path().join("tokens"));
        kubelet.write(b"one").unwrap();
        let first = fs::read_link(kubelet.dir.join("..data")).unwrap();
        assert!(first.to_str().unwrap().starts_with("..2026_11_23_04_13_45."), "{first:?}");
        assert_eq!(fs::read_link(kubelet.token_file()).unwrap(), Path::new("..data/token"));
        assert_eq!(fs::read(kubelet.token_file()).unwrap(), b"one");

        kubelet.write(b"two").unwrap();
        assert_eq!(fs::read(kubelet.token_file()).unwrap(), b"two");
        let second = fs::read_link(kubelet.dir.join("..data")).unwrap();
        assert_eq!(names(&kubelet.dir), [second.to_str().unwrap(), "..data", "token"]);
    }

    #[test]
    fn says_where_it_could_not_write() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().join("occupied");
        fs::write(&volume, b"").unwrap();
        let error = Kubelet::new(Sim::new().unwrap(), &volume).project().unwrap_err();
        assert!(error.to_string().contains("occupied"), "{error}");
    }

    #[test]
    fn renews_in_the_last_fifth_or_when_time_went_back() {
        let dir = tempfile::tempdir().unwrap();
        let sim = Sim::new().unwrap();
        let kubelet = Kubelet::new(sim.clone(), dir.path());
        assert!(kubelet.is_due());
        kubelet.project().unwrap();
        sim.clock().advance(Duration::from_secs(2870));
        assert!(!kubelet.is_due());
        sim.clock().advance(Duration::from_secs(10));
        assert!(kubelet.is_due());
        kubelet.project().unwrap();
        assert!(!kubelet.is_due());
        sim.clock().skew(-60);
        assert!(kubelet.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_token_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let kubelet = Kubelet::new(Sim::new().unwrap(), dir.path());
        let token = || fs::read(kubelet.token_file()).unwrap();
        let run = async |seconds| {
            let time = Duration::from_secs(seconds);
            assert!(tokio::time::timeout(time, kubelet.keep_fresh()).await.is_err());
        };
        run(1).await;
        let first = token();
        run(2800).await;
        assert_eq!(token(), first);
        run(200).await;
        assert_ne!(token(), first);
    }
}

//! The token file, written the way kubelet writes it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use cambist_core::clock::{Clock, UnixTime};

use crate::clock::{Machine, SimClock};
use crate::keys::KeyError;
use crate::lock;
use crate::random;
use crate::system::{link_file, private, private_dir, swing};
use crate::token::Form;
use crate::world::Sim;

/// How often a token's age is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How old a token gets at most, however long it is valid.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

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
    /// Whether there is a second token, for the API server, in `api-token`.
    with_api_token: bool,
    state: Mutex<State>,
}

struct State {
    /// By the API server's clock, as the token says.
    issued: UnixTime,
    form: Form,
    /// The last token of this form, and the one for the API server.
    token: String,
    api_token: String,
}

impl std::fmt::Debug for State {
    /// Without the tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("form", &self.form).finish_non_exhaustive()
    }
}

impl Kubelet {
    /// For the world's workload, into `dir`, which is created if need be. Projects nothing yet.
    pub fn new(sim: Sim, dir: impl Into<PathBuf>) -> Self {
        let state = State {
            issued: UnixTime::from_secs(0),
            form: Form::default(),
            token: String::new(),
            api_token: String::new(),
        };
        Self { sim, dir: dir.into(), with_api_token: false, state: Mutex::new(state) }
    }

    /// With a second token beside the first, in `api-token`, whose audience is the API server's.
    #[must_use]
    pub fn with_api_token(self) -> Self {
        Self { with_api_token: true, ..self }
    }

    /// The variables that tell a pod of this cluster who it is and whom to trust, as far as the webhook and
    /// the issuer go; where a server listens, is for who runs them to add.
    pub fn env(&self) -> BTreeMap<String, String> {
        let settings = self.sim.settings();
        let token_file = self.token_file().display().to_string();
        [
            ("AZURE_TENANT_ID", settings.tenant_id.as_str()),
            ("AZURE_CLIENT_ID", &settings.client_id),
            ("AZURE_FEDERATED_TOKEN_FILE", &token_file),
            ("AZURE_AUTHORITY_HOST", &settings.authority),
            ("CAMBIST_ALLOW_AUTHORITY", &settings.authority),
            ("CAMBIST_ISSUER", &settings.issuer),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into()
    }

    /// The path of the token for the API server.
    pub fn api_token_file(&self) -> PathBuf {
        self.dir.join("api-token")
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
        let now = self.sim.clock_of(Machine::Api).wall();
        let mut state = lock(&self.state);
        if state.form != Form::Legacy || state.token.is_empty() {
            state.token = self.sim.token_in(state.form)?;
        }
        if self.with_api_token {
            state.api_token = self.sim.api_token()?;
        }
        self.swap(state.token.as_bytes(), &state)?;
        state.issued = now;
        Ok(())
    }

    /// Projects tokens of this form from now on.
    ///
    /// # Errors
    /// If none can be signed or written; the one before stays until it is due.
    pub fn project_as(&self, form: Form) -> Result<(), KubeletError> {
        {
            let mut state = lock(&self.state);
            state.form = form;
            state.token.clear();
        }
        self.project()
    }

    /// Projects a new token if the current one is due. Looks now, where
    /// [`keep_fresh`](Self::keep_fresh) looks again and again.
    ///
    /// # Errors
    /// If it cannot be signed or written; the token before stays.
    pub fn renew(&self) -> Result<(), KubeletError> {
        if self.is_due() { self.project() } else { Ok(()) }
    }

    /// Projects anything, as if it were a token.
    ///
    /// # Errors
    /// If it cannot be written; what was there before stays.
    pub fn write(&self, content: &[u8]) -> Result<(), KubeletError> {
        self.swap(content, &lock(&self.state))
    }

    fn swap(&self, token: &[u8], state: &State) -> Result<(), KubeletError> {
        let api_token = self.with_api_token.then_some(("api-token", state.api_token.as_bytes()));
        let files: Vec<_> = std::iter::once(("token", token)).chain(api_token).collect();
        publish(&self.dir, self.node().wall(), &files)
            .map_err(|source| KubeletError::Write { dir: self.dir.clone(), source })
    }

    /// Projects a new token whenever the current one is in the last fifth of its life, a day old, or
    /// from the future. Returns when that fails, never otherwise.
    pub async fn keep_fresh(&self) -> KubeletError {
        loop {
            if let Err(error) = self.renew() {
                return error;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// The clock of the machine that it runs on, the pod's too.
    fn node(&self) -> &SimClock {
        self.sim.clock_of(Machine::Pod)
    }

    fn is_due(&self) -> bool {
        let (now, issued) = (self.node().wall(), lock(&self.state).issued);
        let fifths = self.sim.settings().token_lifetime.mul_f64(0.8);
        now < issued || now.since(issued) >= fifths.min(MAX_AGE)
    }
}

/// Writes these files into a volume the way kubelet does: into a directory of their own, named after the
/// moment, to which the link `..data` is then swung over. Whoever opens one of them has it whole. On
/// Windows, where kubelet has no way to swing a link in one step either, it may be missing for a moment.
///
/// # Errors
/// If something cannot be written; what was there before stays.
pub fn publish(volume: &Path, now: UnixTime, files: &[(&str, &[u8])]) -> io::Result<()> {
    private_dir(fs::DirBuilder::new().recursive(true)).create(volume)?;
    let data = volume.join("..data");
    let before = fs::read_link(&data).ok();

    let name = format!("..{}.{}", stamp(now), random::hex::<4>());
    let version = volume.join(&name);
    private_dir(&mut fs::DirBuilder::new()).create(&version)?;
    for (name, content) in files {
        let mut options = OpenOptions::new();
        let file = private(options.write(true).create_new(true)).open(version.join(name));
        file?.write_all(content)?;
    }

    swing(name.as_ref(), &data)?;
    for (name, _) in files {
        match link_file(&Path::new("..data").join(name), &volume.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
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
        sim.clock_of(Machine::Pod).skew(-60);
        assert!(kubelet.is_due());
    }

    #[test]
    fn a_long_token_is_renewed_daily_and_a_legacy_one_never() {
        let dir = tempfile::tempdir().unwrap();
        let settings = crate::Settings {
            token_lifetime: Duration::from_secs(48 * 3600),
            ..crate::Settings::default()
        };
        let sim = Sim::with(settings).unwrap();
        let kubelet = Kubelet::new(sim.clone(), dir.path()).with_api_token();
        let read =
            || [kubelet.token_file(), kubelet.api_token_file()].map(|it| fs::read(it).unwrap());
        kubelet.project().unwrap();
        let first = read();
        sim.clock().advance(MAX_AGE - Duration::from_secs(1));
        kubelet.renew().unwrap();
        assert_eq!(read(), first);
        sim.clock().advance(Duration::from_secs(1));
        kubelet.renew().unwrap();
        assert!(read().iter().zip(&first).all(|(new, old)| new != old));

        kubelet.project_as(Form::Legacy).unwrap();
        let [legacy, api] = read();
        sim.issuer().rotate(true).unwrap();
        sim.clock().advance(MAX_AGE);
        kubelet.renew().unwrap();
        let [token, api_token] = read();
        assert_eq!(token, legacy);
        assert_ne!(api_token, api);
        kubelet.write(b"anything").unwrap();
        assert_eq!(read(), [b"anything".to_vec(), api_token]);
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

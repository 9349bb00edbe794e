//! A simulated world with a credential in it, for this crate's own tests. No sockets: its time is
//! tokio's, which tests pause.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cambist_core::clock::UnixTime;
use cambist_core::issuer::JwksHost;
use cambist_core::refresh::Jitter;
use cambist_core::scope::Scope;
use cambist_sim::Sim;
use cambist_sim::clock::Machine;
use cambist_sim::kubelet::{self, Kubelet};
use tempfile::TempDir;

use crate::config::Config;
use crate::context::Context;
use crate::credential::Credential;
use crate::event::{Event, FileOutcome};
use crate::issuer_keys::KeyOrigin;
use crate::observer::{Observer, Unobserved};
use crate::transport::Transport;
use crate::trust::Trust;

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) kubelet: Kubelet,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) observer: Arc<dyn Observer>,
    _dir: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let sim = Sim::new().unwrap();
        sim.entra().know_resource("api://*");
        let dir = TempDir::new().unwrap();
        let kubelet = Kubelet::new(sim.clone(), dir.path());
        kubelet.project().unwrap();
        let env = kubelet.env();
        Self { sim, kubelet, env, observer: Arc::new(Unobserved), _dir: dir }
    }

    pub(crate) fn with(mut self, name: &str, text: &str) -> Self {
        self.env.insert(name.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            clock: Arc::new(self.sim.clock_of(Machine::Pod).clone()),
            observer: self.observer.clone(),
            jitter: Jitter::of(b"pod"),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport::from_service(self.sim.service())
    }

    pub(crate) fn sources(&self) -> Vec<KeyOrigin> {
        let host = JwksHost::SameAsIssuer;
        vec![KeyOrigin::Public { transport: self.transport(), host }]
    }

    pub(crate) fn config(&self) -> Config {
        Config::from_env(&self.env).unwrap()
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust_over(self.transport())
    }

    /// The same with somebody else in Entra's place.
    pub(crate) fn trust_over(&self, entra: Transport) -> Trust {
        self.config().trust.open_over(entra, self.sources(), self.context())
    }

    pub(crate) fn credential(&self) -> Credential {
        self.trust().credential(&self.config().identity)
    }

    /// What the pod asked for so far: exchanges, discovery documents, key sets.
    pub(crate) fn asked(&self) -> (u64, u64, u64) {
        let counts = self.sim.journal().counts();
        (counts.entra, counts.discovery, counts.jwks)
    }
}

pub(crate) fn scope(resource: &str) -> Scope {
    Scope::parse(&format!("{resource}/.default")).unwrap()
}

/// The reason for which a credential has no token for a scope, or "" if it has one.
pub(crate) async fn reason(credential: &Credential, scope: &Scope) -> &'static str {
    credential.token(scope).await.as_ref().map_or_else(|error| error.reason().as_str(), |_| "")
}

/// A directory in which files are replaced as the kubelet replaces a volume's.
pub(crate) struct Volume(TempDir);

impl Volume {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let volume = Self(TempDir::new().unwrap());
        volume.publish(files);
        volume
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes them all into a directory of their own, and then swings `..data` over to it.
    pub(crate) fn publish(&self, files: &[(&str, &str)]) {
        let files: Vec<_> =
            files.iter().map(|(name, content)| (*name, content.as_bytes())).collect();
        kubelet::publish(self.0.path(), UnixTime::from_secs(0), &files).unwrap();
    }
}

/// Keeps what was told of changed files: which, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Vec<(String, Result<(), String>)>>);

impl Observer for Changes {
    fn event(&self, event: &Event<'_>) {
        let Event::FileChanged(it) = event else { return };
        let result = it.result.map_err(str::to_owned);
        assert_eq!(result.is_ok(), it.outcome() == FileOutcome::Applied);
        self.0.lock().unwrap().push((format!("{} {}", it.kind.as_str(), it.name), result));
    }
}

impl Changes {
    pub(crate) fn take(&self) -> Vec<(String, Result<(), String>)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The only one, which is about this file.
    pub(crate) fn one(&self, what: &str) -> Result<(), String> {
        let mut all = self.take();
        assert!(all.len() == 1 && all[0].0 == what, "{all:?}");
        all.remove(0).1
    }
}

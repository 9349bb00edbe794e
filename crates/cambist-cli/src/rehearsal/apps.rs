//! Apps that ask for tokens all the time: held ones, new ones, and what the API servers give for theirs.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cambist::issuer_keys::KeyOrigin;
use cambist::observer::Unobserved;
use cambist::transport::Transport;
use cambist::{Config, Context, Credential};
use cambist_core::clock::{Clock as _, UnixTime};
use cambist_core::issuer::JwksHost;
use cambist_core::refresh::Jitter;
use cambist_core::scope::Scope;
use cambist_sim::Sim;
use cambist_sim::clock::Machine;
use cambist_sim::kubelet::Kubelet;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt as _;

use super::PAUSE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A token for a scope that the app has asked for ever since.
    Held,
    /// A token for a scope that nobody asked for before.
    New,
    /// An API server, with the app's own token for it.
    Api,
}

/// What the apps asked for, when, and why they did not get it.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Vec<Asked>>>);

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) at: UnixTime,
    pub(super) what: What,
    pub(super) failure: Option<String>,
}

impl Tally {
    fn note(&self, at: UnixTime, what: What, failure: Option<String>) {
        self.0.lock().unwrap().push(Asked { at, what, failure });
    }

    pub(super) fn count(&self, what: What) -> usize {
        self.0.lock().unwrap().iter().filter(|it| it.what == what).count()
    }

    pub(super) fn failures(&self) -> Vec<Asked> {
        self.0.lock().unwrap().iter().filter(|it| it.failure.is_some()).cloned().collect()
    }
}

/// Runs until it is dropped.
pub(super) struct App {
    pub(super) kubelet: Arc<Kubelet>,
    _tasks: JoinSet<()>,
}

impl App {
    pub(super) fn start(sim: &Sim, dir: &Path, tally: &Tally) -> Self {
        let kubelet = Arc::new(Kubelet::new(sim.clone(), dir).with_api_token());
        kubelet.project().unwrap();
        let credential = credential(sim, &kubelet);
        let mut tasks = JoinSet::new();
        let upkeep = credential.clone();
        tasks.spawn(async move { upkeep.maintain().await });
        let (sim, tally, renewing) = (sim.clone(), tally.clone(), Arc::clone(&kubelet));
        tasks.spawn(async move {
            for turn in 0_u32.. {
                renewing.renew().unwrap();
                for vault in ["https://vault.azure.net", "https://storage.azure.com"] {
                    take(&sim, &tally, What::Held, &credential, vault).await;
                }
                let fresh = format!("api://app-{turn}");
                take(&sim, &tally, What::New, &credential, &fresh).await;
                call(&sim, &tally, &renewing).await;
                sleep(PAUSE).await;
            }
        });
        Self { kubelet, _tasks: tasks }
    }
}

fn credential(sim: &Sim, kubelet: &Kubelet) -> Credential {
    let config = Config::from_env(&kubelet.env()).unwrap();
    let clock = Arc::new(sim.clock_of(Machine::Pod).clone());
    let context = Context::new(
        clock,
        Arc::new(Unobserved),
        Jitter::of(kubelet.token_file().as_os_str().as_encoded_bytes()),
    );
    let transport = Transport::from_service(sim.service());
    let keys = KeyOrigin::Public { transport: transport.clone(), host: JwksHost::SameAsIssuer };
    config.trust.open_over(transport, vec![keys], context).credential(&config.identity)
}

async fn take(sim: &Sim, tally: &Tally, what: What, credential: &Credential, resource: &str) {
    let scope = Scope::parse(&format!("{resource}/.default")).unwrap();
    let mut failure = credential.token(&scope).await.err().map(|error| error.to_string());
    // The paused clock may run ahead of a thread that reads a file. That is the test's, and no rotation's.
    while failure.as_ref().is_some_and(|why| why.contains("could not be read within")) {
        sleep(Duration::from_secs(1)).await;
        failure = credential.token(&scope).await.err().map(|error| error.to_string());
    }
    tally.note(sim.clock().wall(), what, failure);
}

/// Asks each API server for anything, with the pod's own token.
async fn call(sim: &Sim, tally: &Tally, kubelet: &Kubelet) {
    let token = std::fs::read_to_string(kubelet.api_token_file()).unwrap();
    let settings = sim.settings();
    for server in std::iter::once(&settings.api_server).chain(&settings.more_api_servers) {
        let request = http::Request::get(format!("{server}/openid/v1/jwks"))
            .header("authorization", format!("Bearer {token}"));
        let reply = sim.service().oneshot(request.body(Bytes::new()).unwrap()).await.unwrap();
        let failure = (reply.status() != 200).then(|| format!("{server}: {}", reply.status()));
        tally.note(sim.clock().wall(), What::Api, failure);
    }
}

//! A simulated world with a sidecar's parts in it, for this crate's own tests.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cambist::history::HistoryFile;
use cambist::issuer_keys::KeyOrigin;
use cambist::transport::Transport;
use cambist::{Context, Credential, Trust};
use cambist_core::clock::{Clock, Reading};
use cambist_core::issuer::JwksHost;
use cambist_core::policy::{Caller, Identity, Mode, Policy};
use cambist_core::refresh::Jitter;
use cambist_core::secret::Secret;
use cambist_key_age::{History, PublishedSet, Sighting, Source};
use cambist_sim::Sim;
use cambist_sim::clock::Machine;
use cambist_sim::kubelet::Kubelet;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

mod page;

pub(crate) use page::{held, region};

use crate::access::{Access, Proof};
use crate::admin::{self, Admin, StatusFor};
use crate::config::{self, Config};
use crate::endpoint::{Answer, Endpoint};
use crate::front_door::Door;
use crate::in_force::{InForce, Origin};
use crate::listener::{Ends, Link, Peer, Waiting};
use crate::log::Look;
use crate::metrics::{Counted, Format, Held, Metrics};
use crate::reply::Body;
use crate::request::Protocol;
use crate::settings::Settings;
use crate::sidecar::{Running, Surroundings, start_with};
use crate::telemetry::Telemetry;
use crate::telemetry::audit::Trail;

pub(crate) const SECRET: &str = "hunter2hunter2hunter2";
pub(crate) const VAULT: &str = "https://vault.azure.net";

/// A connection within the pod.
pub(crate) const LOOPBACK: Ends =
    Ends { peer: Peer::Loopback, local: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) };

pub(crate) fn link() -> Arc<Link> {
    Arc::new(Link::new(LOOPBACK))
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) metrics: Metrics,
    /// Places for those who wait for a token: four.
    pub(crate) waiting: Arc<Waiting>,
    kubelet: Kubelet,
    _dir: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let sim = Sim::new().unwrap();
        sim.entra().know_resource("api://*");
        let dir = TempDir::new().unwrap();
        let kubelet = Kubelet::new(sim.clone(), dir.path());
        kubelet.project().unwrap();
        let telemetry =
            Arc::new(Telemetry::new(Arc::new(sim.clock_of(Machine::Pod).clone()), None));
        let waiting = Waiting::new(4);
        let metrics = Metrics::of(&[&*telemetry, &*waiting]);
        Self { sim, telemetry, metrics, waiting, kubelet, _dir: dir }
    }

    /// A world whose audit trail is heard; keys are held against what these settings say.
    pub(crate) fn audited(extra: &[(&str, &str)]) -> (Self, Records) {
        let (mut world, records) = (Self::new(), Records::default());
        let clock = Arc::new(world.sim.clock_of(Machine::Pod).clone());
        let trail = Trail::lines(records.clone(), Look::Json, clock.clone()).unwrap();
        let _ = records.trail.set(trail.clone());
        let telemetry = Telemetry::new(clock, world.config(extra).key_age).audited(trail);
        world.telemetry = Arc::new(telemetry);
        (world, records)
    }

    /// The kubelet replaces the projected token.
    pub(crate) fn project(&self) {
        self.kubelet.project().unwrap();
    }

    /// The projected token's text.
    pub(crate) fn assertion(&self) -> String {
        std::fs::read_to_string(self.kubelet.token_file()).unwrap().trim().to_owned()
    }

    /// Something else stands where the projected token does.
    pub(crate) fn write_assertion(&self, content: &[u8]) {
        self.kubelet.write(content).unwrap();
    }

    pub(crate) fn config(&self, extra: &[(&str, &str)]) -> Config {
        let own = [
            ("CAMBIST_LISTEN", "0"),
            ("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0"),
            ("CAMBIST_PROTOCOLS", "app-service,native,imds"),
            ("IDENTITY_HEADER", SECRET),
        ];
        let all = own.iter().chain(extra);
        let mut env = self.kubelet.env();
        env.extend(all.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        Config::read(&Settings::of_env(&env)).unwrap()
    }

    /// What is trusted in this world, with no socket between.
    pub(crate) fn trust(&self, config: &Config, context: Context) -> Trust {
        #[cfg_attr(not(feature = "developer"), expect(irrefutable_let_patterns))]
        let config::SignIn::Federated(trust) = &config.source else {
            panic!("the simulated world has projected tokens")
        };
        let transport = || Transport::from_service(self.sim.service());
        let host = JwksHost::SameAsIssuer;
        let sources = vec![KeyOrigin::Public { transport: transport(), host }];
        trust.open_over(transport(), sources, context)
    }

    /// The credential of the first identity.
    pub(crate) fn credential(&self, config: &Config, context: Context) -> Credential {
        self.trust(config, context).credential(&config.policied.identities.identities[0])
    }

    pub(crate) fn context(&self) -> Context {
        let clock = Arc::new(self.sim.clock_of(Machine::Pod).clone());
        Context::new(clock, self.telemetry.clone(), Jitter::of(b"pod"))
    }

    /// The token endpoint alone, to be asked without a socket; and its credential.
    pub(crate) fn endpoint(&self) -> (Endpoint, Credential) {
        let credential = self.credential(&self.config(&[]), self.context());
        (self.endpoint_of(&credential, self.telemetry.clone()), credential)
    }

    fn endpoint_of(&self, credential: &Credential, telemetry: Arc<Telemetry>) -> Endpoint {
        let identity = Identity::new("identity", &*self.sim.settings().client_id);
        let access = of_one(&Protocol::ALL, Some(SECRET), identity);
        self.endpoint_by(access, credential, telemetry)
    }

    /// An endpoint that goes by this, of one identity.
    pub(crate) fn endpoint_by(
        &self,
        access: Access,
        credential: &Credential,
        telemetry: Arc<Telemetry>,
    ) -> Endpoint {
        let clock = Arc::new(self.sim.clock_of(Machine::Pod).clone());
        let current = InForce::new(access, vec![credential.clone()]).into_current();
        Endpoint::new(current, self.waiting.clone(), clock, telemetry)
    }

    /// Both endpoints of a sidecar with these settings, to be asked without a socket.
    pub(crate) fn endpoints(&self, extra: &[(&str, &str)]) -> (Endpoint, Admin, Credential) {
        let config = self.config(extra);
        let clock = Arc::new(self.sim.clock_of(Machine::Pod).clone());
        let telemetry = Arc::new(Telemetry::new(clock, config.key_age.clone()));
        let mut context = self.context();
        context.observer = telemetry.clone();
        let credential = self.credential(&config, context);
        let endpoint = self.endpoint_of(&credential, telemetry.clone());
        let admin = self.admin(&credential, telemetry);
        (endpoint, admin, credential)
    }

    /// The admin endpoint alone, that tells what this telemetry heard.
    pub(crate) fn admin(&self, credential: &Credential, telemetry: Arc<Telemetry>) -> Admin {
        let clock: Arc<dyn Clock> = Arc::new(self.sim.clock_of(Machine::Pod).clone());
        let (door, metrics) = (
            admin::door(8422, Vec::new(), StatusFor::default()),
            Arc::new(Metrics::of(&[&*telemetry])),
        );
        let identity = Identity::new("identity", credential.client_id());
        let access = of_one(&Protocol::ALL, Some(SECRET), identity);
        let current = InForce::new(access, vec![credential.clone()]).into_current();
        let keys = credential.issuer_keys().cloned();
        Admin::new(door, current, keys, telemetry, metrics, clock, 8421)
    }

    /// What is scraped, with what this credential holds.
    pub(crate) fn scrape(&self, credential: &Credential) -> String {
        let entries = credential.entries().into_iter().map(|it| ("identity", it)).collect();
        let at = self.sim.clock_of(Machine::Pod).boot();
        self.metrics.encode(Held { at, entries, projected: Vec::new() }, Format::Text)
    }

    /// A whole sidecar on free ports.
    pub(crate) async fn start(&self, extra: &[(&str, &str)]) -> Running {
        let config = self.config(extra);
        let around = Surroundings::new(Arc::new(self.sim.clock_of(Machine::Pod).clone()));
        let open = |context| Ok(Origin::from(self.trust(&config, context)));
        start_with(&config, around, open).await.unwrap()
    }

    /// What the pod asked for so far: exchanges, discovery documents, key sets.
    pub(crate) fn asked(&self) -> (u64, u64, u64) {
        let counts = self.sim.journal().counts();
        (counts.entra, counts.discovery, counts.jwks)
    }
}

/// The world's key set, seen for so many days, in a file.
pub(crate) fn history(world: &World, days: u32) -> (TempDir, String) {
    let set = PublishedSet::parse(world.sim.issuer().jwks().to_string().as_bytes()).unwrap();
    let mut history = History::new(&world.sim.settings().issuer);
    for day in (0..=days).rev() {
        let at = world.sim.clock().wall() - Duration::from_secs(86_400) * day;
        let seen = Sighting::of(Source::Public, Reading::alone(at), &set).unwrap();
        history.observe(&seen).unwrap();
    }
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("history.json");
    HistoryFile::new(&path).update(|_| (history, ())).unwrap();
    (dir, path.display().to_string())
}

/// What variables make of these: one identity for whoever knows the secret, and by imds for whoever comes.
pub(crate) fn of_one(protocols: &[Protocol], secret: Option<&str>, identity: Identity) -> Access {
    let any = || ["*".parse().unwrap()];
    let known = secret.map(|secret| {
        (Caller::new("app").may(0, any()), Proof::Secrets(vec![Secret::new(secret)]))
    });
    let anonymous = (Caller::new("anonymous").may(0, any()), Proof::Anonymous);
    let (callers, proofs) = known.into_iter().chain([anonymous]).unzip();
    let policy = Policy::new(Mode::Enforce, vec![identity], callers);
    Access::new(Door::tokens(8421), protocols.to_vec(), policy, proofs).of_variables()
}

/// What is scraped of something that counts, without what is zero: each series with its value.
pub(crate) fn counted(counted: &dyn Counted) -> Vec<String> {
    let text = Metrics::of(&[counted]).text();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0"));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// What is logged while somebody listens.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Listens on this thread; a test's runtime has no other.
    pub(crate) fn listen(filter: &str) -> (Self, DefaultGuard) {
        Self::listen_as(filter, Look::Json)
    }

    /// The same in lines that look so.
    pub(crate) fn listen_as(filter: &str, look: Look) -> (Self, DefaultGuard) {
        // Of a single listener tracing believes that every thread has it: an event that comes first on
        // another test's thread would be taken for one that nobody listens to.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        let lines = Self::default();
        let writer = lines.clone();
        let filter = filter.parse().unwrap();
        let subscriber = crate::log::subscriber(&filter, look, move || writer.clone());
        (lines, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The records of an audit trail.
#[derive(Clone, Default)]
pub(crate) struct Records {
    lines: Lines,
    trail: Arc<OnceLock<Trail>>,
    /// Whether nothing can be written.
    pub(crate) broken: Arc<AtomicBool>,
}

impl Records {
    /// All so far, each of them one line that is not longer than lines may be.
    pub(crate) fn all(&self) -> Vec<serde_json::Value> {
        self.flush();
        let text = self.lines.text();
        assert!(text.lines().all(|line| line.len() <= 2048), "{text}");
        self.lines.events()
    }

    pub(crate) fn flush(&self) {
        assert!(self.trail.get().unwrap().flush(Duration::from_secs(30)));
    }
}

impl io::Write for Records {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.lines.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Asks once over its own connection; the head and the body of the reply.
pub(crate) async fn request(at: SocketAddr, target: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A good request of App Service's protocol, but for what the test changes.
pub(crate) fn asking(target: &str) -> http::request::Builder {
    Request::get(target).header("Host", "127.0.0.1:8421").header("X-IDENTITY-HEADER", SECRET)
}

pub(crate) fn msi(resource: &str) -> http::request::Builder {
    asking(&format!("/msi/token?api-version=2019-08-01&resource={resource}"))
}

/// Asks an admin endpoint from within the pod.
pub(crate) fn ask_admin(admin: &Admin, target: &str) -> Response<Body> {
    let request = Request::get(target).header("Host", "127.0.0.1:8422");
    admin.answer(LOOPBACK, &request.body(()).unwrap())
}

/// Asks an endpoint and waits for the answer.
pub(crate) async fn ask(endpoint: &Endpoint, request: http::request::Builder) -> Response<Body> {
    match endpoint.answer(&link(), &request.body(()).unwrap()) {
        Answer::Now(response) => response,
        Answer::Later(pending) => endpoint.wait(pending).await,
    }
}

/// Asks an endpoint, and has got as far as there is no answer yet. Needs paused time.
pub(crate) async fn start_asking(
    endpoint: &Arc<Endpoint>,
    resource: &str,
) -> JoinHandle<Response<Body>> {
    let (endpoint, resource) = (endpoint.clone(), resource.to_owned());
    let asking = tokio::spawn(async move { ask(&endpoint, msi(&resource)).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    asking
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

pub(crate) async fn json(response: Response<Body>) -> serde_json::Value {
    serde_json::from_str(&text(response).await).unwrap()
}

//! The simulated cluster and tenant, on real sockets.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cambist_sim::keys::KeySource;
use cambist_sim::up::{self, Options, ProxyCounts, Running};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{self, Request};
use crate::secrets::Secrets;

/// A world of a test's own, in a directory that goes with it.
#[derive(Debug)]
pub struct World {
    running: Running,
    secrets: Secrets,
    dir: TempDir,
}

/// How often the pod asked for each thing; what Entra itself fetched is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Token requests.
    pub entra: u64,
    /// Fetches of the discovery document.
    pub discovery: u64,
    /// Fetches of the key set.
    pub jwks: u64,
}

impl World {
    /// A world in which everything works.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A world made to measure.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = TempDir::new().expect("a temporary directory can be made");
        let mut options = Options::new(dir.path().join("world"));
        // Making RSA keys takes seconds without optimisation.
        options.keys = KeySource::Pool;
        // Tests make up the names of their apps.
        options.resources = vec!["api://*".to_owned()];
        // Every protocol is tried.
        options.imds = true;
        change(&mut options);
        let running = up::start(options).await.expect("the world can be put up");
        let world = Self { running, secrets: Secrets::default(), dir };
        world.note_secrets();
        world
    }

    /// What a shell would source.
    pub fn env(&self) -> &BTreeMap<String, String> {
        self.running.env()
    }

    /// A directory for whatever a test wants to write.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The projected token's path.
    pub fn token_file(&self) -> PathBuf {
        PathBuf::from(&self.env()["AZURE_FEDERATED_TOKEN_FILE"])
    }

    /// The world from within, for what its admin API does not offer.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// What must be seen nowhere.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Projects any text in the token's place.
    pub fn project(&self, text: &str) {
        self.secrets.add(text);
        self.running.kubelet().write(text.as_bytes()).expect("a token can be projected");
    }

    /// Adds a fault, as `POST /sim/fault` takes it.
    pub async fn fault(&self, fault: Value) {
        self.post("/sim/fault", fault).await;
    }

    /// Everything works again.
    pub async fn clear(&self) {
        self.post("/sim/clear", json!({})).await;
    }

    /// The issuer signs with a new key from now on, and a token signed by it is projected.
    pub async fn rotate(&self, overlap: bool) {
        self.post("/sim/rotate", json!({ "overlap": overlap })).await;
        self.note_secrets();
    }

    /// Another authority vouches for the token proxy from now on, and with `write` its CA file says
    /// so.
    pub async fn rotate_token_proxy_ca(&self, write: bool) {
        self.post("/sim/token-proxy-ca", json!({ "write": write })).await;
    }

    /// How often the pod asked for each thing so far.
    pub async fn counts(&self) -> Counts {
        let counts = &self.requests().await["counts"];
        let count = |name: &str| counts[name].as_u64().expect("a count is a number");
        Counts { entra: count("entra"), discovery: count("discovery"), jwks: count("jwks") }
    }

    /// All that was asked, as `GET /sim/requests` tells it.
    pub async fn requests(&self) -> Value {
        self.ask(Request::get("/sim/requests")).await
    }

    /// What the proxy was asked.
    pub fn proxy_counts(&self) -> ProxyCounts {
        self.running.proxy_counts().expect("this world has a proxy")
    }

    async fn post(&self, path: &str, body: Value) {
        let body = body.to_string();
        let length = body.len().to_string();
        let request = Request::get(path).method("POST").header("Content-Length", length);
        self.ask(request.body(body.as_bytes())).await;
    }

    async fn ask(&self, request: Request) -> Value {
        let at = self.env()["SIM_ADMIN"].strip_prefix("http://").expect("it is plain http");
        let at: SocketAddr = at.parse().expect("it is an address with a port");
        let request = request.header("Host", at.to_string()).header("Connection", "close");
        let reply = http::send(at, &request.bytes()).await.expect("the simulator answers");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    fn note_secrets(&self) {
        self.secrets.add(&self.env()["IDENTITY_HEADER"]);
        self.secrets.add(&fs::read_to_string(self.token_file()).expect("a token is projected"));
        if let Some(proxy) = self.env().get("HTTPS_PROXY") {
            let password = proxy.split(['@', ':']).nth(2).expect("http://user:password@host");
            self.secrets.add(password);
            use base64::Engine as _;
            let user = format!("sim:{password}");
            self.secrets.add(&base64::engine::general_purpose::STANDARD.encode(user));
        }
    }
}

//! Worlds for tests: the simulated issuer and its clock, and an API server, without sockets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cambist::transport::{PeerCertificate, Transport};
use cambist_sim::Sim;
use cambist_sim::clock::Machine;
use cambist_sim::keys::SigningKey;
use cambist_sim::kubelet::Kubelet;
use cambist_sim::token::Workload;
use clap::Parser as _;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::cli::Cli;
use crate::world::{Outcome, World};

/// A simulated cluster seen from a pod with a directory of its own.
pub(crate) struct Pod {
    pub(crate) sim: Sim,
    pub(crate) kubelet: Kubelet,
    pub(crate) api: Api,
    /// Another API server of the same cluster, api-2.test.
    pub(crate) second: Api,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dir: TempDir,
    /// The certificate that the issuer shows, if its connections tell.
    pub(crate) certificate: Option<PeerCertificate>,
    /// How wide its terminal is; `None` for a pipe.
    pub(crate) columns: Option<usize>,
    lines: Lines,
}

/// What a command that goes on wrote.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Pod {
    pub(crate) fn new() -> Self {
        Self::of(Sim::new().unwrap())
    }

    /// A pod of this cluster.
    pub(crate) fn of(sim: Sim) -> Self {
        let dir = TempDir::new().unwrap();
        let kubelet = Kubelet::new(sim.clone(), dir.path().join("tokens"));
        kubelet.project().unwrap();
        let mount = dir.path().join("account");
        std::fs::create_dir(&mount).unwrap();
        std::fs::write(mount.join("token"), "the-account's-token\n").unwrap();
        std::fs::write(mount.join("ca.crt"), CA).unwrap();
        let env = [
            ("CAMBIST_ISSUER", sim.settings().issuer.as_str()),
            ("KUBERNETES_SERVICE_HOST", "api.test"),
            ("KUBERNETES_SERVICE_PORT", "6443"),
        ];
        let env = env.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        Self {
            api: Api::new(&sim),
            second: Api::new(&sim),
            sim,
            kubelet,
            env,
            dir,
            certificate: None,
            columns: None,
            lines: Lines::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Runs `cambist` with these arguments. `{dir}` stands for the pod's directory.
    pub(crate) async fn run(&self, arguments: &str) -> Outcome {
        let dir = self.dir.path().display().to_string();
        let arguments = arguments.replace("{dir}", &dir);
        let cli = Cli::try_parse_from(std::iter::once("cambist").chain(arguments.split(' ')));
        let servers = (self.api.clone(), self.second.clone());
        let all = (self.sim.service(), servers, self.certificate.clone());
        let service = tower::service_fn(move |request: Request<Bytes>| {
            let (network, (first, second), certificate) = all.clone();
            async move {
                let mut response = match request.uri().authority().map(|it| it.as_str()) {
                    Some("api.test:6443") => return Ok(first.answer(request)),
                    Some("api-2.test:6443") => return Ok(second.answer(request)),
                    _ => network.oneshot(request).await?,
                };
                if let Some(certificate) = certificate {
                    response.extensions_mut().insert(certificate);
                }
                Ok::<_, tower::BoxError>(response)
            }
        });
        let transport = Transport::from_service(service);
        let connect = move |_| Ok(transport.clone());
        let mut world = World {
            env: &self.env,
            clock: Arc::new(self.sim.clock_of(Machine::Pod).clone()),
            connect: &connect,
            stdin: &mut std::io::empty(),
            lines: &mut self.lines.clone(),
            columns: self.columns,
            terminal: false,
            progress: None,
            mount: Some(self.dir.path().join("account")),
        };
        crate::command::run(cli.unwrap().command, &mut world).await
    }

    /// Runs a command that goes on for so long, and returns its lines as JSON.
    pub(crate) async fn lines(&self, arguments: &str, during: Duration) -> Vec<Value> {
        let lines = self.said(arguments, during).await;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it says in that time.
    pub(crate) async fn said(&self, arguments: &str, during: Duration) -> String {
        let ended = tokio::time::timeout(during, self.run(arguments)).await;
        assert!(ended.is_err(), "it ended by itself: {ended:?}");
        let lines = std::mem::take(&mut *self.lines.0.lock().unwrap());
        String::from_utf8(lines).unwrap()
    }

    /// The same, as JSON.
    pub(crate) async fn json(&self, arguments: &str) -> Value {
        let outcome = self.run(&format!("{arguments} -o json")).await;
        serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("{outcome:?}"))
    }

    /// Lets days pass, with a look each day.
    pub(crate) async fn days(&self, days: u32) {
        for _ in 0..days {
            self.sim.clock().advance(Duration::from_secs(24 * 3600));
            self.kubelet.project().unwrap();
            let outcome = self.run(&format!("issuer observe {TOKEN} {HISTORY}")).await;
            assert_eq!(outcome.code, 0, "{outcome:?}");
        }
    }
}

pub(crate) const TOKEN: &str = "--token-file {dir}/tokens/token";
pub(crate) const HISTORY: &str = "--history file:{dir}/history.json";

/// An API server: its discovery endpoints, and ConfigMaps with optimistic concurrency.
#[derive(Clone)]
pub(crate) struct Api {
    sim: Sim,
    state: Arc<Mutex<ApiState>>,
}

#[derive(Default)]
pub(crate) struct ApiState {
    /// What it publishes; the issuer's own set if nothing else was set.
    pub(crate) jwks: Option<Value>,
    /// Whom it calls the issuer; the issuer itself if nothing else was set.
    pub(crate) issuer: Option<String>,
    /// What it signs with; the issuer's own signer if nothing else was set.
    pub(crate) signer: Option<SigningKey>,
    /// The status it answers everything with.
    pub(crate) refuse: Option<StatusCode>,
    pub(crate) maps: BTreeMap<String, Value>,
    /// How many writes find that somebody was faster.
    pub(crate) conflicts: u32,
    pub(crate) version: u64,
    /// Method and path of each request, and whether it had the account's token.
    pub(crate) asked: Vec<(String, String, bool)>,
}

impl Api {
    fn new(sim: &Sim) -> Self {
        Self { sim: sim.clone(), state: Arc::default() }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut ApiState) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let mut state = self.state.lock().unwrap();
        let path = request.uri().path().to_owned();
        let authorized = request
            .headers()
            .get("authorization")
            .is_some_and(|value| value == "Bearer the-account's-token");
        state.asked.push((request.method().to_string(), path.clone(), authorized));
        if let Some(status) = state.refuse {
            return reply(status, &json!({}));
        }
        if !authorized {
            return reply(StatusCode::UNAUTHORIZED, &json!({}));
        }
        let accept = request.headers().get("accept").map_or("*/*", |it| it.to_str().unwrap());
        let takes = |form| accept.split(", ").any(|it| it == form || it.starts_with("*/*"));
        match (request.method(), path.as_str()) {
            // In one form alone, as the real one has it.
            (_, "/openid/v1/jwks") if !takes("application/jwk-set+json") => {
                reply(StatusCode::NOT_ACCEPTABLE, &json!({}))
            }
            (&Method::GET, "/.well-known/openid-configuration") => {
                // What a managed cluster says: an address that nobody else can use.
                let at = "https://10.0.0.1:443/openid/v1/jwks";
                let issuer = state.issuer.as_ref().unwrap_or(&self.sim.settings().issuer);
                reply(StatusCode::OK, &json!({ "issuer": issuer, "jwks_uri": at }))
            }
            (&Method::GET, "/openid/v1/jwks") => {
                let own = || self.sim.issuer().jwks();
                reply(StatusCode::OK, &state.jwks.clone().unwrap_or_else(own))
            }
            (&Method::POST, path) if path.ends_with("/serviceaccounts/app/token") => {
                let issuer = self.sim.issuer();
                let asked: Value = serde_json::from_slice(request.body()).unwrap();
                let audience = asked["spec"]["audiences"][0].as_str().unwrap();
                let workload = Workload::new("shop", "app");
                let spec = issuer.token_spec(&workload, audience, Duration::from_secs(600));
                let signer = state.signer.clone().unwrap_or_else(|| issuer.signer());
                let token = spec.sign(&signer).unwrap();
                reply(StatusCode::CREATED, &json!({ "status": { "token": token } }))
            }
            (method, path) => state.config_map(method, path, request.body()),
        }
    }
}

impl ApiState {
    fn config_map(&mut self, method: &Method, path: &str, body: &[u8]) -> Response<Bytes> {
        let Some(rest) = path.strip_prefix("/api/v1/namespaces/") else {
            return reply(StatusCode::NOT_FOUND, &json!({}));
        };
        let key = rest.replacen("/configmaps/", "/", 1);
        if method == Method::GET {
            return match self.maps.get(&key) {
                Some(map) => reply(StatusCode::OK, map),
                None => reply(StatusCode::NOT_FOUND, &json!({})),
            };
        }
        let mut map: Value = serde_json::from_slice(body).unwrap();
        let key = match method {
            &Method::POST => {
                let name = map["metadata"]["name"].as_str().unwrap();
                format!("{}/{name}", rest.strip_suffix("/configmaps").unwrap())
            }
            _ => key,
        };
        let known = self.maps.get(&key).map(|map| map["metadata"]["resourceVersion"].clone());
        let fits = known.unwrap_or_default() == map["metadata"]["resourceVersion"];
        if self.conflicts > 0 || !fits {
            self.conflicts = self.conflicts.saturating_sub(1);
            return reply(StatusCode::CONFLICT, &json!({}));
        }
        self.version += 1;
        map["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.maps.insert(key, map.clone());
        reply(StatusCode::OK, &map)
    }
}

fn reply(status: StatusCode, body: &Value) -> Response<Bytes> {
    let body = Bytes::from(body.to_string());
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(body).unwrap()
}

/// Some certificate authority: nothing is connected to.
pub(crate) const CA: &[u8] = include_bytes!("../testdata/rsa.crt.pem");

pub(crate) fn ids(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

pub(crate) fn write(path: impl AsRef<Path>, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Holds a text against a file of the repository, `path` from this crate's root. With `CAMBIST_WRITE` set,
/// it is written instead.
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it writes")]
pub(crate) fn held(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("CAMBIST_WRITE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        return write(file, text);
    }
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        held == text,
        "{path} is out of date: CAMBIST_WRITE=1 cargo test -p cambist-cli --lib writes it anew; it would be\n{text}"
    );
}

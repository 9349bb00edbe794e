//! A simulated Entra, as the program that people start.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use kit::eventually;
use kit::http::{self, Request};
use kit::program::{Program, Running};
use serde_json::Value;

use crate::case::Stage;

/// An Entra that is up.
#[derive(Debug)]
pub(crate) struct Entra {
    env: BTreeMap<String, String>,
    _sim: Running,
}

impl Entra {
    /// At this address; its own app trusts so much, and issuers whom this authority vouches for are read.
    pub(crate) async fn start(
        stage: &Stage,
        dir: &Path,
        ip: IpAddr,
        trust: &str,
        ca_file: &Path,
    ) -> Self {
        // That it goes on with old keys for longer is tried where time can be moved. On a node no key is replaced.
        let keeps = if ip.is_loopback() { "1s" } else { "30m" };
        let sim = Program::new(stage.program("cambist-sim"))
            .args(&["up", "--dir"])
            .arg(dir.display().to_string())
            .args(&["--listen", &ip.to_string()])
            .args(&["--entra-keeps", keeps])
            .args(&["--resource", "api://*"])
            .args(&["--federated-credential", trust, "--ca-file"])
            .arg(ca_file.display().to_string())
            .spawn();
        let env =
            eventually("a simulated Entra", async || std::fs::read_to_string(dir.join("env")).ok())
                .await;
        let line = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        Self { env: env.lines().filter_map(line).collect(), _sim: sim }
    }

    /// What its env file says, by name.
    pub(crate) fn variable(&self, name: &str) -> &str {
        &self.env[name]
    }

    /// The requests for a client's tokens, oldest first.
    pub(crate) async fn exchanges(&self, client: &str) -> Vec<Value> {
        let mut told = self.ask("/sim/requests", None).await;
        let Value::Array(mut all) = told["requests"].take() else { panic!("no requests: {told}") };
        all.retain(|it| it["client"] == client);
        all
    }

    /// Asks its admin API; without a body it is a GET.
    pub(crate) async fn ask(&self, path: &str, body: Option<Value>) -> Value {
        let at = self.variable("SIM_ADMIN").strip_prefix("http://").and_then(|at| at.parse().ok());
        let at: SocketAddr = at.expect("it is plain http at an address");
        let request =
            Request::get(path).header("Host", at.to_string()).header("Connection", "close");
        let request = match body.map(|body| body.to_string()) {
            Some(body) => {
                let length = body.len().to_string();
                request.method("POST").header("Content-Length", length).body(body.as_bytes())
            }
            None => request,
        };
        let reply = http::send(at, &request.bytes()).await.expect("the simulator answers");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }
}

//! One API server: a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use kit::eventually;
use kit::program::{Program, Running};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;

use crate::case::Stage;
use crate::cluster::{Cluster, ENTRA};
use crate::kube::Kube;

/// Where the API servers keep what they know; a process of its own, so that each of them may restart.
#[derive(Debug)]
pub(crate) struct Etcd {
    _running: Running,
    url: String,
}

impl Etcd {
    /// Starts it with nothing in it.
    pub(crate) async fn start(program: &Program, dir: &Path) -> Self {
        let running = program.clone().arg("etcd").arg(dir.display().to_string()).spawn();
        let url = running.line("where etcd serves", |line| said(line, "etcd")).await;
        let url = url.as_str().expect("an address is a text").to_owned();
        Self { _running: running, url }
    }
}

/// An API server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    running: Running,
    /// Where it serves.
    pub(crate) at: SocketAddr,
}

impl Server {
    /// Starts it and waits until it says where it will serve.
    pub(crate) async fn start(
        program: &Program,
        etcd: &Etcd,
        dir: &Path,
        flags: &[String],
    ) -> Self {
        let program =
            program.clone().args(&["apiserver", &etcd.url]).arg(dir.display().to_string());
        let running = flags.iter().fold(program, |program, flag| program.arg(flag)).spawn();
        let port = running.line("where the API server serves", |line| said(line, "port")).await;
        let port = port.as_u64().and_then(|port| u16::try_from(port).ok());
        Self { running, at: SocketAddr::from(([127, 0, 0, 1], port.expect("a port is a number"))) }
    }

    /// Waits until it takes itself for ready.
    pub(crate) async fn ready(&self, kube: &Kube) {
        eventually("a ready API server", async || {
            let asked = kube.try_ask(Method::GET, "/readyz", None, None, None).await;
            asked.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
    }

    /// Ends it as a node does.
    pub(crate) async fn stop(self) {
        self.running.signal(Signal::TERM);
        let ended = self.running.ended().await;
        assert_eq!(ended.code(), Some(0), "the API server ended badly:\n{}", ended.output());
    }
}

/// A member of the line with which a server says that it is up.
fn said(line: &str, member: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get(member).cloned()
}

/// It is what it is taken for, and answers in ways that were a surprise once.
pub(crate) async fn answers(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    let kube = cluster.kube();
    let version = kube.ask(Method::GET, "/version", None).await.json();
    let version = version["gitVersion"].as_str().unwrap_or_default().to_owned();
    assert_eq!(version, format!("v{}", stage.kubernetes()));

    let (set, document) = ("/openid/v1/jwks", "/.well-known/openid-configuration");
    let (json, jwk_set) = ("application/json", "application/jwk-set+json");
    let mut seen = Vec::new();
    for (path, accept, expected) in [
        (set, Some(json), 406),
        (set, Some(jwk_set), 200),
        (set, None, 200),
        (document, Some(json), 200),
        (document, Some(jwk_set), 406),
        (document, None, 200),
    ] {
        let answer = kube.try_ask(Method::GET, path, None, accept, None).await.expect("an answer");
        assert_eq!(answer.status, expected, "{path}, Accept {accept:?}: {answer:?}");
        if expected == 200 {
            assert_eq!(answer.header("cache-control"), "public, max-age=3600", "{answer:?}");
            assert_eq!(answer.header("etag").len() + answer.header("last-modified").len(), 0);
        } else {
            seen.push(format!("{path} {} to Accept: {}", answer.status, accept.unwrap_or("-")));
        }
    }
    let token = kube.token("shop/checkout", ENTRA).await.unwrap_or_else(|error| panic!("{error}"));
    let (header, claims) = Cluster::parts(&token);
    assert!(claims["jti"].is_string() && claims["aud"].is_array(), "{claims}");
    assert!(header["typ"].is_null(), "{header}");
    format!("{version}; {}; aud a list, jti there, no typ", seen.join(", "))
}

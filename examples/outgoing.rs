//! A tower layer that puts a fresh Azure token on each request of an HTTP client.
//!
//! ```sh
//! cargo run --example outgoing
//! ```
//!
//! It runs against a simulated cluster, a simulated Entra, and a small API on loopback that stands
//! for any service that takes Entra's tokens. In a pod, read the configuration from
//! `cambist::env::Process` instead, and call your API over https.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use anyhow::{anyhow, ensure};
use axum::Router;
use axum::http::{HeaderMap, Request, StatusCode, header::AUTHORIZATION};
use axum::routing::get;
use bytes::Bytes;
use cambist::core::scope::Resource;
use cambist::layer::BearerLayer;
use cambist::{Config, Context};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceExt as _};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut options = cambist_sim::up::Options::new(dir.path());
    options.resources = vec!["api://orders".to_owned()];
    let cluster = cambist_sim::up::start(options).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let api = format!("http://{}/orders", listener.local_addr()?);
    let orders = Router::new().route("/orders", get(orders));
    tokio::spawn(async move { axum::serve(listener, orders).await });

    let credential = Config::from_env(cluster.env())?.credential(Context::system("pod-name"))?;
    // Refreshes ahead of time what is held; without it, tokens are made when somebody asks.
    let upkeep = credential.clone();
    tokio::spawn(async move { upkeep.maintain().await });

    // The token goes wherever the request goes, so a client with this layer is for one API only.
    let scope = Resource::parse("api://orders")?.scope();
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let bare = client.clone();
    let client = BearerLayer::new(credential, scope).layer(client);

    let request = || Request::get(&api).body(Empty::new());
    let refused = bare.request(request()?).await?;
    println!("without the layer: {}", refused.status());
    ensure!(refused.status() == StatusCode::UNAUTHORIZED, "the API takes anybody");

    for _ in 0..3 {
        let response = client.clone().oneshot(request()?).await.map_err(|error| anyhow!(error))?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("with the layer:    {status}: {}", String::from_utf8_lossy(&body));
        ensure!(status == StatusCode::OK, "the API refused the layer's token");
    }

    let calls = cluster.sim().journal().counts();
    println!("Entra was called {} time for all of them", calls.entra);
    ensure!(calls.entra == 1, "Entra was called {} times", calls.entra);
    cluster.shutdown().await;
    Ok(())
}

/// Stands for an API behind Entra; a real one verifies the token.
async fn orders(headers: HeaderMap) -> (StatusCode, String) {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match bearer.and_then(|text| text.strip_prefix("Bearer ")) {
        Some(token) => (StatusCode::OK, format!("saw a bearer token of {} bytes", token.len())),
        None => (StatusCode::UNAUTHORIZED, String::new()),
    }
}

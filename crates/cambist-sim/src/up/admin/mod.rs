//! The simulator's admin API: plain HTTP on a loopback port.

use std::fmt::Display;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cambist_core::clock::Clock as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::proxy::{Proxy, ProxyCounts};
use super::token_proxy::TokenProxy;
use super::wish::Wish;
use crate::entra::is_resource;
use crate::keys::SigningKey;
use crate::kubelet::Kubelet;
use crate::world::Sim;

mod identity;
mod keys;
mod time;

/// What the admin API governs.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) sim: Sim,
    pub(super) kubelet: Arc<Kubelet>,
    pub(super) proxy: Option<Proxy>,
    pub(super) token_proxy: Option<TokenProxy>,
}

impl Admin {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/sim/rotate", post(keys::rotate))
            .route("/sim/prepare", post(keys::prepare))
            .route("/sim/publish", post(keys::publish))
            .route("/sim/sign", post(keys::sign))
            .route("/sim/api-server", post(keys::api_server))
            .route("/sim/hide", post(keys::hide))
            .route("/sim/retire", post(keys::retire))
            .route("/sim/keys", get(keys::keys))
            .route("/sim/host", post(keys::host))
            .route("/sim/upload", post(keys::upload))
            .route("/sim/token", post(keys::token))
            .route("/sim/resource", post(resource))
            .route("/sim/identity", post(identity::identity))
            .route("/sim/token-proxy-ca", post(rotate_token_proxy_ca))
            .route("/sim/fault", post(fault))
            .route("/sim/clear", post(clear))
            .route("/sim/requests", get(requests))
            .route("/sim/now", get(time::now))
            .route("/sim/advance", post(time::advance))
            .route("/sim/clock", post(time::clock))
            .route("/sim/schedule", post(time::schedule))
            .route("/sim/rollout", post(time::roll_out))
            .fallback(|| async { Refused(StatusCode::NOT_FOUND, "no such address".to_owned()) })
            .with_state(self)
    }

    /// Signs with a new key, and projects a token that it signed.
    pub(super) async fn rotate(&self, overlap: bool) -> Result<(), String> {
        let issuer = self.sim.issuer().clone();
        work(move || issuer.rotate(overlap)).await?;
        self.project().await
    }

    /// Publishes a new key beside the others.
    pub(super) async fn publish_next(&self) -> Result<SigningKey, String> {
        let issuer = self.sim.issuer().clone();
        let key = work(move || issuer.prepare()).await?;
        self.sim.issuer().publish(&key);
        Ok(key)
    }

    /// Signs with this key from now on, and projects a token that it signed.
    pub(super) async fn sign_with(&self, key: &SigningKey) -> Result<(), String> {
        self.sim.issuer().sign_with(key);
        self.project().await
    }

    async fn project(&self) -> Result<(), String> {
        let kubelet = Arc::clone(&self.kubelet);
        work(move || kubelet.project()).await
    }

    /// Does what time has brought about: keys come and go, and kubelet renews its token.
    async fn catch_up(&self) -> Result<(), String> {
        let Self { sim, kubelet, .. } = self.clone();
        work(move || {
            sim.issuer().keep_schedule();
            kubelet.renew()
        })
        .await
    }
}

/// Away from the runtime: making an RSA key takes long enough to be missed elsewhere.
async fn work<T: Send + 'static, E: Display + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_string())
}

struct Refused(StatusCode, String);

impl Refused {
    fn asked_wrongly(words: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, words.into())
    }
}

fn failed(words: String) -> Refused {
    Refused(StatusCode::INTERNAL_SERVER_ERROR, words)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// The body as JSON; none at all is `{}`.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    let body = if body.is_empty() { b"{}" } else { &body[..] };
    serde_json::from_slice(body).map_err(|error| Refused::asked_wrongly(error.to_string()))
}

async fn fault(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let wish: Wish = parse(&body)?;
    let injection = wish.grant().map_err(Refused::asked_wrongly)?;
    admin.sim.faults().add(injection);
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clear {
    /// Forget the recorded requests too.
    #[serde(default)]
    requests: bool,
}

async fn clear(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Clear { requests } = parse(&body)?;
    admin.sim.faults().clear();
    if requests {
        admin.sim.journal().clear();
    }
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    resource: String,
    /// Whether the tenant has it from now on.
    #[serde(default = "yes")]
    known: bool,
}

async fn resource(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Known { resource, known } = parse(&body)?;
    if !is_resource(&resource) {
        return Err(Refused::asked_wrongly("'resource' is neither a URI nor an application id"));
    }
    if known {
        admin.sim.entra().know_resource(&resource);
    } else {
        admin.sim.entra().forget_resource(&resource);
    }
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenProxyCa {
    /// Put the new authority into the CA file at once.
    #[serde(default = "yes")]
    write: bool,
}

fn yes() -> bool {
    true
}

async fn rotate_token_proxy_ca(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let TokenProxyCa { write } = parse(&body)?;
    let Some(token_proxy) = admin.token_proxy else {
        return Err(Refused::asked_wrongly("this world has no token proxy: up --token-proxy"));
    };
    let now = admin.sim.clock().wall();
    work(move || token_proxy.rotate(write, now)).await.map_err(failed)?;
    Ok(Json(json!({})))
}

async fn requests(State(admin): State<Admin>) -> Json<Value> {
    let journal = admin.sim.journal();
    let mut body = json!({ "counts": journal.counts(), "requests": journal.entries() });
    if let Some(proxy) = &admin.proxy {
        let counts: ProxyCounts = proxy.counts();
        body["proxy"] = json!(counts);
    }
    Json(body)
}

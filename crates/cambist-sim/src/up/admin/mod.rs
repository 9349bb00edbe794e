//! The simulator's admin API: plain HTTP on a loopback port.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cambist_core::clock::Clock;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::proxy::{Proxy, ProxyCounts};
use super::wish::Wish;
use crate::issuer::Issuer;
use crate::kubelet::Kubelet;
use crate::world::Sim;

/// What the admin API governs.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) sim: Sim,
    pub(super) kubelet: Arc<Kubelet>,
    pub(super) proxy: Option<Proxy>,
}

impl Admin {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/sim/rotate", post(rotate))
            .route("/sim/fault", post(fault))
            .route("/sim/clear", post(clear))
            .route("/sim/requests", get(requests))
            .route("/sim/now", get(now))
            .route("/sim/advance", post(advance))
            .fallback(|| async { Refused(StatusCode::NOT_FOUND, "no such address".to_owned()) })
            .with_state(self)
    }

    /// Signs with a new key, and projects a token that it signed.
    pub(super) async fn rotate(&self, overlap: bool) -> Result<(), String> {
        let Self { sim, kubelet, .. } = self.clone();
        // Making an RSA key takes long enough to be missed elsewhere.
        let work = tokio::task::spawn_blocking(move || {
            sim.issuer().rotate(overlap).map_err(|error| error.to_string())?;
            kubelet.project().map_err(|error| error.to_string())
        });
        work.await.map_err(|error| error.to_string())?
    }
}

struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// The body as JSON; none at all is `{}`.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    let body = if body.is_empty() { b"{}" } else { &body[..] };
    serde_json::from_slice(body)
        .map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    #[serde(default = "yes")]
    overlap: bool,
}

fn yes() -> bool {
    true
}

async fn rotate(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Rotate { overlap } = parse(&body)?;
    let failed = |error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error);
    admin.rotate(overlap).await.map_err(failed)?;
    Ok(Json(signing(admin.sim.issuer())))
}

fn signing(issuer: &Issuer) -> Value {
    json!({ "kid": issuer.signer().kid(), "published": issuer.published() })
}

async fn fault(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let wish: Wish = parse(&body)?;
    let injection = wish.grant().map_err(|error| Refused(StatusCode::BAD_REQUEST, error))?;
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

async fn requests(State(admin): State<Admin>) -> Json<Value> {
    let journal = admin.sim.journal();
    let mut body = json!({ "counts": journal.counts(), "requests": journal.entries() });
    if let Some(proxy) = &admin.proxy {
        let counts: ProxyCounts = proxy.counts();
        body["proxy"] = json!(counts);
    }
    Json(body)
}

async fn now(State(admin): State<Admin>) -> Json<Value> {
    Json(moment(&admin.sim))
}

fn moment(sim: &Sim) -> Value {
    let now = sim.clock().wall();
    json!({ "unix": now, "rfc3339": now.to_string() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

async fn advance(State(admin): State<Admin>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Advance { seconds } = parse(&body)?;
    admin.sim.clock().advance(Duration::from_secs(seconds));
    Ok(Json(moment(&admin.sim)))
}

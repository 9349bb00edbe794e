//! Tokens on request, as kubelet and whoever is allowed to gets them.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::ApiServer;
use crate::kube;
use crate::reply::{Request, Response};
use crate::token::Workload;

/// What kube-apiserver gives to who does not say how long.
const USUAL: u64 = 3600;
/// What it refuses to go below.
const LEAST: u64 = 600;

/// Whose token is asked for: namespace and account.
fn account(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/api/v1/namespaces/")?.strip_suffix("/token")?;
    rest.split_once("/serviceaccounts/")
        .filter(|(namespace, name)| !namespace.contains('/') && !name.contains('/'))
}

pub(super) fn is_one(request: &Request) -> bool {
    request.method() == Method::POST && account(request.uri().path()).is_some()
}

impl ApiServer {
    pub(super) fn token_request(&self, request: &Request) -> Response {
        let Some((namespace, name)) = account(request.uri().path()) else {
            return invalid("no account is named");
        };
        let Ok(mut asked) = serde_json::from_slice::<Value>(request.body()) else {
            return invalid("the body is no TokenRequest");
        };
        let seconds = asked["spec"]["expirationSeconds"].as_u64().unwrap_or(USUAL);
        if seconds < LEAST {
            return invalid("may not specify a duration less than 10 minutes");
        }
        let audiences = match &asked["spec"]["audiences"] {
            Value::Array(named) if !named.is_empty() => named.clone(),
            _ => vec![self.audience.clone().into()],
        };
        let workload = Workload::new(namespace, name);
        let life = Duration::from_secs(seconds);
        let spec = self.issuer.token_spec(&workload, &self.audience, life);
        let Ok(token) = spec.claim("aud", audiences.clone()).sign(&self.signer()) else {
            let words = "the token could not be signed";
            return kube::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", words);
        };
        asked["spec"]["audiences"] = audiences.into();
        asked["spec"]["expirationSeconds"] = seconds.into();
        asked["status"] = json!({
            "token": token,
            "expirationTimestamp": (self.issuer.now() + life).to_string(),
        });
        kube::object(StatusCode::CREATED, &asked)
    }
}

fn invalid(message: &str) -> Response {
    kube::status(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
}

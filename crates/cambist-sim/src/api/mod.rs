//! The cluster's API server, as far as a pod has business with it: its own view of the issuer's keys,
//! ConfigMaps, and tokens.

use std::sync::{Arc, Mutex};

use cambist_core::clock::Clock;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::clock::SimClock;
use crate::issuer::{Issuer, KEY_SET};
use crate::keys::SigningKey;
use crate::reply::{Request, Response};
use crate::{kube, lock};

mod bearer;
mod config_maps;
mod token_request;

pub use config_maps::ConfigMaps;

/// Asks for a token of the issuer's with its own audience, and then answers:
///
/// | request | answer |
/// |---|---|
/// | `GET /.well-known/openid-configuration` | the discovery document, with a `jwks_uri` inside the cluster |
/// | `GET /openid/v1/jwks` | its own view of the key set |
/// | `GET`, `PUT /api/v1/namespaces/NS/configmaps/NAME` | [`ConfigMaps`] |
/// | `POST /api/v1/namespaces/NS/configmaps` | [`ConfigMaps`] |
/// | `POST /api/v1/namespaces/NS/serviceaccounts/NAME/token` | a token of that account's (TokenRequest) |
///
/// Everything else is a `Status` of 404. Whoever has a token may do all of this. Each document has one
/// representation, and is 406 for whoever does not accept that one.
#[derive(Clone, Debug)]
pub struct ApiServer {
    issuer: Issuer,
    clock: SimClock,
    audience: String,
    config_maps: ConfigMaps,
    own: Arc<Mutex<Own>>,
}

/// What one API server was started with, where that is not what the issuer has.
#[derive(Debug, Default)]
struct Own {
    signer: Option<SigningKey>,
    accepts: Option<Vec<SigningKey>>,
}

impl ApiServer {
    pub(crate) fn new(issuer: Issuer, clock: SimClock, audience: String) -> Self {
        let (config_maps, own) = (ConfigMaps::default(), Arc::default());
        Self { issuer, clock, audience, config_maps, own }
    }

    /// Another one of the same cluster, over the same ConfigMaps.
    pub(crate) fn another(&self) -> Self {
        Self { own: Arc::default(), ..self.clone() }
    }

    /// From now on it accepts the tokens of these keys and of no others, and lists them as its key
    /// set (`--service-account-key-file`). Until then these are the issuer's.
    pub fn accept(&self, keys: &[SigningKey]) {
        lock(&self.own).accepts = Some(keys.to_vec());
    }

    /// From now on it signs with this key (`--service-account-signing-key-file`), whether it accepts
    /// it or not. Until then that is the issuer's signer.
    pub fn sign_with(&self, key: &SigningKey) {
        lock(&self.own).signer = Some(key.clone());
    }

    /// The key that it signs with.
    pub fn signer(&self) -> SigningKey {
        let own = lock(&self.own).signer.clone();
        own.unwrap_or_else(|| self.issuer.signer())
    }

    /// Whether it takes this token for one of the cluster's, made for itself and alive.
    pub fn believes(&self, token: &str) -> bool {
        let keys = match &lock(&self.own).accepts {
            Some(keys) => keys.iter().map(SigningKey::jwk).collect(),
            None => self.issuer.accepted(),
        };
        bearer::is_valid(token, self.issuer.url(), &self.audience, self.clock.wall(), &keys)
    }

    /// The key set that it serves, if that is not the issuer's.
    fn own_set(&self) -> Option<Value> {
        let own = lock(&self.own);
        let keys = own.accepts.as_ref()?.iter().map(SigningKey::jwk);
        Some(json!({ "keys": keys.collect::<Vec<_>>() }))
    }

    /// Its ConfigMaps.
    pub fn config_maps(&self) -> &ConfigMaps {
        &self.config_maps
    }

    pub(crate) fn answer(&self, request: &Request) -> Response {
        let now = self.clock.wall();
        let token = request.headers().get(header::AUTHORIZATION);
        let token = token.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
        if !token.is_some_and(|token| self.believes(token)) {
            return kube::status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
        }
        let (method, path) = (request.method(), request.uri().path());
        let get = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/.well-known/openid-configuration" if get => {
                self.issuer.serve_api_discovery(request.headers())
            }
            "/openid/v1/jwks" if get => match self.own_set() {
                Some(set) => kube::document(request.headers(), KEY_SET, &set),
                None => self.issuer.serve_api_jwks(request.headers()),
            },
            _ if token_request::is_one(request) => self.token_request(request),
            _ => match self.config_maps.answer(method, path, request.body(), now) {
                Ok((code, object)) => kube::object(code, &object),
                Err(refused) => kube::status(refused.code, refused.reason, &refused.message),
            },
        }
    }
}

#[cfg(test)]
mod tests;

//! The cluster's API server, as far as a pod has business with it: its own view of the issuer's keys,
//! and ConfigMaps.

use cambist_core::clock::Clock;
use http::{Method, StatusCode, header};

use crate::clock::SimClock;
use crate::issuer::Issuer;
use crate::kube;
use crate::reply::{Request, Response};

mod bearer;
mod config_maps;

pub use config_maps::ConfigMaps;

/// Asks for a token of the issuer's with its own audience, and then answers:
///
/// | request | answer |
/// |---|---|
/// | `GET /.well-known/openid-configuration` | the discovery document, with a `jwks_uri` inside the cluster |
/// | `GET /openid/v1/jwks` | its own view of the key set |
/// | `GET`, `PUT /api/v1/namespaces/NS/configmaps/NAME` | [`ConfigMaps`] |
/// | `POST /api/v1/namespaces/NS/configmaps` | [`ConfigMaps`] |
///
/// Everything else is a `Status` of 404. Whoever has a token may do all of this. Each document has one
/// representation, and is 406 for whoever does not accept that one.
#[derive(Clone, Debug)]
pub struct ApiServer {
    issuer: Issuer,
    clock: SimClock,
    audience: String,
    config_maps: ConfigMaps,
}

impl ApiServer {
    pub(crate) fn new(issuer: Issuer, clock: SimClock, audience: String) -> Self {
        Self { issuer, clock, audience, config_maps: ConfigMaps::default() }
    }

    /// Its ConfigMaps.
    pub fn config_maps(&self) -> &ConfigMaps {
        &self.config_maps
    }

    pub(crate) fn answer(&self, request: &Request) -> Response {
        let now = self.clock.wall();
        let token = request.headers().get(header::AUTHORIZATION);
        let token = token.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
        let keys = || self.issuer.accepted();
        let known = token.is_some_and(|token| {
            bearer::is_valid(token, self.issuer.url(), &self.audience, now, &keys())
        });
        if !known {
            return kube::status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
        }
        let (method, path) = (request.method(), request.uri().path());
        let get = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/.well-known/openid-configuration" if get => {
                self.issuer.serve_api_discovery(request.headers())
            }
            "/openid/v1/jwks" if get => self.issuer.serve_api_jwks(request.headers()),
            _ => match self.config_maps.answer(method, path, request.body(), now) {
                Ok((code, object)) => kube::object(code, &object),
                Err(refused) => kube::status(refused.code, refused.reason, &refused.message),
            },
        }
    }
}

#[cfg(test)]
mod tests;

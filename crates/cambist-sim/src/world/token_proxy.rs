//! The token proxy of a cluster with AKS identity bindings: it passes on to Entra what is for it.

use http::{StatusCode, Uri, header};
use tower::{BoxError, Service};

use super::{Sim, plain};
use crate::reply::{Request, Response};

/// What Entra calls a token whose issuer no federated credential has.
pub(super) const NO_SUCH_ISSUER: u32 = 700_211;

impl Sim {
    /// The tenant in a path that lies below the token proxy's own.
    pub(super) fn proxied_tenant_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let base = self.0.token_proxy_at.as_ref()?.path();
        self.tenant_in(path.strip_prefix(base.trim_end_matches('/'))?)
    }

    /// Whether a request asks for the token proxy by its own host and port, as `Host` tells. Others
    /// may share its address.
    fn is_for_token_proxy(&self, request: &Request) -> bool {
        let own = self.0.token_proxy_at.as_ref().and_then(Uri::authority);
        let host = request.headers().get(header::HOST).map(|host| host.as_bytes());
        let asked = host.or(request.uri().authority().map(|at| at.as_str().as_bytes()));
        own.zip(asked).is_some_and(|(own, asked)| own.as_str().as_bytes() == asked)
    }

    /// With identity bindings the credential is for the proxy's issuer: Entra has none for the
    /// cluster's own.
    pub(super) fn trusts_the_token_proxy_alone(&self) -> bool {
        self.settings().token_proxy.is_some() && self.settings().federated_credentials.is_empty()
    }

    /// Answers a request that reached it.
    pub(super) async fn pass_on<F>(&self, request: &Request, fetch: F) -> Response
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        if !self.is_for_token_proxy(request) {
            return plain(StatusCode::MISDIRECTED_REQUEST);
        }
        let tenant = self.proxied_tenant_in(request.uri().path()).unwrap_or_default();
        self.entra().token(tenant, request, fetch).await
    }
}

//! A service that lets in its own namespace, and asks a ledger with a token of Entra's.

use std::convert::Infallible;

use cambist::Credential;
use cambist::core::admission::Caller;
use cambist::core::scope::{Resource, ScopeError};
use cambist::layer::{AuthenticateLayer, BearerLayer, Callers};
use http::{Request, Response, StatusCode};
use tower::util::BoxCloneService;
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};

/// Whom callers address their tokens to.
pub const AUDIENCE: &str = "https://orders.shop";

/// Anything that answers requests without a body with a text.
pub type Answering<E> = BoxCloneService<Request<()>, Response<String>, E>;

/// A client of the ledger, over any HTTP client.
pub fn ledger<S>(http: S, credential: Credential) -> Result<Answering<BoxError>, ScopeError>
where
    S: Service<Request<()>, Response = Response<String>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    let scope = Resource::parse("api://ledger")?.scope();
    Ok(BoxCloneService::new(BearerLayer::new(credential, scope).layer(http)))
}

/// The service itself: the caller's name and what the ledger says.
pub fn orders(callers: Callers, ledger: Answering<BoxError>) -> Answering<Infallible> {
    let layer: AuthenticateLayer = callers.allow_namespace("shop");
    BoxCloneService::new(layer.layer(service_fn(move |request: Request<()>| {
        let ledger = ledger.clone();
        async move {
            let caller = request.extensions().get::<Caller>().map(|caller| caller.subject().name());
            let said = match ledger.oneshot(Request::new(())).await {
                Ok(said) => said.into_body(),
                Err(_) => {
                    let mut response = Response::new(String::new());
                    *response.status_mut() = StatusCode::BAD_GATEWAY;
                    return Ok(response);
                }
            };
            Ok(Response::new(format!("{}: {said}", caller.unwrap_or("nobody"))))
        }
    })))
}

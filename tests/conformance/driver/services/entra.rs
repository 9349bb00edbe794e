//! Entra under its own name, for SDKs that are led past cambist: the simulated one's answers, as it gives them.

use bytes::Bytes;
use cambist_sim::Sim;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;
use tower::ServiceExt as _;

use super::reply;

pub(super) const HOST: &str = "login.microsoftonline.com";

/// What SDKs ask: for what stands where, and for tokens.
pub(super) async fn answer(sim: &Sim, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path.ends_with("/oauth2/v2.0/token") {
        return token(sim, request).await;
    }
    let document = if path.ends_with("/.well-known/openid-configuration") {
        let tenant = format!("https://{HOST}/{}", sim.settings().tenant_id);
        json!({
            "issuer": format!("{tenant}/v2.0"),
            "token_endpoint": format!("{tenant}/oauth2/v2.0/token"),
            "authorization_endpoint": format!("{tenant}/oauth2/v2.0/authorize"),
            "jwks_uri": format!("{tenant}/discovery/v2.0/keys"),
        })
    } else {
        let endpoint = format!("https://{HOST}/common/v2.0/.well-known/openid-configuration");
        let names = json!({
            "preferred_network": HOST, "preferred_cache": HOST, "aliases": [HOST],
        });
        json!({ "tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": [names] })
    };
    reply(StatusCode::OK, "application/json; charset=utf-8", document.to_string())
}

async fn token(sim: &Sim, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    let Ok(body) = request.into_body().collect().await else {
        return reply(StatusCode::BAD_REQUEST, "text/plain", "it broke off".to_owned());
    };
    let mut ours = Request::post(sim.token_url()).body(body.to_bytes()).expect("the URL is one");
    ours.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
    let answered = sim.service().oneshot(ours).await;
    answered.expect("the simulator answers whatever is asked").map(Full::new)
}

//! What the API server itself publishes.

use super::http::{Document, get};
use super::look::{Access, Look};
use super::public::refusal;
use crate::kubernetes::ApiServer;

/// Fetches the discovery document and the key set from the API server.
///
/// The document's `jwks_uri` is not followed: on managed clusters it names an address that nobody
/// outside can use, and elsewhere one of many API servers.
pub(crate) async fn collect(look: &mut Look, server: &ApiServer) {
    let at = |path: &str| format!("{}{path}", server.url());
    let (transport, bearer) = (server.transport(), server.bearer());
    let url = at("/.well-known/openid-configuration");
    match get(transport, &url, bearer, Document::DISCOVERY).await {
        Ok(reply) => {
            let status = reply.status;
            look.api.discovery = Some(reply);
            look.discovery_access = match status {
                401 | 403 => Some(Access::Denied),
                200 => Some(anonymous(server, &url).await),
                _ => None,
            };
        }
        Err(error) => look.problem("api", error),
    }
    match get(transport, &at("/openid/v1/jwks"), bearer, Document::KEY_SET).await {
        Ok(reply) => {
            let problem = refusal(&reply);
            look.api.jwks = Some(reply);
            if let Some(problem) = problem {
                look.problem("api", problem);
            }
        }
        Err(error) => look.problem("api", error),
    }
}

/// Asks once more without a token.
async fn anonymous(server: &ApiServer, url: &str) -> Access {
    match get(server.transport(), url, None, Document::DISCOVERY).await {
        Ok(reply) if reply.status == 200 => Access::Anonymous,
        _ => Access::Authenticated,
    }
}

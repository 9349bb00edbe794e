//! What the API server itself publishes.

use cambist_core::foreign::Foreign;

use super::http::{Document, get};
use super::look::{Access, Look, Reply};
use super::public;
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

/// What to say of an answer that is no success. Unlike an issuer, an API server is told who asks.
fn refusal(reply: &Reply) -> Option<String> {
    let fix = match reply.status {
        401 => {
            "the API server does not accept the token: has it expired, or another audience than the API server's?"
        }
        403 => {
            "the account may not read it: bind the ClusterRole system:service-account-issuer-discovery to it"
        }
        404 => {
            "the API server has no issuer's documents: is its flag --service-account-issuer an https URL?"
        }
        _ => return public::refusal(reply),
    };
    Some(format!("{} answered {}; {fix}", Foreign::new(&reply.url), reply.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_it_is_the_token_the_right_or_the_server() {
        for (status, words) in [
            (401, "does not accept the token"),
            (403, "bind the ClusterRole system:service-account-issuer-discovery to it"),
            (404, "--service-account-issuer"),
            (429, "less often"),
        ] {
            let url = "https://api.test/openid/v1/jwks".to_owned();
            let told = refusal(&Reply { url, status, ..Reply::default() }).unwrap();
            assert!(told.contains(words), "{told}");
            assert!(!told.contains("without credentials"), "{told}");
            assert_eq!(told.contains("ClusterRole"), status == 403, "{told}");
        }
        assert_eq!(refusal(&Reply { status: 200, ..Reply::default() }), None);
    }
}

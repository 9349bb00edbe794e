//! What the API server itself publishes.

use cambist_core::foreign::Foreign;

use super::http::{Document, get};
use super::look::{Access, Look, Reply};
use super::public;
use crate::kubernetes::ApiServer;

/// What came of asking an API server for its discovery document.
#[derive(Debug)]
pub(super) struct Discovered {
    /// Which one was asked.
    pub(super) server: String,
    pub(super) reply: Option<Reply>,
    pub(super) problem: Option<String>,
}

impl Discovered {
    /// The issuer that it names.
    pub(super) fn issuer(&self) -> Option<String> {
        public::issuer_in(self.reply.as_ref()?)
    }
}

/// Fetches the discovery document from the API server.
///
/// Its `jwks_uri` is not followed: on managed clusters it names an address that nobody outside can
/// use, and elsewhere one of many API servers.
pub(super) async fn discover(server: &ApiServer) -> Discovered {
    let url = discovery(server);
    let reply = get(server.transport(), &url, server.bearer(), Document::DISCOVERY).await;
    let (reply, problem) = match reply {
        Ok(reply) => {
            let problem = refusal(&reply);
            (Some(reply), problem)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    Discovered { server: server.url().to_owned(), reply, problem }
}

fn discovery(server: &ApiServer) -> String {
    format!("{}/.well-known/openid-configuration", server.url())
}

/// Who may read the discovery document that was asked for with a token.
pub(super) async fn access(look: &mut Look, server: &ApiServer) {
    look.discovery_access = match look.api.discovery.as_ref().map(|reply| reply.status) {
        Some(401 | 403) => Some(Access::Denied),
        Some(200) => {
            let url = discovery(server);
            match get(server.transport(), &url, None, Document::DISCOVERY).await {
                Ok(reply) if reply.status == 200 => Some(Access::Anonymous),
                _ => Some(Access::Authenticated),
            }
        }
        _ => None,
    };
}

/// Fetches the key set from the API server.
pub(super) async fn keys(look: &mut Look, server: &ApiServer) {
    let url = format!("{}/openid/v1/jwks", server.url());
    match get(server.transport(), &url, server.bearer(), Document::KEY_SET).await {
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

//! Tokens made on the spot: which key does an API server sign with now?

use bytes::Bytes;
use cambist_core::foreign::Foreign;
use cambist_core::jwks::{KeySet, KeySetError};
use cambist_core::token::ProjectedToken;
use http::Method;
use serde_json::json;

use super::http::{Document, HttpError, get, send};
use super::look::TokenSeen;
use super::tokens;
use crate::cli::rotation::Account;
use crate::kubernetes::ApiServer;

/// For nobody: what is only looked at should open nothing.
const AUDIENCE: &str = "cambist.invalid";

/// Most bytes of an answer to a TokenRequest.
const MAX_BODY: usize = 64 * 1024;

/// Why an API server gave nothing to look at. It never repeats a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{what} was answered with {status}{}", hint(*.status))]
    Status { what: &'static str, status: u16 },
    #[error("the key set: {0}")]
    Keys(#[from] KeySetError),
    #[error("the answer to the TokenRequest holds no token")]
    Shape,
    #[error("the key that signed it is not known: {0}")]
    Signer(Foreign),
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => {
            "; this API server does not accept the token: is its audience the API server's, and is it alive?"
        }
        403 => {
            "; allow the account `create` on serviceaccounts/token by a Role with that resourceName"
        }
        404 => "; is there such an account, and is --service-account-issuer set?",
        _ => "",
    }
}

/// The keys whose tokens an API server accepts.
pub(crate) async fn accepted(server: &ApiServer) -> Result<KeySet, MintError> {
    let url = format!("{}/openid/v1/jwks", server.url());
    let reply = get(server.transport(), &url, server.bearer(), Document::KEY_SET).await?;
    match reply.ok() {
        Some(body) => Ok(KeySet::parse(body.as_bytes())?),
        None => Err(MintError::Status { what: "GET /openid/v1/jwks", status: reply.status }),
    }
}

/// Has an API server make a token that lives as short as may be, and tells who signed it.
pub(crate) async fn mint(server: &ApiServer, account: &Account) -> Result<TokenSeen, MintError> {
    let keys = accepted(server).await?;
    let Account { namespace, name } = account;
    let url =
        format!("{}/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", server.url());
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": { "audiences": [AUDIENCE], "expirationSeconds": 600 },
    });
    let (transport, bearer) = (server.transport(), server.bearer());
    let (body, reply) = send(
        transport,
        Method::POST,
        &url,
        bearer,
        Bytes::from(request.to_string()),
        Document::object(MAX_BODY),
    )
    .await?;
    if !matches!(reply.status, 200 | 201) {
        return Err(MintError::Status { what: "the TokenRequest", status: reply.status });
    }
    let answer: serde_json::Value = serde_json::from_slice(&body).map_err(|_| MintError::Shape)?;
    let token = answer["status"]["token"].as_str().ok_or(MintError::Shape)?;
    let token = ProjectedToken::parse(token).map_err(|_| MintError::Shape)?;
    let seen = tokens::seen(format!("a token of {}", server.url()), &token, &[(false, keys)]);
    match seen.signer() {
        Some(_) => Ok(seen),
        None => Err(MintError::Signer(Foreign::new(seen.kid.as_deref().unwrap_or("no kid")))),
    }
}

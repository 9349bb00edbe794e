//! What the issuer's URL leads to: the discovery document and the key set that Entra reads.

use cambist::transport::{Transport, TransportFault};
use cambist_core::foreign::Foreign;
use cambist_core::issuer::{Discovery, IssuerUrl, JwksHost};

use super::KnownSet;
use super::http::{Document, HttpError, get, get_unless};
use super::look::{Look, Reply};
use crate::text::for_flags;

/// Fetches both. What fails is a problem of the look, not an error: half of the evidence is better
/// than none.
pub(crate) async fn collect(
    look: &mut Look,
    transport: &Transport,
    issuer: &IssuerUrl,
    host: JwksHost,
    known: Option<&KnownSet>,
) {
    let url = issuer.discovery_url();
    let discovery = match get(transport, &url, None, Document::DISCOVERY).await {
        Ok(reply) => look.public.discovery.insert(reply),
        Err(error) => {
            look.tls_fault = tls_fault(&error).map(|fault| for_flags(&fault));
            return look.problem("public", error);
        }
    };
    if let Some(problem) = refusal(discovery) {
        return look.problem("public", problem);
    }
    // A document that speaks for another issuer leads nowhere that could be believed.
    let jwks_uri = match Discovery::parse(discovery.body.as_bytes(), issuer, host) {
        Ok(document) => document.jwks_uri().to_owned(),
        Err(error) => return look.problem("public", error),
    };
    let known = known.filter(|known| known.uri == jwks_uri);
    let got = match known {
        Some(known) => get_unless(transport, &jwks_uri, &known.etag).await,
        None => get(transport, &jwks_uri, None, Document::KEY_SET).await,
    };
    match got {
        Ok(reply) => {
            let unchanged = known.is_some() && reply.status == 304;
            let problem = refusal(&reply).filter(|_| !unchanged);
            look.public.jwks = Some(reply);
            if let Some(problem) = problem {
                look.problem("public", problem);
            }
        }
        Err(error) => look.problem("public", error),
    }
}

/// The issuer that a discovery document names.
pub(crate) fn issuer_in(reply: &Reply) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(reply.ok()?).ok()?;
    Some(document.get("issuer")?.as_str()?.to_owned())
}

fn tls_fault(error: &HttpError) -> Option<String> {
    let HttpError::Transport(error) = error else { return None };
    matches!(error.fault(), TransportFault::Tls | TransportFault::TlsUntrusted)
        .then(|| error.to_string())
}

/// What to say of an answer that is no success.
pub(crate) fn refusal(reply: &Reply) -> Option<String> {
    let (url, status) = (Foreign::new(&reply.url), reply.status);
    let fix = match status {
        200 => return None,
        300..=399 => {
            let to = reply.location.as_deref().map(Foreign::new);
            let to = to.map_or_else(|| "nowhere".to_owned(), |to| to.to_string());
            return Some(format!(
                "{url} redirects to {to} ({status}); redirects are not followed, by Entra neither: publish the document there"
            ));
        }
        401 => {
            "; Entra reads an issuer without credentials, and so does this: where the API server itself is the issuer, let it answer anonymous requests (--anonymous-auth)"
        }
        403 => {
            "; Entra reads an issuer without credentials, and so does this: where the API server itself is the issuer, bind the ClusterRole system:service-account-issuer-discovery to the group system:unauthenticated"
        }
        404 => "; is the issuer's URL right, byte for byte?",
        406 => "; it has the document in none of the forms that were asked for",
        407 => "; the proxy asks for credentials: give them in HTTPS_PROXY",
        429 => "; too many requests: look less often",
        _ => "",
    };
    Some(format!("{url} answered {status}{fix}"))
}

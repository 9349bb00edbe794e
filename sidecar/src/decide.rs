//! Who asks, and what may they have: one pure function of the connection, the request's head and a
//! table of callers and identities.
//!
//! Everything that yields no token is a [`Rejection`]. The rules are applied in this order: the front
//! door, then the path, then the proof of who asks, and only then what is asked for, so that nobody
//! learns from a refusal what else is here.

use std::time::Duration;

use cambist_core::foreign::Foreign;
use cambist_core::scope::Resource;
use http::{Method, Request};

use crate::access::{Access, Verdict};
use crate::listener::Ends;
use crate::request::{self, Asked, Protocol, Reason, Rejection};

/// The protocol that is at a path, if it is open.
fn route(access: &Access, path: &str) -> Result<Protocol, Rejection> {
    let Some(protocol) = request::protocol_of(path) else {
        // Whose base was given with the path, or whose whole URL without.
        let fix = if path.contains("/metadata") {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST is http://HOST:PORT alone; a whole URL ends in \
             /metadata/identity/oauth2/token"
        } else {
            "IDENTITY_ENDPOINT (or MSI_ENDPOINT) ends in /msi/token, the URL of imds in \
             /metadata/identity/oauth2/token"
        };
        let detail = format!("nothing is at {}; {fix}", Foreign::new(path));
        return Err(Rejection::new(Reason::Path, detail));
    };
    let listed = access.protocols.contains(&protocol);
    if listed && (access.has_secrets() || !protocol.needs_secret()) {
        return Ok(protocol);
    }
    let name = protocol.as_str();
    let detail = if listed {
        access.why_no_secret(name)
    } else {
        format!("{name} is closed; it is open if the sidecar's CAMBIST_PROTOCOLS lists it")
    };
    Err(Rejection::new(Reason::ProtocolClosed, detail))
}

/// What a request gets.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision<'r> {
    /// How it was asked.
    pub protocol: Protocol,
    /// Who asks: a place in the policy's callers.
    pub caller: usize,
    /// Whether the policy gives it to them. What it only looks at is answered all the same.
    pub allowed: bool,
    /// Whose token it is: a place in the policy's identities.
    pub identity: usize,
    /// What the token is for, as the app wrote it: the reply repeats it byte for byte.
    pub resource: Resource<'r>,
    /// How long it must at least be valid for.
    pub min_ttl: Option<Duration>,
}

/// Judges a request by its head and its connection.
///
/// # Errors
/// [`Rejection`]: it has not the one shape that yields a token, or not to this caller.
pub fn decide<'r, B>(
    access: &Access,
    ends: Ends,
    request: &'r Request<B>,
) -> Result<Decision<'r>, Rejection> {
    access.door.check(ends, request)?;
    let protocol = route(access, request.uri().path())?;
    if request.method() != Method::GET {
        let detail =
            format!("{} is not answered here; GET is", Foreign::new(request.method().as_str()));
        return Err(Rejection::new(Reason::Method, detail));
    }
    let caller = access.caller(protocol, request.headers())?;
    let by_caller = |rejection: Rejection| rejection.by(access.caller_name(caller));
    let asked = request::ask(protocol, request.uri().query().unwrap_or_default());
    let asked = asked.map_err(by_caller)?;
    let Verdict { identity, allowed } = access.judge(caller, &asked).map_err(by_caller)?;
    let Asked { resource, min_ttl, .. } = asked;
    Ok(Decision { protocol, caller, identity, allowed, resource, min_ttl })
}

#[cfg(test)]
mod tests;

//! Who asks, and what may they have: one pure function of the connection, the request's head and a
//! table of callers and identities.
//!
//! Everything that yields no token is a [`Rejection`]. The rules are applied in this order: the front
//! door, then the path, then the proof of who asks, and only then what is asked for, so that nobody
//! learns from a refusal what else is here.

use std::time::Duration;

use cambist_core::foreign::Foreign;
use cambist_core::scope::Resource;
use cambist_core::secret::Secret;
use http::header::{HeaderMap, HeaderName};
use http::{Method, Request};

use crate::front_door::Door;
use crate::listener::Ends;
use crate::request::{self, Asked, Identity, Protocol, Reason, Rejection};

/// What an app proves itself by, and its name in 2017-09-01.
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");
const OLDER_HEADER: HeaderName = HeaderName::from_static("secret");

/// What requests are held against.
#[derive(Debug)]
pub struct Policy {
    door: Door,
    protocols: Vec<Protocol>,
    callers: Vec<Caller>,
    identities: Vec<Identity>,
}

/// Somebody who may ask.
#[derive(Debug)]
struct Caller {
    /// What it proves itself by; without, it can ask only by a protocol that wants no secret.
    secret: Option<Secret>,
    /// Whose tokens it may have: a place in the policy's identities.
    identity: usize,
}

impl Policy {
    /// The policy of a pod with one identity: `identity` is for whoever knows the header secret, and
    /// by a protocol that asks for none, for whoever comes in at `door`. Of the `protocols`, those
    /// that ask for a secret are closed without one.
    pub fn of_one(
        door: Door,
        protocols: Vec<Protocol>,
        secret: Option<Secret>,
        identity: Identity,
    ) -> Self {
        let callers = vec![Caller { secret, identity: 0 }];
        Self { door, protocols, callers, identities: vec![identity] }
    }

    /// The protocol that is at a path, if it is open.
    fn route(&self, path: &str) -> Result<Protocol, Rejection> {
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
        let listed = self.protocols.contains(&protocol);
        let has_secret = self.callers.iter().any(|caller| caller.secret.is_some());
        if listed && (has_secret || !protocol.needs_secret()) {
            return Ok(protocol);
        }
        let name = protocol.as_str();
        let detail = if listed {
            format!("{name} is closed, because the sidecar has no IDENTITY_HEADER")
        } else {
            format!("{name} is closed; it is open if the sidecar's CAMBIST_PROTOCOLS lists it")
        };
        Err(Rejection::new(Reason::ProtocolClosed, detail))
    }

    /// Who asks, by what the request proves.
    fn caller(&self, protocol: Protocol, headers: &HeaderMap) -> Result<&Caller, Rejection> {
        match protocol {
            Protocol::AppService | Protocol::Native => self.knows_secret(headers),
            Protocol::Imds => {
                check_metadata(headers)?;
                let nobody = || Rejection::new(Reason::ProtocolClosed, "nobody may ask this way");
                self.callers.first().ok_or_else(nobody)
            }
        }
    }

    fn knows_secret(&self, headers: &HeaderMap) -> Result<&Caller, Rejection> {
        let mut given = headers.get_all(IDENTITY_HEADER).iter();
        let mut proof = (given.next(), given.next());
        let older = proof.0.is_none();
        if older {
            // For what the app has in MSI_SECRET.
            let mut given = headers.get_all(OLDER_HEADER).iter();
            proof = (given.next(), given.next());
        }
        let detail = match proof {
            (None, _) => "X-IDENTITY-HEADER is missing; it must say what IDENTITY_HEADER says",
            (Some(_), Some(_)) => "X-IDENTITY-HEADER or Secret is there more than once",
            (Some(given), None) => {
                let knows = |caller: &&Caller| {
                    let secret = caller.secret.as_ref();
                    secret.is_some_and(|secret| secret.matches(given.as_bytes()))
                };
                match self.callers.iter().find(knows) {
                    Some(caller) => return Ok(caller),
                    None if older => {
                        "Secret (the app's MSI_SECRET) is not what this sidecar's IDENTITY_HEADER says"
                    }
                    None => "X-IDENTITY-HEADER is not what this sidecar's IDENTITY_HEADER says",
                }
            }
        };
        Err(Rejection::new(Reason::IdentityHeader, detail))
    }

    /// Whose token this caller gets for what it asks.
    fn identity(&self, caller: &Caller, asked: &Asked<'_>) -> Result<usize, Rejection> {
        match self.identities.get(caller.identity) {
            Some(identity) => identity.check(&asked.selectors).map(|()| caller.identity),
            None => Err(Rejection::new(Reason::IdentityNotFound, "Identity not found")),
        }
    }
}

/// What a request gets.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision<'r> {
    /// How it was asked.
    pub protocol: Protocol,
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
    policy: &Policy,
    ends: Ends,
    request: &'r Request<B>,
) -> Result<Decision<'r>, Rejection> {
    policy.door.check(ends, request)?;
    let protocol = policy.route(request.uri().path())?;
    if request.method() != Method::GET {
        let detail =
            format!("{} is not answered here; GET is", Foreign::new(request.method().as_str()));
        return Err(Rejection::new(Reason::Method, detail));
    }
    let caller = policy.caller(protocol, request.headers())?;
    let asked = request::ask(protocol, request.uri().query().unwrap_or_default())?;
    let identity = policy.identity(caller, &asked)?;
    Ok(Decision { protocol, identity, resource: asked.resource, min_ttl: asked.min_ttl })
}

fn check_metadata(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut given = headers.get_all("metadata").iter();
    match (given.next(), given.next()) {
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"true") => Ok(()),
        // The metadata service's own words.
        _ => Err(Rejection::new(Reason::MetadataHeader, "Required metadata header not specified")),
    }
}

#[cfg(test)]
mod tests;

//! What yields a token: one request shape, decided by a pure function of the request's head.
//!
//! Everything else is a [`Rejection`]. The rules are listed in the order they are applied: first
//! whether the message itself is in order, then who might be speaking through the app (a proxy, a
//! browser), then the path, then the proof that the app itself asks, and only then what it asks for.

use std::borrow::Cow;
use std::time::Duration;

use cambist_core::scope::{Resource, Scope};
use cambist_core::secret::Secret;
use http::header::{HOST, HeaderMap};
use http::{Method, Request, Version};

mod identity;
mod query;
mod rejection;

pub use identity::Identity;
pub use rejection::{Reason, Rejection};

use query::Query;

/// The most that `min_ttl` may ask for: no token of Entra lives longer.
const MAX_MIN_TTL: u64 = 24 * 3600;

/// A way to ask for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `GET /msi/token`, App Service 2019-08-01: every Azure SDK speaks it.
    AppService,
    /// `GET /v1/token?scope=`: for programs without an Azure SDK.
    Native,
    /// `GET /metadata/identity/oauth2/token`: a virtual machine's metadata service.
    Imds,
}

impl Protocol {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::AppService, Self::Native, Self::Imds];

    /// The word it is configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AppService => "app-service",
            Self::Native => "native",
            Self::Imds => "imds",
        }
    }

    /// Whether it asks for the header secret, and so does not exist without one.
    pub const fn needs_secret(self) -> bool {
        !matches!(self, Self::Imds)
    }
}

/// What requests are held against.
#[derive(Debug)]
pub struct Policy {
    /// The protocols that are open.
    pub protocols: Vec<Protocol>,
    /// What `X-IDENTITY-HEADER` must say.
    pub header_secret: Option<Secret>,
    /// The port that `Host` must name.
    pub port: u16,
    /// Who the tokens are for.
    pub identity: Identity,
}

impl Policy {
    fn serves(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
            && (self.header_secret.is_some() || !protocol.needs_secret())
    }
}

/// A request for a token that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenRequest<'r> {
    /// How it was asked.
    pub protocol: Protocol,
    /// What the token is for, as the app wrote it: the reply repeats it byte for byte.
    pub resource: Resource<'r>,
    /// How long it must at least be valid for.
    pub min_ttl: Option<Duration>,
}

/// Judges a request by its head.
///
/// # Errors
/// [`Rejection`]: it has not the one shape that yields a token.
pub fn parse<'r, B>(
    policy: &Policy,
    request: &'r Request<B>,
) -> Result<TokenRequest<'r>, Rejection> {
    let headers = request.headers();
    check_message(request)?;
    check_host(policy.port, request)?;
    check_messenger(headers)?;
    let protocol = route(policy, request.uri().path())?;
    if request.method() != Method::GET {
        let detail = format!("{} is not answered here; GET is", shown(request.method().as_str()));
        return Err(Rejection::new(Reason::Method, detail));
    }
    match protocol {
        Protocol::AppService | Protocol::Native => check_secret(policy, headers)?,
        Protocol::Imds => check_metadata(headers)?,
    }
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    ask(policy, protocol, query)
}

/// The parts of the head that say how the message is framed: a doubt there ends the connection.
fn check_message<B>(request: &Request<B>) -> Result<(), Rejection> {
    if request.version() != Version::HTTP_11 {
        let detail = format!("{:?} is not spoken here; HTTP/1.1 is", request.version());
        return Err(Rejection::new(Reason::HttpVersion, detail));
    }
    let headers = request.headers();
    let mut lengths = headers.get_all(http::header::CONTENT_LENGTH).iter();
    let only_zero = match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => length == "0",
        (Some(_), Some(_)) => false,
    };
    if !only_zero || headers.contains_key(http::header::TRANSFER_ENCODING) {
        return Err(Rejection::new(Reason::Body, "a request for a token has no body"));
    }
    Ok(())
}

/// The `Host` must be this very listener (no name that an attacker's DNS points here), once.
fn check_host<B>(port: u16, request: &Request<B>) -> Result<(), Rejection> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Rejection::new(Reason::Host, "exactly one Host header is needed"));
    };
    let ours = host.to_str().is_ok_and(|host| is_ours(host, port));
    if !ours {
        let detail = format!(
            "Host is {}; it must be 127.0.0.1, localhost or [::1] with port {port}",
            shown(&String::from_utf8_lossy(host.as_bytes()))
        );
        return Err(Rejection::new(Reason::Host, detail));
    }
    // An absolute target is how one speaks to a proxy, and this is none. (RFC 9112 section 3.2.2
    // would have servers accept it; no client of ours sends it, but a confused proxy might.)
    if let Some(authority) = request.uri().authority() {
        let named = shown(authority.host());
        let detail = format!("the target names {named}; it must be a path, as for no proxy");
        return Err(Rejection::new(Reason::Host, detail));
    }
    Ok(())
}

fn is_ours(host: &str, port: u16) -> bool {
    // Not by parsing: the texts that are ours are few and have one spelling each.
    let Some((name, digits)) = host.rsplit_once(':') else { return false };
    let named = ["127.0.0.1", "localhost", "[::1]"].iter().any(|n| name.eq_ignore_ascii_case(n));
    named && !digits.starts_with(['+', '0']) && digits.parse() == Ok(port)
}

/// Signs that the request was written by somebody other than the app: a proxy that can be talked
/// into forwarding, or a page in a browser.
fn check_messenger(headers: &HeaderMap) -> Result<(), Rejection> {
    for name in headers.keys().map(http::HeaderName::as_str) {
        if name == "forwarded"
            || name == "via"
            || name == "x-real-ip"
            || name.starts_with("x-forwarded")
        {
            let detail = format!("{name} says that a proxy sent this; ask without one");
            return Err(Rejection::new(Reason::Forwarded, detail));
        }
        // Not `sec-fetch-mode`: Node's own fetch() sends it, cannot be told not to, and sends none of
        // these. A browser sends them with every request, whatever the page asks for.
        if matches!(name, "origin" | "sec-fetch-site" | "sec-fetch-dest") {
            let detail = format!("{name} says that a browser sent this; ask from a program");
            return Err(Rejection::new(Reason::Browser, detail));
        }
    }
    Ok(())
}

/// The protocol that a path belongs to, open or not. The list is closed, and a path is compared as
/// it came: no decoding, no normalising.
pub fn protocol_of(path: &str) -> Option<Protocol> {
    match path {
        "/msi/token" => Some(Protocol::AppService),
        "/v1/token" => Some(Protocol::Native),
        path if is_imds(path) => Some(Protocol::Imds),
        _ => None,
    }
}

fn route(policy: &Policy, path: &str) -> Result<Protocol, Rejection> {
    let Some(protocol) = protocol_of(path) else {
        let detail = "nothing is here; IDENTITY_ENDPOINT ends in /msi/token";
        return Err(Rejection::new(Reason::Path, detail));
    };
    if policy.serves(protocol) {
        return Ok(protocol);
    }
    let name = protocol.as_str();
    Err(Rejection::new(
        Reason::ProtocolClosed,
        if policy.protocols.contains(&protocol) {
            format!("{name} is closed, because the sidecar has no IDENTITY_HEADER")
        } else {
            format!("{name} is closed; it is open if the sidecar's CAMBIST_PROTOCOLS lists it")
        },
    ))
}

/// SDKs write one slash too many in front (Java) or behind (JavaScript), and `metadata` in any case.
fn is_imds(path: &str) -> bool {
    let path = path.strip_prefix("//").or_else(|| path.strip_prefix('/')).unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split_once('/').is_some_and(|(first, rest)| {
        first.eq_ignore_ascii_case("metadata") && rest == "identity/oauth2/token"
    })
}

fn check_secret(policy: &Policy, headers: &HeaderMap) -> Result<(), Rejection> {
    let mut given = headers.get_all("x-identity-header").iter();
    let detail = match (&policy.header_secret, given.next(), given.next()) {
        (Some(secret), Some(given), None) if secret.matches(given.as_bytes()) => return Ok(()),
        (_, None, _) => "X-IDENTITY-HEADER is missing; it must say what IDENTITY_HEADER says",
        (_, Some(_), Some(_)) => "X-IDENTITY-HEADER is there more than once",
        _ => "X-IDENTITY-HEADER is not what this sidecar's IDENTITY_HEADER says",
    };
    Err(Rejection::new(Reason::IdentityHeader, detail))
}

fn check_metadata(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut given = headers.get_all("metadata").iter();
    match (given.next(), given.next()) {
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"true") => Ok(()),
        // The metadata service's own words.
        _ => Err(Rejection::new(Reason::MetadataHeader, "Required metadata header not specified")),
    }
}

fn ask<'r>(
    policy: &Policy,
    protocol: Protocol,
    query: Query<'r>,
) -> Result<TokenRequest<'r>, Rejection> {
    policy.identity.check(&query.selectors)?;
    let (resource, min_ttl) = match protocol {
        Protocol::AppService | Protocol::Imds => {
            check_api_version(query.api_version.as_deref())?;
            let resource = query.resource.ok_or_else(|| {
                Rejection::new(Reason::Resource, "the parameter \"resource\" is missing")
            })?;
            (resource, None)
        }
        Protocol::Native => {
            let scope = query.scope.ok_or_else(|| {
                Rejection::new(Reason::Scope, "the parameter \"scope\" is missing")
            })?;
            let min_ttl = query.min_ttl.as_deref().map(min_ttl).transpose()?;
            (resource_of(scope)?, min_ttl)
        }
    };
    let resource = Resource::parse(resource)
        .map_err(|error| Rejection::new(Reason::Resource, error.to_string()))?;
    Ok(TokenRequest { protocol, resource, min_ttl })
}

/// The resource in a scope: what stands before `/.default`.
fn resource_of(scope: Cow<'_, str>) -> Result<Cow<'_, str>, Rejection> {
    let parsed =
        Scope::parse(&scope).map_err(|error| Rejection::new(Reason::Scope, error.to_string()))?;
    let len = parsed.resource().len();
    Ok(match scope {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..len).unwrap_or(text)),
        Cow::Owned(mut text) => {
            text.truncate(len);
            Cow::Owned(text)
        }
    })
}

/// Any version will do, as long as it looks like one: `2019-08-01`, `2019-07-01-preview`.
fn check_api_version(version: Option<&str>) -> Result<(), Rejection> {
    let Some(version) = version else {
        let detail = "the parameter \"api-version\" is missing, for example 2019-08-01";
        return Err(Rejection::new(Reason::ApiVersion, detail));
    };
    let date = version.get(..10).unwrap_or_default().bytes().enumerate();
    let dated = date.clone().count() == 10
        && date.into_iter().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    let suffix = version.get(10..).unwrap_or_default();
    let plausible = suffix.is_empty()
        || suffix.len() <= 20
            && suffix
                .strip_prefix('-')
                .is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric()));
    if dated && plausible {
        return Ok(());
    }
    let detail = format!("api-version is {}; a date like 2019-08-01 was expected", shown(version));
    Err(Rejection::new(Reason::ApiVersion, detail))
}

fn min_ttl(text: &str) -> Result<Duration, Rejection> {
    let secs = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match secs {
        Some(secs) if secs <= MAX_MIN_TTL => Ok(Duration::from_secs(secs)),
        _ => Err(Rejection::new(
            Reason::MinTtl,
            format!("min_ttl is {}; whole seconds up to {MAX_MIN_TTL} were expected", shown(text)),
        )),
    }
}

/// Foreign text in a message: quoted, without control characters, not too long.
fn shown(text: &str) -> String {
    let head: String = text.chars().take(100).collect();
    let cut = if head.len() < text.len() { "…" } else { "" };
    format!("{head:?}{cut}")
}

#[cfg(test)]
mod tests;

//! What a request for a token says: its protocol by its path, and what it asks for by its query.
//!
//! Whether it gets that is decided in [`decide`](crate::decide).

use std::borrow::Cow;
use std::time::Duration;

use cambist_core::foreign::Foreign;
use cambist_core::scope::{Resource, Scope};

mod identity;
pub(crate) mod misplaced;
mod query;
mod rejection;

pub(crate) use identity::{not_found, selected};
pub use rejection::{Reason, Rejection};

use identity::Named;
use query::Query;

/// The most that `min_ttl` may ask for: no token of Entra lives longer.
const MAX_MIN_TTL: u64 = 24 * 3600;

/// A way to ask for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `GET /msi/token`, App Service 2019-08-01, which every Azure SDK speaks, and 2017-09-01, which the
    /// clients before them do.
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

    /// Those of the open ones that can be asked by: all of them if anybody has a secret.
    pub(crate) fn possible(open: &[Self], secrets: bool) -> impl Iterator<Item = Self> {
        open.iter().copied().filter(move |protocol| secrets || !protocol.needs_secret())
    }
}

/// What a request asks for, whoever sent it.
#[derive(Debug)]
pub(crate) struct Asked<'r> {
    /// What the token is for, as the app wrote it.
    pub(crate) resource: Resource<'r>,
    /// How long it must at least be valid for.
    pub(crate) min_ttl: Option<Duration>,
    /// Whose token, by the names that the request has for that.
    pub(crate) selectors: Vec<Named<'r>>,
}

/// Reads a query by the rules of a protocol.
pub(crate) fn ask(protocol: Protocol, query: &str) -> Result<Asked<'_>, Rejection> {
    let query = Query::parse(query)?;
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
    Ok(Asked { resource, min_ttl, selectors: query.selectors })
}

/// The protocol that a path belongs to, open or not. The list is closed, and a path is compared as
/// it came: no decoding, no normalising.
pub fn protocol_of(path: &str) -> Option<Protocol> {
    match path {
        // Clients of 2017-09-01 are known to write a slash behind it.
        "/msi/token" | "/msi/token/" => Some(Protocol::AppService),
        "/v1/token" => Some(Protocol::Native),
        path if is_imds(path) => Some(Protocol::Imds),
        _ => None,
    }
}

/// SDKs write one slash too many in front (Java) or behind (JavaScript), and `metadata` in any case.
fn is_imds(path: &str) -> bool {
    let path = path.strip_prefix("//").or_else(|| path.strip_prefix('/')).unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split_once('/').is_some_and(|(first, rest)| {
        first.eq_ignore_ascii_case("metadata") && rest == "identity/oauth2/token"
    })
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
    let detail =
        format!("api-version is {}; a date like 2019-08-01 was expected", Foreign::new(version));
    Err(Rejection::new(Reason::ApiVersion, detail))
}

fn min_ttl(text: &str) -> Result<Duration, Rejection> {
    let secs = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match secs {
        Some(secs) if secs <= MAX_MIN_TTL => Ok(Duration::from_secs(secs)),
        _ => Err(Rejection::new(
            Reason::MinTtl,
            format!(
                "min_ttl is {}; whole seconds up to {MAX_MIN_TTL} were expected",
                Foreign::new(text)
            ),
        )),
    }
}

//! Whom to ask: Entra's hosts, and those allowed by name.

use std::fmt;

use cambist_core::foreign::Foreign;
use cambist_core::names::{address, is_dns_name};
use cambist_core::scope::{Audience, Scope};
use http::{Uri, uri};

use super::cloud::Cloud;
use super::tenant::TenantId;

/// Entra's host in the first German cloud, closed in 2021. It never had an audience of its own; who
/// names it gets the public one, as ever.
const CLOSED: &str = "login.microsoftonline.de";

/// The authority that gives tokens: an https origin that is known to be Entra's, or was allowed by
/// name. Federated tokens are sent there and nowhere else.
///
/// ```
/// use cambist::exchange::{Authority, TenantId};
///
/// let gov = Authority::parse("https://login.microsoftonline.us/", &[])?;
/// assert_eq!(gov.default_audience().as_str(), "api://AzureADTokenExchangeUSGov");
/// let tenant = TenantId::parse("contoso.onmicrosoft.com").unwrap();
/// assert_eq!(
///     gov.token_url(&tenant).to_string(),
///     "https://login.microsoftonline.us/contoso.onmicrosoft.com/oauth2/v2.0/token",
/// );
/// assert!(Authority::parse("https://login.example", &[]).is_err());
/// assert!(Authority::parse("https://login.example", &["https://login.example"]).is_ok());
/// # Ok::<(), cambist::exchange::AuthorityError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// `host`, or `host:port` if the port is not 443; lower case.
    host: String,
    /// None for one that was allowed by name, and for the closed one.
    cloud: Option<Cloud>,
}

/// Why a text is no authority that may be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// It is no https origin.
    #[error(
        "the authority {found} is not usable: {reason}; write https://HOST or https://HOST:PORT"
    )]
    Malformed {
        /// The text.
        found: Foreign,
        /// What is wrong.
        reason: &'static str,
    },
    /// It is not known to be Entra's and was not allowed.
    #[error(
        "the authority \"https://{host}\" is neither one of Entra's known hosts nor allowed{}; if tokens may really be sent there, add it to CAMBIST_ALLOW_AUTHORITY", allowed_list(.allowed)
    )]
    NotAllowed {
        /// The authority asked for.
        host: String,
        /// The authorities that were allowed besides the known ones.
        allowed: Vec<String>,
    },
}

fn allowed_list(allowed: &[String]) -> String {
    if allowed.is_empty() { String::new() } else { format!(" (allowed: {})", allowed.join(", ")) }
}

impl Default for Authority {
    /// Entra's public cloud.
    fn default() -> Self {
        Self::public()
    }
}

impl Authority {
    /// Entra's public cloud.
    pub fn public() -> Self {
        Self { host: "login.microsoftonline.com".to_owned(), cloud: Some(Cloud::Public) }
    }

    /// Accepts an https origin; a single trailing slash is tolerated. One that is not built in must
    /// be among those allowed, with scheme, host and port.
    ///
    /// # Errors
    /// [`AuthorityError`], also if one of the allowed is itself malformed.
    pub fn parse(url: &str, allowed: &[&str]) -> Result<Self, AuthorityError> {
        let host = origin(url)?;
        let allowed = allowed.iter().map(|url| origin(url)).collect::<Result<Vec<_>, _>>()?;
        let cloud = Cloud::of_host(&host);
        if cloud.is_some() || host == CLOSED || allowed.contains(&host) {
            return Ok(Self { host, cloud });
        }
        Err(AuthorityError::NotAllowed { host, allowed })
    }

    /// The cloud that it serves; nobody knows that of one that was allowed by name.
    pub fn cloud(&self) -> Option<Cloud> {
        self.cloud
    }

    /// What a federated token's audience must be by its cloud's custom. An allowed host has none:
    /// it gets the public one, which can be configured over.
    pub fn default_audience(&self) -> Audience {
        self.cloud.map_or_else(Audience::entra, Cloud::audience)
    }

    /// What a blueprint is asked for to stand for an agent identity: the same, taken for a resource
    /// (<https://learn.microsoft.com/entra/agent-id/agent-autonomous-app-oauth-flow>).
    pub(crate) fn exchange_scope(&self) -> Scope {
        Scope::parse(&format!("{}/.default", self.default_audience()))
            .expect("no cloud's audience has a character that no resource has")
    }

    /// The host, with its port if that is not 443.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The v2.0 token endpoint of a tenant.
    pub fn token_url(&self, tenant: &TenantId) -> Uri {
        let path = format!("/{}/oauth2/v2.0/token", tenant.as_str());
        Uri::builder()
            .scheme("https")
            .authority(self.host.as_str())
            .path_and_query(path)
            .build()
            .expect("a checked host, and a tenant of letters, digits, dots and hyphens")
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)
    }
}

/// Host and port of an https origin, in the one spelling that is compared.
fn origin(url: &str) -> Result<String, AuthorityError> {
    let bad = |reason| {
        let found = Foreign::new(url);
        Err(AuthorityError::Malformed { found, reason })
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return bad("it is no URL");
    };
    if !scheme.eq_ignore_ascii_case("https") {
        return bad("only https is spoken with an authority");
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        // Not shown: it may be a password.
        let found = Foreign::new("https://...@...");
        let reason = "an authority has no user or password";
        return Err(AuthorityError::Malformed { found, reason });
    }
    if rest.contains(['/', '?', '#', '\\']) {
        return bad("it has a path, a query or a fragment; tenant and path are added to it");
    }
    let none = "its host is neither a DNS name nor an address";
    let Ok(at) = rest.parse::<uri::Authority>() else { return bad(none) };
    let host = at.host();
    if !is_dns_name(host) && address(host).is_none() {
        return bad(none);
    }
    let named = at.port_u16().filter(|port| *port != 0).map(|port| format!(":{port}"));
    let port = match rest.strip_prefix(host) {
        Some("" | ":443") => "",
        // In its one spelling.
        Some(port) if named.as_deref() == Some(port) => port,
        _ => return bad("its port is none"),
    };
    Ok(format!("{}{port}", host.to_ascii_lowercase()))
}

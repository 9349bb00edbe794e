//! Where an application is registered.

use std::fmt;

use cambist_core::foreign::Foreign;
use cambist_core::names::{is_dns_name, is_guid};

/// A tenant: a GUID or one of its verified domain names.
///
/// It becomes part of the URL's path, so nothing else is let through. `common` and `organizations`
/// are no tenants: an application that signs in as itself belongs to one.
///
/// ```
/// use cambist::exchange::TenantId;
///
/// assert!(TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").is_ok());
/// assert!(TenantId::parse("contoso.com").is_ok());
/// assert!(TenantId::parse("common").is_err());
/// assert!(TenantId::parse("../evil").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantId(String);

/// Why a text is no tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tenant {0} is neither a GUID nor a domain name; use the directory's id, such as 00000000-0000-0000-0000-000000000000"
)]
pub struct TenantIdError(Foreign);

impl TenantId {
    /// Accepts a GUID with hyphens, or a domain name with a dot.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, TenantIdError> {
        if is_guid(text) || (text.contains('.') && is_dns_name(text)) {
            return Ok(Self(text.to_owned()));
        }
        Err(TenantIdError(Foreign::new(text)))
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

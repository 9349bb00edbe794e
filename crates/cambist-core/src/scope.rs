//! What a token is for: resources, scopes and audiences.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use crate::foreign::Foreign;

mod allowed;

pub use allowed::{Allowed, AllowedError};

/// What client-credentials scopes end in: "everything this identity was granted at that resource".
const DEFAULT: &str = "/.default";

/// Entra's limit for the issuer, subject and audience of a federated credential; ample for a
/// resource too.
pub(crate) const MAX_LEN: usize = 600;

/// Why a text names no resource, scope or audience.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {found} is not usable: {reason}")]
pub struct ScopeError {
    what: &'static str,
    found: Foreign,
    reason: &'static str,
}

/// The resource an app asks for, kept byte for byte because SDKs compare the reply's echo with it.
///
/// ```
/// use cambist_core::scope::Resource;
///
/// let vault = Resource::parse("https://vault.azure.net")?;
/// assert_eq!(vault.scope().to_string(), "https://vault.azure.net/.default");
/// // A trailing slash is part of the audience and stays.
/// let arm = Resource::parse("https://management.azure.com/")?;
/// assert_eq!(arm.scope().to_string(), "https://management.azure.com//.default");
/// # Ok::<(), cambist_core::scope::ScopeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource<'a>(Cow<'a, str>);

impl<'a> Resource<'a> {
    /// Accepts a resource: a URI, an `api://` identifier or a GUID; not several, not a blank.
    ///
    /// # Errors
    /// If it is empty, longer than 600 bytes, or has a character that no resource has.
    pub fn parse(text: impl Into<Cow<'a, str>>) -> Result<Self, ScopeError> {
        let text = text.into();
        check("the resource", without_default(&text), &text)?;
        Ok(Self(text))
    }

    /// What the app wrote.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the scope's cache entry is found by: the resource without a `/.default`.
    pub fn key(&self) -> &str {
        without_default(&self.0)
    }

    /// The scope to ask Entra for: the resource and `/.default`.
    pub fn scope(&self) -> Scope {
        Scope(self.key().into())
    }
}

/// A client-credentials scope: one resource and `/.default`.
///
/// Entra's v2.0 endpoint takes nothing else from an app that signs in as itself. Cheap to clone.
///
/// ```
/// use cambist_core::scope::Scope;
///
/// let scope = Scope::parse("https://vault.azure.net/.default")?;
/// assert_eq!(scope.resource(), "https://vault.azure.net");
/// assert!(Scope::parse("https://vault.azure.net/user_impersonation").is_err());
/// assert!(Scope::parse("https://a/.default https://b/.default").is_err());
/// # Ok::<(), cambist_core::scope::ScopeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Accepts `<resource>/.default`.
    ///
    /// # Errors
    /// If it does not end so, or if what stands before is no resource.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let Some(resource) = text.strip_suffix(DEFAULT) else {
            return Err(ScopeError {
                what: "the scope",
                found: Foreign::new(text),
                reason: "an app's own scope is one resource followed by \"/.default\"",
            });
        };
        check("the scope", resource, text)?;
        Ok(Self(resource.into()))
    }

    /// The resource, without `/.default`.
    pub fn resource(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{DEFAULT}", self.0)
    }
}

/// By its resource, so that a lookup needs no allocation.
impl Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Who a token is addressed to: what its `aud` claim must contain.
///
/// ```
/// use cambist_core::scope::Audience;
///
/// assert_eq!(Audience::entra().as_str(), "api://AzureADTokenExchange");
/// assert!(Audience::parse("two words").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Audience(Cow<'static, str>);

impl Audience {
    /// What Entra's public cloud expects of a federated token.
    pub const fn entra() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchange"))
    }

    /// What Entra expects in the US Government cloud.
    pub const fn entra_us_gov() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchangeUSGov"))
    }

    /// What Entra expects in the cloud operated by 21Vianet in China.
    pub const fn entra_china() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchangeChina"))
    }

    /// What Entra expects in the US Government's top secret cloud.
    pub const fn entra_us_nat() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchangeUSNat"))
    }

    /// What Entra expects in the US Government's secret cloud.
    pub const fn entra_us_sec() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchangeUSSec"))
    }

    /// What Entra expects in the sovereign cloud of France (Bleu).
    pub const fn entra_france() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchangeFrance"))
    }

    /// What Entra expects in the sovereign cloud of Germany (Delos).
    pub const fn entra_germany() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchangeGermany"))
    }

    /// What Entra expects in the sovereign cloud of Singapore's government.
    pub const fn entra_singapore() -> Self {
        Self(Cow::Borrowed("api://AzureADTokenExchangeGovSG"))
    }

    /// What the token proxy of AKS identity bindings expects; Entra never sees such a token.
    pub const fn aks_identity_binding() -> Self {
        Self(Cow::Borrowed("api://AKSIdentityBinding"))
    }

    /// Accepts an audience.
    ///
    /// # Errors
    /// If it is empty, longer than 600 bytes, or has blanks or control characters.
    pub fn parse(text: impl Into<String>) -> Result<Self, ScopeError> {
        let text = text.into();
        check("the audience", &text, &text)?;
        Ok(Self(text.into()))
    }

    /// The text, compared byte for byte.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn without_default(text: &str) -> &str {
    text.strip_suffix(DEFAULT).unwrap_or(text)
}

fn check(what: &'static str, text: &str, found: &str) -> Result<(), ScopeError> {
    let reason = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_LEN {
        "it is longer than 600 bytes"
    } else if text.bytes().any(|b| !b.is_ascii_graphic()) {
        "it has a blank, a control character or a character outside ASCII; one at a time, please"
    } else if text.bytes().any(|b| matches!(b, b'"' | b'\\' | b'<' | b'>')) {
        "no resource has a quote, a backslash or an angle bracket"
    } else {
        return Ok(());
    };
    Err(ScopeError { what, found: Foreign::new(found), reason })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn resources_keep_their_bytes_and_scopes_meet() {
        let bare = Resource::parse("https://vault.azure.net").unwrap();
        let full = Resource::parse("https://vault.azure.net/.default").unwrap();
        assert_eq!(full.as_str(), "https://vault.azure.net/.default");
        assert_eq!(bare.scope(), full.scope());
        assert_ne!(bare.scope(), Resource::parse("https://vault.azure.net/").unwrap().scope());
        let map = HashMap::from([(bare.scope(), 1)]);
        assert_eq!(map.get(full.key()), Some(&1));
    }

    #[test]
    fn junk_is_no_resource() {
        let long = "x".repeat(601);
        for bad in ["", "/.default", "a b", "a\n", "a\0", "é", "a\"b", "a\\b", long.as_str()] {
            assert!(Resource::parse(bad).is_err(), "{bad}");
        }
        assert!(Resource::parse("00000003-0000-0000-c000-000000000000").is_ok());
        assert!(Resource::parse("api://app/.default").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn a_scope_reads_back_as_itself(text in "\\PC{0,40}") {
            if let Ok(resource) = Resource::parse(text.as_str()) {
                let scope = resource.scope();
                assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope);
            }
        }
    }
}

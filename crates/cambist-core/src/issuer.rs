//! Issuers: who signs a cluster's service-account tokens, and where it says so.

use std::fmt;

use http::uri::Authority;
use serde_json::Value;

use crate::foreign::Foreign;
use crate::json::{self, JsonError};
use crate::names;
use crate::scope::MAX_LEN;

/// Largest discovery document that is read, in bytes.
pub const MAX_DISCOVERY_BYTES: usize = 64 * 1024;

/// The `Accept` that every server of discovery documents can meet. kube-apiserver has the document
/// in one representation and answers 406 to whoever does not name that.
pub const DISCOVERY_ACCEPT: &str = "application/json, */*;q=0.1";

/// An issuer's URL, kept byte for byte, because Entra and the `iss` claim are compared so: a
/// trailing slash more or less makes another issuer.
///
/// ```
/// use cambist_core::issuer::IssuerUrl;
///
/// let aks = IssuerUrl::parse("https://eastus.oic.prod-aks.azure.com/tenant/cluster/")?;
/// assert_eq!(
///     aks.discovery_url(),
///     "https://eastus.oic.prod-aks.azure.com/tenant/cluster/.well-known/openid-configuration",
/// );
/// assert!(IssuerUrl::parse("http://issuer.example").is_err());
/// # Ok::<(), cambist_core::issuer::IssuerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuerUrl {
    text: Box<str>,
    authority: Authority,
}

/// Why a text is no issuer URL (OpenID Connect Discovery 1.0 section 2; Kubernetes asks the same).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {found} is not usable: {reason}")]
pub struct IssuerError {
    what: &'static str,
    found: Foreign,
    reason: &'static str,
}

impl IssuerUrl {
    /// Accepts an https URL without user information, query or fragment.
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let authority = https("issuer", text)?;
        if text.contains('?') {
            let reason = "an issuer has no query";
            return Err(IssuerError { what: "issuer", found: Foreign::new(text), reason });
        }
        Ok(Self { text: text.into(), authority })
    }

    /// The URL, byte for byte as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, with its port if the URL has one.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host alone; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// Where the discovery document is: the issuer less one trailing slash, and the well-known path
    /// (OpenID Connect Discovery 1.0 section 4).
    pub fn discovery_url(&self) -> String {
        let base = self.text.strip_suffix('/').unwrap_or(&self.text);
        format!("{base}/.well-known/openid-configuration")
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether an issuer may keep its keys on another host than its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwksHost {
    /// The key set lives where the discovery document does.
    #[default]
    SameAsIssuer,
    /// The key set may live on any https host: the issuer's word is taken for it.
    AnyHttps,
}

/// The one thing cambist reads from a discovery document that it has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    jwks_uri: Box<str>,
}

/// Why a discovery document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The document is not a JSON object.
    #[error("the discovery document is {0}")]
    Json(#[from] JsonError),
    /// A member that must be a string is missing or something else.
    #[error("the discovery document's {member:?} must be a string, found {found}")]
    Member {
        /// The member's name.
        member: &'static str,
        /// What stood there instead.
        found: &'static str,
    },
    /// The document speaks for another issuer.
    #[error(
        "the discovery document says its issuer is {found}, but {expected} is configured; they are \
         compared byte for byte, a trailing slash included: correct CAMBIST_ISSUER, or what is published"
    )]
    Issuer {
        /// The configured issuer.
        expected: Foreign,
        /// The document's.
        found: Foreign,
    },
    /// The key set's URL is not usable.
    #[error(transparent)]
    JwksUri(#[from] IssuerError),
    /// The key set lives on another host, which was not allowed.
    #[error(
        "the discovery document of {expected} keeps its keys on {found}, another host: if that is as \
         it should be, allow it with CAMBIST_JWKS_ANY_HOST=true"
    )]
    JwksHost {
        /// The issuer's host.
        expected: Foreign,
        /// The key set's host.
        found: Foreign,
    },
}

impl Discovery {
    /// Reads a discovery document and holds it against the issuer it was fetched for.
    ///
    /// # Errors
    /// If it is no JSON object, speaks for another issuer (RFC 8414 section 3.3), or names a key set
    /// that is not https or lives on a host that `host` does not allow.
    pub fn parse(body: &[u8], issuer: &IssuerUrl, host: JwksHost) -> Result<Self, DiscoveryError> {
        let document = json::object(body)?;
        let text = |member| match document.get(member) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(other) => Err(DiscoveryError::Member { member, found: json::kind(other) }),
            None => Err(DiscoveryError::Member { member, found: "nothing" }),
        };
        let found = text("issuer")?;
        if found != issuer.as_str() {
            return Err(DiscoveryError::Issuer {
                expected: Foreign::new(issuer.as_str()),
                found: Foreign::new(found),
            });
        }
        let jwks_uri = text("jwks_uri")?;
        let at = https("jwks_uri", jwks_uri)?;
        if host == JwksHost::SameAsIssuer && at != issuer.authority {
            return Err(DiscoveryError::JwksHost {
                expected: Foreign::new(issuer.authority()),
                found: Foreign::new(at.as_str()),
            });
        }
        Ok(Self { jwks_uri: jwks_uri.into() })
    }

    /// Where the key set is.
    pub fn jwks_uri(&self) -> &str {
        &self.jwks_uri
    }
}

fn https(what: &'static str, text: &str) -> Result<Authority, IssuerError> {
    let reason = if text.len() > MAX_LEN {
        "it is longer than 600 bytes"
    } else if text.trim() != text {
        "it has a blank at an end, which Entra would count as part of it"
    } else if !text.starts_with("https://") {
        "it does not begin with \"https://\""
    } else if text.contains('\\') {
        "it has a backslash, which some parsers read as a slash"
    } else if text.contains('#') {
        "it has a fragment"
    } else {
        match names::authority(text) {
            Some(at) if at.as_str().contains('@') => "it has user information before the host",
            Some(at) if !at.host().is_empty() => return Ok(at),
            Some(_) => "it has no host",
            None => "it is no URL",
        }
    };
    Err(IssuerError { what, found: Foreign::new(text), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AKS: &str = "https://eastus.oic.prod-aks.azure.com/t/u/";

    #[test]
    fn one_slash_is_taken_off_for_discovery_only() {
        for (issuer, discovery) in [
            ("https://h", "https://h/.well-known/openid-configuration"),
            ("https://h/", "https://h/.well-known/openid-configuration"),
            ("https://h/a//", "https://h/a//.well-known/openid-configuration"),
            ("https://h:6443/a", "https://h:6443/a/.well-known/openid-configuration"),
        ] {
            let url = IssuerUrl::parse(issuer).unwrap();
            assert_eq!((url.as_str(), &*url.discovery_url()), (issuer, discovery));
        }
    }

    #[test]
    fn what_is_no_issuer_says_why() {
        let long = format!("https://h/{}", "x".repeat(600));
        for (bad, why) in [
            ("http://h", "https://"),
            ("HTTPS://h", "https://"),
            ("https://h ", "blank"),
            ("https://h/?a=b", "query"),
            ("https://h/#x", "fragment"),
            ("https://u:p@h/", "user information"),
            ("https://h\\@evil/", "backslash"),
            ("https:///x", "no URL"),
            ("https://h/\n/x", "no URL"),
            ("kubernetes/serviceaccount", "https://"),
            (long.as_str(), "600"),
        ] {
            let text = IssuerUrl::parse(bad).unwrap_err().to_string();
            assert!(text.contains(why), "{bad}: {text}");
        }
    }

    #[test]
    fn documents_of_real_platforms_are_read() {
        let issuer = IssuerUrl::parse(AKS).unwrap();
        let body = format!(
            r#"{{"issuer":"{AKS}","jwks_uri":"{AKS}openid/v1/jwks","response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}}"#
        );
        let document = Discovery::parse(body.as_bytes(), &issuer, JwksHost::default()).unwrap();
        assert_eq!(document.jwks_uri(), format!("{AKS}openid/v1/jwks"));
    }

    #[test]
    fn a_document_that_disagrees_is_refused() {
        let issuer = IssuerUrl::parse("https://h/a").unwrap();
        let parse = |body: &str, host| Discovery::parse(body.as_bytes(), &issuer, host);
        let strict = JwksHost::SameAsIssuer;
        assert!(matches!(
            parse(r#"{"issuer":"https://h/a/","jwks_uri":"https://h/k"}"#, strict),
            Err(DiscoveryError::Issuer { .. })
        ));
        let elsewhere = r#"{"issuer":"https://h/a","jwks_uri":"https://keys.example/k"}"#;
        assert!(matches!(parse(elsewhere, strict), Err(DiscoveryError::JwksHost { .. })));
        assert!(parse(elsewhere, JwksHost::AnyHttps).is_ok());
        // A cluster's own view names an internal address; plain http is never followed.
        for bad in [
            r#"{"issuer":"https://h/a","jwks_uri":"http://h/k"}"#,
            r#"{"issuer":"https://h/a","jwks_uri":"https://h@169.254.169.254/k"}"#,
        ] {
            assert!(matches!(parse(bad, JwksHost::AnyHttps), Err(DiscoveryError::JwksUri(_))));
        }
        for bad in [r#"{"issuer":1}"#, r#"{"issuer":"https://h/a"}"#, "{}"] {
            assert!(matches!(parse(bad, strict), Err(DiscoveryError::Member { .. })), "{bad}");
        }
        for bad in ["", "null", "<html>", r#"{"issuer":"https://h/a","issuer":"https://h/b"}"#] {
            assert!(matches!(parse(bad, strict), Err(DiscoveryError::Json(_))), "{bad}");
        }
    }
}

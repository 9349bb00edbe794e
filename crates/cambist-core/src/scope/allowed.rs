//! Which resources somebody may have tokens for: names and patterns without surprises.

use std::fmt;

use super::{Resource, without_default};
use crate::foreign::Foreign;

/// One entry of a list of allowed resources: a resource by its name, or a pattern.
///
/// What is compared, and how:
/// - `/.default` at the end is no part of the name, nor is one slash: `https://vault.azure.net`,
///   `https://vault.azure.net/` and `https://vault.azure.net/.default` are one entry. (Each still gets a
///   token of its own, with the audience as it was asked for.)
/// - The case of the scheme and of the host does not matter (RFC 3986, section 6.2.2.1), nor does that of
///   an application id; the case of a path does.
/// - `*` alone is every resource. `*` as a whole label of the host is one label, of letters, digits, `-` and
///   `_`: `https://*.blob.core.windows.net`. A `*` anywhere else is an error: it would mean to some what it does
///   not mean to others.
///
/// ```
/// use cambist_core::scope::Allowed;
///
/// let storage: Allowed = "https://*.blob.core.windows.net".parse()?;
/// assert!(storage.covers("https://shop.blob.core.windows.net/"));
/// assert!(!storage.covers("https://a.b.blob.core.windows.net"));
/// # Ok::<(), cambist_core::scope::AllowedError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Entry);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Any,
    /// The host's part, split at its `*` if it has one, and the path with its slash.
    One {
        head: Box<str>,
        after: Option<Box<str>>,
        path: Box<str>,
    },
}

/// Why a text is no entry of a list of allowed resources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} is no resource that could be allowed: {why}")]
pub struct AllowedError {
    found: Foreign,
    why: String,
}

impl Allowed {
    /// Whether this resource is meant, as an app writes it or as a scope without `/.default`.
    pub fn covers(&self, resource: &str) -> bool {
        let Entry::One { head, after, path } = &self.0 else { return true };
        let (asked, asked_path) = split(name(resource));
        if asked_path != &**path {
            return false;
        }
        let Some(after) = after else { return asked.eq_ignore_ascii_case(head) };
        let label = asked
            .split_at_checked(head.len())
            .filter(|(start, _)| start.eq_ignore_ascii_case(head))
            .and_then(|(_, rest)| rest.split_at_checked(rest.len().checked_sub(after.len())?))
            .filter(|(_, end)| end.eq_ignore_ascii_case(after));
        label.is_some_and(|(label, _)| !label.is_empty() && label.bytes().all(of_a_label))
    }
}

/// The name of a resource, without what does not tell resources apart.
fn name(resource: &str) -> &str {
    let resource = without_default(resource);
    resource.strip_suffix('/').unwrap_or(resource)
}

/// A resource's scheme and host, or an application id, and its path.
fn split(name: &str) -> (&str, &str) {
    let host = name.find("://").map_or(0, |at| at + 3);
    let path = name[host..].find('/').map_or(name.len(), |at| host + at);
    name.split_at(path)
}

fn of_a_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

impl std::str::FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let wrong = |why: String| AllowedError { found: Foreign::new(text), why };
        if text == "*" {
            return Ok(Self(Entry::Any));
        }
        Resource::parse(text).map_err(|error| wrong(error.to_string()))?;
        let (host, path) = split(name(text));
        if path.contains('*') {
            return Err(wrong(
                "a * in a path stands for nothing; it can be a label of the host alone".to_owned(),
            ));
        }
        let (head, after) = match host.split_once('*') {
            None => (host, None),
            Some((head, after)) => {
                let whole = head.ends_with("://") || head.ends_with('.');
                if !whole || !(after.is_empty() || after.starts_with('.')) || after.contains('*') {
                    return Err(wrong(
                        "a * stands for one whole label of the host, once, as in https://*.blob.core.windows.net"
                            .to_owned(),
                    ));
                }
                (head, Some(after))
            }
        };
        Ok(Self(Entry::One { head: head.into(), after: after.map(Into::into), path: path.into() }))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Entry::Any => f.write_str("*"),
            Entry::One { head, after: None, path } => write!(f, "{head}{path}"),
            Entry::One { head, after: Some(after), path } => write!(f, "{head}*{after}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, resource: &str) -> bool {
        entry.parse::<Allowed>().unwrap().covers(resource)
    }

    #[test]
    fn spellings_of_one_resource_are_one_and_others_are_others() {
        for entry in [
            "https://vault.azure.net",
            "https://vault.azure.net/",
            "https://vault.azure.net/.default",
            "https://vault.azure.net//.default",
            "HTTPS://Vault.Azure.NET",
        ] {
            for meant in [
                "https://vault.azure.net",
                "https://vault.azure.net/",
                "https://VAULT.azure.net",
                "https://vault.azure.net/.default",
            ] {
                assert!(covers(entry, meant), "{entry} {meant}");
            }
            for other in [
                "http://vault.azure.net",
                "https://vault.azure.net//",
                "https://vault.azure.net.evil.test",
                "https://vault.azure.net:443",
                "https://evil@vault.azure.net",
                "https://vault.azure.net/secrets",
                "https://shop.vault.azure.net",
                "vault.azure.net",
                "",
            ] {
                assert!(!covers(entry, other), "{entry} {other}");
            }
        }
        assert!(covers("api://orders/v1", "API://Orders/v1"));
        assert!(!covers("api://orders/v1", "api://orders/V1"));
        let id = "00000003-0000-0000-C000-000000000000";
        assert!(covers(id, &id.to_ascii_lowercase()) && !covers(id, &format!("api://{id}")));
    }

    #[test]
    fn a_star_is_one_label_or_all() {
        let storage = "https://*.blob.core.windows.net";
        assert!(covers(storage, "https://shop.blob.core.windows.net/"));
        assert!(covers(storage, "https://SHOP.Blob.core.windows.net"));
        for other in [
            "https://.blob.core.windows.net",
            "https://a.b.blob.core.windows.net",
            "https://x@shop.blob.core.windows.net",
            "https://x/.blob.core.windows.net",
            "https://shop.blob.core.windows.net/x",
            "https://*.blob.core.windows.net",
            "https://ünï.blob.core.windows.net",
            "https://blob.core.windows.net",
            "https://",
        ] {
            assert!(!covers(storage, other), "{other}");
        }
        assert!(covers("https://a.*.kusto.windows.net", "https://a.b.kusto.windows.net"));
        assert!(covers("api://*", "api://orders") && !covers("api://*", "api://orders/v1"));
        for any in ["https://vault.azure.net", "api://orders/v1", "x"] {
            assert!(covers("*", any), "{any}");
        }
    }

    #[test]
    fn what_would_surprise_is_no_entry() {
        for (bad, words) in [
            ("", "empty"),
            ("https://a b", "blank"),
            ("https://shop*.blob.core.windows.net", "one whole label"),
            ("https://*shop.blob.core.windows.net", "one whole label"),
            ("https://*.*.kusto.windows.net", "one whole label"),
            ("**", "one whole label"),
            ("https*://a", "one whole label"),
            ("https://a/*", "in a path"),
            ("api://orders/*", "in a path"),
        ] {
            let error = bad.parse::<Allowed>().unwrap_err().to_string();
            assert!(error.contains(words), "{bad}: {error}");
        }
        for same in ["*", "https://*.a.b/c", "api://orders"] {
            assert_eq!(same.parse::<Allowed>().unwrap().to_string(), same);
        }
    }
}

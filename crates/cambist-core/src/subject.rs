//! Who a token speaks for: a Kubernetes service account.

use std::fmt;
use std::str::FromStr;

use crate::foreign::Foreign;
use crate::names::{is_namespace, is_object_name};

const PREFIX: &str = "system:serviceaccount:";

/// A Kubernetes service account, as the `sub` claim names it: `system:serviceaccount:ns:name`.
///
/// ```
/// use cambist_core::subject::ServiceAccount;
///
/// let app: ServiceAccount = "system:serviceaccount:payments:api".parse()?;
/// assert_eq!((app.namespace(), app.name()), ("payments", "api"));
/// assert!(!app.is_default());
/// assert!("system:node:worker-1".parse::<ServiceAccount>().is_err());
/// # Ok::<(), cambist_core::subject::SubjectError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccount {
    namespace: Box<str>,
    name: Box<str>,
}

/// Why a text names no service account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected \"system:serviceaccount:<namespace>:<name>\", found {found}: {reason}")]
pub struct SubjectError {
    found: Foreign,
    reason: &'static str,
}

impl ServiceAccount {
    /// The account's namespace, a DNS label (RFC 1123).
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The account's name, a DNS subdomain (RFC 1123).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is a namespace's `default` account, which every pod gets that names none and
    /// which therefore proves nothing about who is calling.
    pub fn is_default(&self) -> bool {
        &*self.name == "default"
    }
}

impl FromStr for ServiceAccount {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let fail = |reason| SubjectError { found: Foreign::new(text), reason };
        let rest = text.strip_prefix(PREFIX).ok_or_else(|| fail("it has another prefix"))?;
        let (namespace, name) = rest.split_once(':').ok_or_else(|| fail("it has no name"))?;
        if !is_namespace(namespace) {
            return Err(fail("the namespace is not a DNS label"));
        }
        if !is_object_name(name) {
            return Err(fail("the name is not a DNS subdomain"));
        }
        Ok(Self { namespace: namespace.into(), name: name.into() })
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kubernetes_names_are_accounts() {
        for good in ["system:serviceaccount:a:b", "system:serviceaccount:ns-1:a.b-c.d0"] {
            assert_eq!(good.parse::<ServiceAccount>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "system:serviceaccount:",
            "system:serviceaccount:ns",
            "system:serviceaccount::name",
            "system:serviceaccount:ns:",
            "system:serviceaccount:ns:a:b",
            "system:serviceaccount:Ns:a",
            "system:serviceaccount:ns:a\n",
            "system:serviceaccount:-ns:a",
            "System:serviceaccount:ns:a",
            "system:serviceaccounts:ns",
        ] {
            assert!(bad.parse::<ServiceAccount>().is_err(), "{bad}");
        }
        let text = "a\nb".parse::<ServiceAccount>().unwrap_err().to_string();
        assert!(text.contains(r#"found "a\nb""#), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_parses_prints_the_same(text in "(system:serviceaccount:)?[a-z0-9:.-]{0,20}") {
            if let Ok(account) = text.parse::<ServiceAccount>() {
                assert_eq!(account.to_string(), text);
            }
        }
    }
}

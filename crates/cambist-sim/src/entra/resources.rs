//! What a token can be for: Azure's own resources and those that somebody made known.

use std::collections::BTreeSet;

use cambist_core::names::is_guid;
use tokio::sync::watch;

use super::azure::SERVICES;

/// How many resources that nobody knows are remembered.
const REMEMBERED: usize = 100;

/// The resources of a tenant, its own apps aside.
#[derive(Debug)]
pub(super) struct Resources {
    known: BTreeSet<String>,
    forgotten: BTreeSet<String>,
    /// Those that were asked for in vain, each once.
    missed: watch::Sender<Vec<String>>,
}

impl Resources {
    /// Azure's.
    pub(super) fn azures() -> Self {
        let (known, forgotten) = (BTreeSet::new(), BTreeSet::new());
        Self { known, forgotten, missed: watch::Sender::new(Vec::new()) }
    }

    pub(super) fn know(&mut self, resource: &str) {
        self.forgotten.remove(&name(resource));
        self.known.insert(name(resource));
    }

    pub(super) fn forget(&mut self, resource: &str) {
        self.known.remove(&name(resource));
        self.forgotten.insert(name(resource));
    }

    /// Whether there is such a resource; `None` if only the tenant's apps can tell.
    pub(super) fn has(&self, resource: &str) -> Option<bool> {
        let name = name(resource);
        let among = |names: &BTreeSet<String>| names.iter().any(|known| fits(known, &name));
        let azures = || {
            SERVICES.iter().any(|(id, names)| *id == name || names.iter().any(|it| fits(it, &name)))
        };
        if among(&self.forgotten) {
            Some(false)
        } else if among(&self.known) || azures() {
            Some(true)
        } else {
            None
        }
    }

    pub(super) fn miss(&self, resource: &str) {
        self.missed.send_if_modified(|missed| {
            let new = missed.len() < REMEMBERED && !missed.iter().any(|it| it == resource);
            if new {
                missed.push(resource.to_owned());
            }
            new
        });
    }

    pub(super) fn missed(&self) -> watch::Receiver<Vec<String>> {
        self.missed.subscribe()
    }
}

/// A resource as it is compared: neither its case nor one slash at its end makes another of it. (The
/// token's audience is what was asked for all the same.)
pub(super) fn name(resource: &str) -> String {
    resource.strip_suffix('/').unwrap_or(resource).to_ascii_lowercase()
}

/// Whether a resource has the form of one: a URI or a GUID.
pub(crate) fn is_resource(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return is_guid(text) };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && !text.contains(|it: char| it.is_whitespace() || it.is_control())
}

/// Whether `known` is this name; its `*` stands for any one label of a host's name.
fn fits(known: &str, name: &str) -> bool {
    let Some((before, after)) = known.split_once('*') else { return known == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    let label = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let length = rest.bytes().take_while(label).count();
    (1..=length.min(LABEL)).any(|at| fits(after, &rest[at..]))
}

/// The longest that a label can be (RFC 1035, section 2.3.4).
const LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use cambist_core::scope::Audience;

    use super::*;

    #[test]
    fn azures_resources_are_known_in_each_of_their_forms() {
        let resources = Resources::azures();
        for known in [
            "https://management.azure.com",
            "https://management.azure.com/",
            "https://management.core.windows.net/",
            "https://vault.azure.net",
            "https://vault.azure.net/",
            "https://Vault.Azure.net",
            "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
            "https://storage.azure.com/",
            "https://shop.blob.core.windows.net",
            "https://shop.dfs.core.windows.net/",
            "https://graph.microsoft.com",
            "https://database.windows.net/",
            "https://ossrdbms-aad.database.windows.net",
            "https://shop.documents.azure.com",
            "https://shop.kusto.windows.net",
            "https://shop.westeurope.kusto.windows.net",
            "499b84ac-1321-427f-aa17-267ca6975798",
            "6dae42f8-4368-4678-94ff-3960e28e3630",
            "2FF814A6-3304-4AB8-85CB-CD0E6F879C1D",
            "https://vault.usgovcloudapi.net",
            "https://management.chinacloudapi.cn/",
        ] {
            assert_eq!(resources.has(known), Some(true), "{known}");
        }
        for mistaken in [
            "https://vault.azure.com",
            "http://vault.azure.net",
            "https://vault.azure.net//",
            "https://vault.azure.net/secrets",
            // The commonest of all: a vault is no resource.
            "https://shop.vault.azure.net",
            "https://.blob.core.windows.net",
            "https://*.blob.core.windows.net",
            "https://a.b.blob.core.windows.net",
            "https://x@shop.servicebus.windows.net",
            "https://storage.azure.net",
            "https://shop.web.core.windows.net",
            "https://management.azure.com/.default",
            "https://https://graph.microsoft.com/",
            "api://orders",
            "00000000-0000-4000-8000-000000000001",
            "",
        ] {
            assert_eq!(resources.has(mistaken), None, "{mistaken}");
        }
    }

    #[test]
    fn every_clouds_exchange_is_known() {
        for audience in [
            Audience::entra(),
            Audience::entra_us_gov(),
            Audience::entra_china(),
            Audience::entra_us_nat(),
            Audience::entra_us_sec(),
            Audience::entra_france(),
            Audience::entra_germany(),
            Audience::entra_singapore(),
        ] {
            assert_eq!(Resources::azures().has(audience.as_str()), Some(true), "{audience}");
        }
    }

    #[test]
    fn the_table_is_in_the_form_that_names_are_compared_in() {
        let mut seen = BTreeSet::new();
        for (id, names) in SERVICES {
            assert!(is_guid(id) && seen.insert(*id), "{id}");
            for it in *names {
                assert!(*it == name(it) && is_resource(it) && seen.insert(*it), "{it}");
            }
        }
    }

    #[test]
    fn what_is_made_known_is_known_until_it_is_forgotten() {
        let mut resources = Resources::azures();
        resources.know("api://Orders/");
        resources.know("api://app-*");
        for known in ["api://orders", "api://ORDERS/", "api://app-1", "api://app-one-more"] {
            assert_eq!(resources.has(known), Some(true), "{known}");
        }
        for other in ["api://order", "api://app-", "api://app-1/x", "api://app-1.x"] {
            assert_eq!(resources.has(other), None, "{other}");
        }
        for resource in ["api://orders", "api://app-*", "https://vault.azure.net"] {
            resources.forget(resource);
        }
        for gone in ["api://orders", "api://app-1", "https://vault.azure.net/"] {
            assert_eq!(resources.has(gone), Some(false), "{gone}");
        }
        resources.know("https://vault.azure.net/");
        assert_eq!(resources.has("https://vault.azure.net"), Some(true));
    }

    #[test]
    fn what_was_asked_for_in_vain_is_told_once() {
        let resources = Resources::azures();
        let mut missed = resources.missed();
        for n in 0..2 * REMEMBERED {
            for _ in 0..2 {
                resources.miss(&format!("api://{n}"));
            }
        }
        assert_eq!(missed.borrow_and_update().len(), REMEMBERED);
        resources.miss("api://0");
        assert!(!missed.has_changed().unwrap());
    }

    #[test]
    fn a_resource_is_a_uri_or_a_guid() {
        for good in ["https://a", "api://a", "urn:a", "00000003-0000-0000-c000-000000000000"] {
            assert!(is_resource(good), "{good}");
        }
        for bad in ["", "orders", "vault.azure.net", ":", "://a", "1a://b", "https:", "https://a b"]
        {
            assert!(!is_resource(bad), "{bad}");
        }
    }
}

//! Azure's clouds: where each is asked, for which audience, and what is its own.
//!
//! As the Azure SDKs have it: hosts and audiences by MSAL.NET's table of known clouds, the three
//! youngest clouds' audiences also by the JavaScript and Java SDKs, those of the two secret ones by
//! Entra's documentation of managed identities as credentials. `login-us.microsoftonline.com` is an
//! alternate host of the public cloud, whatever its name says.

use std::fmt;

use cambist_core::names;
use cambist_core::scope::Audience;

/// One of Azure's clouds. They share nothing: an identity of one is unknown in all others.
///
/// ```
/// use cambist::exchange::Cloud;
///
/// assert_eq!(Cloud::of_host("login.microsoftonline.us"), Some(Cloud::UsGov));
/// assert_eq!(Cloud::UsGov.audience().as_str(), "api://AzureADTokenExchangeUSGov");
/// assert_eq!(Cloud::of_resource("https://vault.azure.cn"), Some(Cloud::China));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// The words of a file of identities.
#[cfg_attr(feature = "policy-file", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(
    all(test, feature = "policy-file"),
    derive(schemars::JsonSchema),
    schemars(description = "A cloud of Azure's.")
)]
#[non_exhaustive]
pub enum Cloud {
    /// The public one.
    Public,
    /// The US Government's.
    UsGov,
    /// China's, operated by 21Vianet.
    China,
    /// The US Government's for top secret work.
    UsNat,
    /// The US Government's for secret work.
    UsSec,
    /// France's sovereign one, operated by Bleu.
    France,
    /// Germany's sovereign one, operated by Delos.
    Germany,
    /// That of Singapore's government.
    Singapore,
}

/// What is published about a cloud.
struct Facts {
    name: &'static str,
    /// What its Entra expects of federated tokens.
    audience: Audience,
    /// Its Entra's hosts; the first is the one to name.
    hosts: &'static [&'static str],
    /// Domains of resources that no other cloud has. Closed and short on purpose: a resource that
    /// several clouds share (`https://storage.azure.com`, `https://servicebus.azure.net`) tells
    /// nothing.
    resources: &'static [&'static str],
}

static PUBLIC: Facts = Facts {
    name: "the public cloud",
    audience: Audience::entra(),
    hosts: &[
        "login.microsoftonline.com",
        "login.microsoft.com",
        "login.windows.net",
        "sts.windows.net",
        "login-us.microsoftonline.com",
    ],
    resources: &[
        "vault.azure.net",
        "managedhsm.azure.net",
        "management.azure.com",
        "management.core.windows.net",
        "database.windows.net",
        "graph.microsoft.com",
    ],
};

static US_GOV: Facts = Facts {
    name: "the US Government cloud",
    audience: Audience::entra_us_gov(),
    hosts: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    resources: &["usgovcloudapi.net", "azure.us", "microsoft.us"],
};

static CHINA: Facts = Facts {
    name: "the cloud in China",
    audience: Audience::entra_china(),
    hosts: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    resources: &["chinacloudapi.cn", "azure.cn"],
};

static US_NAT: Facts = Facts {
    name: "the US Government's top secret cloud",
    audience: Audience::entra_us_nat(),
    hosts: &["login.microsoftonline.eaglex.ic.gov"],
    resources: &["eaglex.ic.gov"],
};

static US_SEC: Facts = Facts {
    name: "the US Government's secret cloud",
    audience: Audience::entra_us_sec(),
    hosts: &["login.microsoftonline.microsoft.scloud"],
    resources: &["microsoft.scloud"],
};

static FRANCE: Facts = Facts {
    name: "the sovereign cloud of France",
    audience: Audience::entra_france(),
    hosts: &["login.sovcloud-identity.fr"],
    resources: &["sovcloud-api.fr", "svc.sovcloud.fr"],
};

static GERMANY: Facts = Facts {
    name: "the sovereign cloud of Germany",
    audience: Audience::entra_germany(),
    hosts: &["login.sovcloud-identity.de"],
    resources: &["sovcloud-api.de", "svc.sovcloud.de"],
};

static SINGAPORE: Facts = Facts {
    name: "the cloud of Singapore's government",
    audience: Audience::entra_singapore(),
    hosts: &["login.sovcloud-identity.sg"],
    resources: &["sovcloud-api.sg"],
};

impl Cloud {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        const ALL: [Cloud; 8] = [
            Cloud::Public,
            Cloud::UsGov,
            Cloud::China,
            Cloud::UsNat,
            Cloud::UsSec,
            Cloud::France,
            Cloud::Germany,
            Cloud::Singapore,
        ];
        ALL.into_iter()
    }

    /// The cloud that a host of Entra's serves.
    pub fn of_host(host: &str) -> Option<Self> {
        find(|facts| facts.hosts.contains(&host))
    }

    /// The cloud whose usual audience this is; none for an audience of somebody's own.
    pub fn of_audience(audience: &Audience) -> Option<Self> {
        find(|facts| facts.audience == *audience)
    }

    /// The cloud that alone has such a resource, where its host tells.
    pub fn of_resource(resource: &str) -> Option<Self> {
        let scheme = resource.split_once("://")?.0;
        let host = names::authority(resource)?.host().to_ascii_lowercase();
        let within = |domain: &&str| {
            host.strip_suffix(domain).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
        };
        let mine = |facts: &Facts| facts.resources.iter().any(&within);
        if scheme.eq_ignore_ascii_case("https") { find(mine) } else { None }
    }

    /// What a federated token's audience is here by custom.
    pub fn audience(self) -> Audience {
        self.facts().audience.clone()
    }

    /// The hosts of its Entra, the usual one first.
    pub fn hosts(self) -> &'static [&'static str] {
        self.facts().hosts
    }

    /// Its usual authority, as `AZURE_AUTHORITY_HOST` has it.
    pub fn authority(self) -> String {
        format!("https://{}/", self.facts().hosts[0])
    }

    fn facts(self) -> &'static Facts {
        match self {
            Self::Public => &PUBLIC,
            Self::UsGov => &US_GOV,
            Self::China => &CHINA,
            Self::UsNat => &US_NAT,
            Self::UsSec => &US_SEC,
            Self::France => &FRANCE,
            Self::Germany => &GERMANY,
            Self::Singapore => &SINGAPORE,
        }
    }
}

fn find(is: impl Fn(&Facts) -> bool) -> Option<Cloud> {
    Cloud::all().find(|cloud| is(cloud.facts()))
}

impl fmt::Display for Cloud {
    /// In words, such as "the public cloud".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)
    }
}

/// Whether Entra, or what stands before it, gives an Azure token for one of this audience: of any cloud,
/// and however it is written.
pub(crate) fn is_exchangeable(audience: &str) -> bool {
    let [entra, binding] = [Audience::entra(), Audience::aks_identity_binding()]
        .map(|it| it.as_str().to_ascii_lowercase());
    let audience = audience.to_ascii_lowercase();
    audience.starts_with(&entra) || audience == binding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Authority;

    #[test]
    fn every_built_in_host_has_its_clouds_audience() {
        use Cloud as C;
        for (host, cloud, audience) in [
            ("login.microsoftonline.com", C::Public, ""),
            ("login.microsoft.com", C::Public, ""),
            ("login.windows.net", C::Public, ""),
            ("sts.windows.net", C::Public, ""),
            ("login-us.microsoftonline.com", C::Public, ""),
            ("login.microsoftonline.us", C::UsGov, "USGov"),
            ("login.usgovcloudapi.net", C::UsGov, "USGov"),
            ("login.chinacloudapi.cn", C::China, "China"),
            ("login.partner.microsoftonline.cn", C::China, "China"),
            ("login.microsoftonline.eaglex.ic.gov", C::UsNat, "USNat"),
            ("login.microsoftonline.microsoft.scloud", C::UsSec, "USSec"),
            ("login.sovcloud-identity.fr", C::France, "France"),
            ("login.sovcloud-identity.de", C::Germany, "Germany"),
            ("login.sovcloud-identity.sg", C::Singapore, "GovSG"),
        ] {
            let authority = Authority::parse(&format!("https://{host}/"), &[]).unwrap();
            assert_eq!(authority.cloud(), Some(cloud), "{host}");
            let audience = format!("api://AzureADTokenExchange{audience}");
            assert_eq!(authority.default_audience().as_str(), audience, "{host}");
            assert_eq!(Cloud::of_audience(&authority.default_audience()), Some(cloud));
            assert!(is_exchangeable(&audience) && is_exchangeable(&audience.to_uppercase()));
            assert!(cloud.hosts().contains(&host));
        }
        assert_eq!(Cloud::all().map(|cloud| cloud.hosts().len()).sum::<usize>(), 14);
        for cloud in Cloud::all() {
            let usual = Authority::parse(&cloud.authority(), &[]).unwrap();
            assert_eq!(usual.cloud(), Some(cloud));
        }
    }

    #[test]
    fn the_closed_cloud_and_allowed_hosts_are_of_no_cloud() {
        for (url, allowed) in [
            ("https://login.microsoftonline.de", &[][..]),
            ("https://login.example", &["https://login.example"]),
        ] {
            let authority = Authority::parse(url, allowed).unwrap();
            assert_eq!(authority.cloud(), None);
            assert_eq!(authority.default_audience(), Audience::entra());
        }
        assert_eq!(Cloud::of_audience(&Audience::aks_identity_binding()), None);
    }

    #[test]
    fn resources_tell_their_cloud_by_their_host_alone() {
        for (resource, cloud) in [
            ("https://vault.azure.net", Some(Cloud::Public)),
            ("https://management.azure.com/", Some(Cloud::Public)),
            ("HTTPS://Vault.UsGovCloudApi.net:443/x", Some(Cloud::UsGov)),
            ("https://shop.vault.azure.cn", Some(Cloud::China)),
            ("https://management.azure.eaglex.ic.gov/", Some(Cloud::UsNat)),
            ("https://management.azure.microsoft.scloud", Some(Cloud::UsSec)),
            ("https://vault.sovcloud-api.fr", Some(Cloud::France)),
            ("https://graph.svc.sovcloud.de", Some(Cloud::Germany)),
            ("https://storage.azure.com", None),
            ("https://servicebus.azure.net", None),
            ("https://notazure.cn", None),
            ("https://example.org/vault.azure.cn", None),
            ("api://vault.azure.cn", None),
            ("00000003-0000-0000-c000-000000000000", None),
            ("https:/é", None),
            ("", None),
        ] {
            assert_eq!(Cloud::of_resource(resource), cloud, "{resource}");
        }
    }
}

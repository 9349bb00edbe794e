//! Platforms: who rotates the issuer's keys, how often, and how one does it there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::policy::Limits;
use cambist_core::foreign::Foreign;
use cambist_core::issuer::IssuerUrl;

/// What kind of cluster an issuer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Platform {
    /// Azure Kubernetes Service.
    Aks,
    /// AKS enabled by Azure Arc, on Azure Local.
    AksArc,
    /// AKS Edge Essentials.
    AksEdge,
    /// k3s or RKE2, connected through Azure Arc.
    ArcK3s,
    /// Amazon Elastic Kubernetes Service.
    Eks,
    /// Google Kubernetes Engine.
    Gke,
    /// Red Hat OpenShift.
    Openshift,
    /// kubeadm.
    Kubeadm,
    /// kOps.
    Kops,
    /// Gardener.
    Gardener,
    /// Anything else, and what nothing tells: taken to be a cluster whose owner runs its API server.
    Other,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 11] = [
        Self::Aks,
        Self::AksArc,
        Self::AksEdge,
        Self::ArcK3s,
        Self::Eks,
        Self::Gke,
        Self::Openshift,
        Self::Kubeadm,
        Self::Kops,
        Self::Gardener,
        Self::Other,
    ];

    /// The word it is configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aks => "aks",
            Self::AksArc => "aks-arc",
            Self::AksEdge => "aks-edge",
            Self::ArcK3s => "arc-k3s",
            Self::Eks => "eks",
            Self::Gke => "gke",
            Self::Openshift => "openshift",
            Self::Kubeadm => "kubeadm",
            Self::Kops => "kops",
            Self::Gardener => "gardener",
            Self::Other => "other",
        }
    }

    /// The platform an issuer's URL gives away, else [`Platform::Other`].
    ///
    /// AKS Edge, OpenShift, kubeadm and kOps cannot be told by their issuer; they have to be named.
    ///
    /// ```
    /// use cambist_core::issuer::IssuerUrl;
    /// use cambist_key_age::Platform;
    ///
    /// let issuer = IssuerUrl::parse("https://eastus.oic.prod-aks.azure.com/tenant/cluster/")?;
    /// assert_eq!(Platform::detect(&issuer), Platform::Aks);
    /// # Ok::<(), cambist_core::issuer::IssuerError>(())
    /// ```
    pub fn detect(issuer: &IssuerUrl) -> Self {
        let host = issuer.host().to_ascii_lowercase();
        let under = |domain: &str| host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.'));
        let path = issuer.as_str();
        if under("oic.prod-aks.azure.com") {
            Self::Aks
        } else if under("azurefd.net") && host.starts_with("oidcdiscovery-") {
            Self::AksArc
        } else if under("oic.prod-arc.azure.com") || under("azurefd.net") {
            Self::ArcK3s
        } else if (host.starts_with("oidc.eks.")
            && (under("amazonaws.com") || under("amazonaws.com.cn")))
            || (host.starts_with("oidc-eks.") && under("api.aws"))
        {
            Self::Eks
        } else if host == "container.googleapis.com" {
            Self::Gke
        } else if path.contains("/shoots/") && path.ends_with("/issuer") {
            Self::Gardener
        } else {
            Self::Other
        }
    }

    /// How old keys may get unless somebody says otherwise. `None` where the platform rotates on a
    /// schedule of its own, which nobody can be asked to change: there ages only inform.
    pub const fn limits(self) -> Option<Limits> {
        match self {
            Self::Aks | Self::Eks | Self::Gke => None,
            Self::ArcK3s => Some(Limits::ARC_K3S),
            _ => Some(Limits::AZURE_LOCAL),
        }
    }

    /// Who says so, where and when: what stands behind [`limits`](Self::limits), or behind there being
    /// none. `None` if nobody published a number.
    pub const fn reference(self) -> Option<Reference> {
        Some(match self {
            Self::Aks => Reference {
                says: "AKS rotates by itself, about every three months, and keeps the old key for 24 hours",
                address: "https://azure.github.io/azure-workload-identity/docs/topics/self-managed-clusters/service-account-key-rotation.html",
                date: "2026-11",
            },
            Self::AksArc => Reference::AZURE_LOCAL,
            Self::AksEdge => Reference {
                says: "the key manager of AKS Edge rotates every 45 days, and a key is valid for 90",
                address: "https://learn.microsoft.com/azure/aks/aksarc/aks-edge-howto-key-manager",
                date: "2025-02",
            },
            Self::ArcK3s => Reference {
                says: "Microsoft asks to rotate at least once every three months",
                address: "https://learn.microsoft.com/azure/azure-arc/kubernetes/workload-identity",
                date: "2026-05",
            },
            Self::Eks => Reference {
                says: "Amazon rotates every seven days",
                address: "https://docs.aws.amazon.com/eks/latest/userguide/irsa-fetch-keys.html",
                date: "2026-11",
            },
            _ => return None,
        })
    }

    /// How often the platform itself rotates, where it does and says so.
    pub const fn cadence(self) -> Option<Duration> {
        match self {
            Self::Eks => Some(DAY.saturating_mul(7)),
            Self::Aks => Some(DAY.saturating_mul(90)),
            Self::AksArc | Self::AksEdge => Some(DAY.saturating_mul(45)),
            _ => None,
        }
    }

    /// Whether its issuer names keys by something else than their thumbprint.
    pub const fn names_keys_itself(self) -> bool {
        matches!(self, Self::Eks | Self::Gke)
    }
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reference {
    /// What is said there, in our words.
    pub says: &'static str,
    /// The page.
    pub address: &'static str,
    /// The year and month of the page, or in which it was read if it has none.
    pub date: &'static str,
}

impl Reference {
    /// Azure Local's, which is taken where a platform publishes no number, too.
    pub const AZURE_LOCAL: Self = Self {
        says: "AKS on Azure Local rotates every 45 days by itself, and its keys expire after 90",
        address: "https://learn.microsoft.com/azure/azure-arc/kubernetes/conceptual-secure-your-workloads",
        date: "2025-06",
    };
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no platform is called {0}; there are aks, aks-arc, aks-edge, arc-k3s, eks, gke, openshift, kubeadm, kops, gardener and other"
)]
pub struct PlatformError(Foreign);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let named = Self::ALL.into_iter().find(|platform| platform.as_str() == text);
        named.ok_or_else(|| PlatformError(Foreign::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_give_their_platform_away() {
        for (issuer, platform) in [
            ("https://eastus.oic.prod-aks.azure.com/t/u/", Platform::Aks),
            ("https://oidcdiscovery-eastus-endpoint-x.000.azurefd.net/t/u/", Platform::AksArc),
            ("https://eastus.oic.prod-arc.azure.com/t/u/", Platform::ArcK3s),
            ("https://abc.z01.azurefd.net/u/", Platform::ArcK3s),
            ("https://oidc.eks.us-east-1.amazonaws.com/id/EC97", Platform::Eks),
            (
                "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c",
                Platform::Gke,
            ),
            ("https://discovery.example/projects/p/shoots/u/issuer", Platform::Gardener),
            ("https://arck8s.blob.core.windows.net/oidc/", Platform::Other),
            ("https://evil-oic.prod-aks.azure.com.example/t/u/", Platform::Other),
            ("https://eviloic.prod-aks.azure.com/t/u/", Platform::Other),
            ("https://oidc.eks.evil.example/amazonaws.com", Platform::Other),
        ] {
            assert_eq!(Platform::detect(&IssuerUrl::parse(issuer).unwrap()), platform, "{issuer}");
        }
    }

    #[test]
    fn numbers_have_a_source_and_a_date() {
        for platform in Platform::ALL {
            let Some(reference) = platform.reference() else {
                // What has no number of its own goes by Azure Local's, or informs only.
                assert!(platform.limits().is_none_or(|limits| limits == Limits::AZURE_LOCAL));
                continue;
            };
            assert!(reference.address.starts_with("https://"), "{platform}");
            let (year, month) = reference.date.split_once('-').unwrap();
            assert!((2024..2100).contains(&year.parse().unwrap()), "{platform}");
            assert!((1..=12).contains(&month.parse().unwrap()), "{platform}");
        }
        let k3s = Platform::ArcK3s.limits().unwrap();
        assert_eq!((k3s.rotate_after(), k3s.expire_after()), (DAY * 90, DAY * 104));
    }

    #[test]
    fn names_go_both_ways() {
        for platform in Platform::ALL {
            assert_eq!(platform.as_str().parse(), Ok(platform));
            let json = serde_json::to_string(&platform).unwrap();
            assert_eq!(json, format!("\"{platform}\""));
        }
        assert!("talos".parse::<Platform>().is_err());
    }
}

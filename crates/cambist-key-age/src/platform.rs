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
    /// kubeadm, or any other cluster whose owner runs its API server.
    Kubeadm,
    /// kOps.
    Kops,
    /// Gardener.
    Gardener,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 10] = [
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
        }
    }

    /// The platform an issuer's URL gives away; anything else is taken to run its own API server.
    ///
    /// AKS Edge, OpenShift and kOps cannot be told by their issuer; they have to be named.
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
            Self::Kubeadm
        }
    }

    /// How old keys may get unless somebody says otherwise. `None` where the platform rotates on a
    /// schedule of its own, which nobody can be asked to change: there ages only inform.
    pub const fn limits(self) -> Option<Limits> {
        match self {
            Self::Aks | Self::Eks | Self::Gke => None,
            _ => Some(Limits::AZURE_LOCAL),
        }
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

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no platform is called {0}; there are aks, aks-arc, aks-edge, arc-k3s, eks, gke, openshift, kubeadm, kops and gardener"
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
            ("https://arck8s.blob.core.windows.net/oidc/", Platform::Kubeadm),
            ("https://evil-oic.prod-aks.azure.com.example/t/u/", Platform::Kubeadm),
            ("https://eviloic.prod-aks.azure.com/t/u/", Platform::Kubeadm),
            ("https://oidc.eks.evil.example/amazonaws.com", Platform::Kubeadm),
        ] {
            assert_eq!(Platform::detect(&IssuerUrl::parse(issuer).unwrap()), platform, "{issuer}");
        }
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

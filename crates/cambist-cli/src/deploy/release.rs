//! Which Kubernetes the policies are for.

use std::str::FromStr;

/// A release of Kubernetes in which an admission policy can inject, by its minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release(u32);

/// The first one with MutatingAdmissionPolicy in v1.
const STABLE: Release = Release(36);
/// The first one with it in v1beta1.
const BETA: Release = Release(34);
/// The first one in which a variable can be had from a file (the feature gate `EnvFiles`).
const ENV_FILES: Release = Release(35);

impl Release {
    /// The version of the API with MutatingAdmissionPolicy.
    pub(super) fn api(self) -> &'static str {
        if self >= STABLE { "v1" } else { "v1beta1" }
    }

    /// Whether apps can have the header by `fileKeyRef`.
    pub(super) fn env_files(self) -> bool {
        self >= ENV_FILES
    }

    /// What the API server needs, as comments.
    pub(super) fn needs(self) -> &'static str {
        if self >= STABLE {
            "# For Kubernetes 1.36 and newer, which needs nothing for it.\n"
        } else {
            "# For Kubernetes 1.34 and 1.35, which have MutatingAdmissionPolicy switched off. kube-apiserver needs:\n\
             #   --feature-gates=MutatingAdmissionPolicy=true\n\
             #   --runtime-config=admissionregistration.k8s.io/v1beta1=true\n"
        }
    }
}

impl FromStr for Release {
    type Err = String;

    /// Of MAJOR.MINOR, and of what clusters write behind it.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
        // Some platforms write their minor version with a plus.
        let mut number = || {
            let part = parts.next()?;
            part.strip_suffix('+').unwrap_or(part).parse::<u32>().ok()
        };
        let (Some(1), Some(minor)) = (number(), number()) else {
            return Err("expected the cluster's version, such as 1.36".to_owned());
        };
        let release = Self(minor);
        if release < BETA {
            return Err(format!(
                "Kubernetes 1.{minor} has no MutatingAdmissionPolicy to rely on, which came with 1.34: the \
                 kustomize component `sidecar` of sidecar/deploy adds the sidecar where manifests are built"
            ));
        }
        Ok(release)
    }
}

//! The policy that the flags ask for, and whose numbers it has.

use cambist_core::duration::rough;
use cambist_core::issuer::IssuerUrl;
use cambist_key_age::platform::Reference;
use cambist_key_age::policy::LimitsError;
use cambist_key_age::{Limits, Platform, Policy};
use serde::Serialize;

use crate::cli::issuer::{Chosen, PolicyArgs};
use crate::text::plain;

/// The platform an issuer is on: as named, or as its URL gives away.
pub(crate) fn platform(chosen: Chosen, issuer: &str) -> Platform {
    match chosen {
        Chosen::Of(platform) => platform,
        Chosen::Auto => IssuerUrl::parse(issuer).map_or(Platform::Other, |i| Platform::detect(&i)),
    }
}

/// The platform's policy with what the flags change.
///
/// # Errors
/// If a key would have to be gone before it has to be replaced.
pub(crate) fn policy(args: &PolicyArgs, platform: Platform) -> Result<Policy, LimitsError> {
    let mut policy = Policy::for_platform(platform);
    if args.rotate_after.is_some() || args.expire_after.is_some() {
        let limits = policy.limits.unwrap_or(Limits::AZURE_LOCAL);
        let rotate = args.rotate_after.unwrap_or(limits.rotate_after());
        // Whoever rotates less often than the default keeps keys for at least twice as long.
        let twice = rotate.saturating_mul(2).max(limits.expire_after());
        policy.limits = Some(Limits::new(rotate, args.expire_after.unwrap_or(twice))?);
    }
    policy.grace = args.grace;
    policy.max_token_life = args.max_token_ttl;
    policy.basis = args.age_basis;
    policy.max_gap = args.max_gap;
    Ok(if args.accept_assumed { policy.accepting_assumptions() } else { policy })
}

/// Whose numbers the limits are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Origin {
    kind: Kind,
    /// What the organization calls its policy.
    name: Option<String>,
    reference: Option<Reference>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    /// Somebody gave them.
    Given,
    /// The platform's own.
    Platform,
    /// The platform publishes none, and they are Azure Local's.
    AzureLocal,
    /// There are no limits: the platform rotates by itself.
    None,
}

impl Origin {
    /// Of the policy that these flags make on this platform.
    pub(crate) fn of(args: &PolicyArgs, platform: Platform) -> Self {
        let given = args.rotate_after.is_some() || args.expire_after.is_some();
        let own = platform.reference();
        let (kind, reference) = match (given, own, platform.limits()) {
            (true, ..) => (Kind::Given, None),
            (false, own, None) => (Kind::None, own),
            (false, Some(own), Some(_)) => (Kind::Platform, Some(own)),
            (false, None, Some(_)) => (Kind::AzureLocal, Some(Reference::AZURE_LOCAL)),
        };
        Self { kind, name: args.policy_name.clone(), reference }
    }

    /// The limits and where they come from, for a reader.
    pub(crate) fn told(&self, policy: &Policy) -> String {
        self.with_source(policy, |it| format!("{} ({}, {})", it.says, it.address, it.date))
    }

    /// The same without the page's address, which is long.
    pub(crate) fn told_briefly(&self, policy: &Policy) -> String {
        self.with_source(policy, |it| format!("{} ({})", it.says, it.date))
    }

    fn with_source(&self, policy: &Policy, source: impl Fn(Reference) -> String) -> String {
        let limits = policy.limits.map_or_else(
            || "ages are told and not judged, until --rotate-after is given".to_owned(),
            |limits| {
                format!(
                    "replaced after {}, gone after {}, grace {}",
                    rough(limits.rotate_after()),
                    rough(limits.expire_after()),
                    rough(policy.grace)
                )
            },
        );
        let source = self.reference.map(source);
        match (self.kind, &self.name, source) {
            (Kind::Given, Some(name), _) => format!("{}: {limits}", plain(name)),
            (Kind::Given, None, _) => format!("{limits}; as the flags say"),
            (Kind::AzureLocal, _, Some(source)) => {
                format!(
                    "{limits}; no number of this platform's own is known, so it is Azure Local's: {source}"
                )
            }
            (_, _, Some(source)) => format!("{limits}; {source}"),
            (_, _, None) => {
                format!("{limits}; the platform rotates by itself, how often is not published")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;
    use crate::testing::Pod;

    #[tokio::test(start_paused = true)]
    async fn a_policy_says_whose_it_is() {
        let pod = Pod::new();
        let told = async |flags: &str| {
            let out = pod.run(&format!("issuer check {flags}")).await.out;
            let from = out.find("\npolicy").unwrap_or_else(|| panic!("{out}"));
            let text = out[from..].split("\nverdict").next().unwrap().to_owned();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let k3s = told("--platform arc-k3s").await;
        for text in ["replaced after 90d, gone after 104d", "every three months", "2026-05"] {
            assert!(k3s.contains(text), "{text}: {k3s}");
        }
        let plan = pod.run("issuer plan --platform arc-k3s").await.out;
        assert!(plan.contains("https://learn.microsoft.com/azure/azure-arc"), "{plan}");
        assert!(told("--platform kops").await.contains("so it is Azure Local's"));
        assert!(told("--platform gke").await.contains("told and not judged"));
        assert!(told("--platform eks").await.contains("every seven days"));
        let own = told("--rotate-after 30d --policy-name Contoso-PKI-7.2").await;
        assert!(own.contains("policy Contoso-PKI-7.2: replaced after 30d"), "{own}");
        let json = pod.json("issuer check --rotate-after 30d --policy-name Contoso").await;
        assert_eq!(
            (&json["policySource"]["kind"], &json["policySource"]["name"]),
            (&"given".into(), &"Contoso".into())
        );
        // A name for numbers that are somebody else's would be a lie.
        assert!(
            Cli::try_parse_from("cambist issuer check --policy-name Contoso".split(' ')).is_err()
        );
        // What nothing tells is not called something that it need not be.
        let out = pod.run("issuer check").await.out;
        assert!(out.contains("\nplatform  other: ") && !out.contains("kubeadm"), "{out}");
    }
}

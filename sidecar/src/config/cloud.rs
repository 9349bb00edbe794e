//! What does not go together where the tokens come from, and is still no fault.

use cambist::config::Identity;
use cambist::exchange::Cloud;
use cambist_core::scope::{Audience, Scope};

use super::{Reader, SignIn};

/// A resource of another cloud will hardly be had: a warning only, since a host is no proof and the other resources
/// are fine. `name` is where the resource stands.
pub(super) fn of_another_cloud(name: &str, identity: &Identity) -> Vec<String> {
    let Some(asked) = identity.authority.cloud() else { return Vec::new() };
    let host = identity.authority.host();
    let others = identity.prefetch.iter().map(Scope::resource).filter_map(|resource| {
        let meant = Cloud::of_resource(resource).filter(|it| *it != asked)?;
        Some(format!(
            "{name}: {resource} is a resource of {meant}, but the authority {host} is \
             that of {asked}: name the resource as {asked} has it, or set \
             AZURE_AUTHORITY_HOST={}",
            meant.authority(),
        ))
    });
    others.collect()
}

impl Reader<'_> {
    /// The token proxy of AKS takes one audience, and Entra itself hardly ever that one. Both can be
    /// meant otherwise, so that they are no faults.
    pub(super) fn check_binding(&mut self, source: &SignIn, identities: &[Identity]) {
        #[cfg_attr(not(feature = "developer"), expect(irrefutable_let_patterns))]
        let SignIn::Federated(trust) = source else {
            return;
        };
        let Some(audience) = identities.first().map(|it| &it.audience) else { return };
        let binding = Audience::aks_identity_binding();
        let warning = match &trust.token_proxy {
            Some(_) if *audience != binding => format!(
                "CAMBIST_AUDIENCE: the token proxy of AKS takes {binding}, not {audience}: leave \
                 it out"
            ),
            None if *audience == binding => format!(
                "CAMBIST_AUDIENCE: {binding} is what a token proxy of AKS takes, and none is \
                 named: set AZURE_KUBERNETES_TOKEN_PROXY, or leave CAMBIST_AUDIENCE out"
            ),
            _ => return,
        };
        self.warnings.push(warning);
    }
}

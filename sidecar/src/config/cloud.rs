//! What does not go together where the tokens come from, and is still no fault.

use cambist::exchange::Cloud;
use cambist_core::scope::{Audience, Scope};

use super::{Reader, SignIn};

impl Reader<'_> {
    /// A resource of another cloud will hardly be had: a warning only, since a host is no proof and
    /// the other resources are fine.
    pub(super) fn check_clouds(&mut self, source: Option<&SignIn>, prefetch: &[Scope]) {
        let Some(SignIn::Federated(library)) = source else { return };
        let Some(asked) = library.identity.authority.cloud() else { return };
        for resource in prefetch.iter().map(Scope::resource) {
            let Some(meant) = Cloud::of_resource(resource).filter(|it| *it != asked) else {
                continue;
            };
            self.warnings.push(format!(
                "CAMBIST_PREFETCH: {resource} is a resource of {meant}, but the authority {} is \
                 that of {asked}: name the resource as {asked} has it, or set \
                 AZURE_AUTHORITY_HOST={}",
                library.identity.authority.host(),
                meant.authority(),
            ));
        }
    }

    /// The token proxy of AKS takes one audience, and Entra itself hardly ever that one. Both can be
    /// meant otherwise, so that they are no faults.
    pub(super) fn check_binding(&mut self, source: Option<&SignIn>) {
        let Some(SignIn::Federated(library)) = source else { return };
        let (audience, binding) = (&library.identity.audience, Audience::aks_identity_binding());
        let warning = match &library.trust.token_proxy {
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

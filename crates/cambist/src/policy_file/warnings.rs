//! What is allowed in a file, and hardly meant.

use cambist_core::policy::{Caller, Mode, Policy};
use cambist_core::scope::Scope;

use crate::config::Identity;
use crate::identities::Identities;

pub(super) fn of(all: &Identities) -> Vec<String> {
    let Identities { identities, policy, .. } = all;
    let mut warnings = Vec::new();
    for caller in policy.callers().iter().filter(|caller| caller.rights().next().is_none()) {
        warnings.push(format!("the caller {} may have nothing", caller.name()));
    }
    for (at, identity) in policy.identities().iter().enumerate() {
        let mut rights = policy.callers().iter().flat_map(Caller::rights);
        if !rights.any(|(given, _)| given == at) {
            let what = if policy.default_identity() == Some(at) { "default" } else { "identity" };
            warnings.push(format!("no caller may have the {what} {}", identity.name));
        }
    }
    if policy.mode() == Mode::Audit {
        let warning =
            "mode is audit: what the policy does not allow is answered all the same, and told";
        warnings.push(warning.to_owned());
    }
    out_of_reach(identities, policy, &mut warnings);
    warnings
}

/// What is listed, and what nobody gets all the same.
fn out_of_reach(identities: &[Identity], policy: &Policy, warnings: &mut Vec<String>) {
    let known = policy.identities();
    for caller in policy.callers() {
        for (at, listed) in caller.rights() {
            let names = listed.iter().map(ToString::to_string).filter(|name| !name.contains('*'));
            for resource in names.filter(|name| !policy.allows(caller, at, name)) {
                warnings.push(format!(
                    "the caller {} gets no token of {} for {resource}: the identity's own resources do not list it",
                    caller.name(),
                    known[at].name
                ));
            }
        }
    }
    for (at, identity) in identities.iter().enumerate() {
        for resource in identity.prefetch.iter().map(Scope::resource) {
            if !policy.callers().iter().any(|caller| policy.allows(caller, at, resource)) {
                warnings.push(format!(
                    "no caller may have what is prefetched of {}: {resource}",
                    known[at].name
                ));
            }
        }
    }
}

//! What to compare with what, and what to do.

use cambist_core::foreign::{Foreign, ForeignList};

use super::Trouble;
use crate::exchange::Presented;
use crate::exchange::asked::Asked;

mod agent;
mod projected;

/// A new credential is not everywhere at once.
const SPREADS: &str = "one that was just made takes some minutes to spread";

/// How things are called by whoever set them up.
struct Words {
    /// Who asks.
    who: String,
    /// Its client id.
    client: &'static str,
    its_tenant: &'static str,
    authority: &'static str,
    file: &'static str,
    /// Where federated credentials are looked at.
    list: &'static str,
    /// Where they are made.
    create: &'static str,
}

impl Words {
    fn of(asked: &Asked<'_>) -> Self {
        let client_id = asked.principal.client_id();
        let (who, client) = match (asked.principal.agent(), asked.presented) {
            (Some(_), _) => (format!("blueprint {client_id}"), "the blueprint's client id"),
            (_, Presented::Agent(_)) => (format!("agent {client_id}"), "the agent's client id"),
            (_, Presented::Projected(_)) => {
                return Self {
                    who: client_id.to_owned(),
                    client: "AZURE_CLIENT_ID",
                    its_tenant: "AZURE_TENANT_ID",
                    authority: "AZURE_AUTHORITY_HOST",
                    file: "AZURE_FEDERATED_TOKEN_FILE",
                    list: "`az identity federated-credential list` (of an application: `az ad app federated-credential list`)",
                    create: "`az identity federated-credential create` (of an application: `az ad app federated-credential create`)",
                };
            }
        };
        Self {
            who,
            client,
            its_tenant: "the agent's tenant",
            authority: "the agent's authority",
            file: "the agent's token file",
            list: "Microsoft Graph under /applications/{the blueprint's object id}/federatedIdentityCredentials",
            create: "a POST to Microsoft Graph's /applications/{the blueprint's object id}/federatedIdentityCredentials",
        }
    }
}

impl Trouble {
    /// The sentence that fixes it. `policies` are the ids of the policies that Entra names.
    pub(in crate::exchange) fn fix(self, asked: &Asked<'_>, policies: &[Foreign]) -> String {
        let fix = match asked.presented {
            Presented::Projected(assertion) => projected::fix(self, asked, assertion),
            Presented::Agent(assertion) => agent::fix(self, asked, assertion),
        };
        fix.unwrap_or_else(|| self.fix_of_request(asked, policies))
    }

    /// Where it is neither what was shown nor who showed it.
    fn fix_of_request(self, asked: &Asked<'_>, policies: &[Foreign]) -> String {
        let (tenant, client_id) = (asked.tenant, asked.principal.client_id());
        let Words { who, client, its_tenant, authority, .. } = Words::of(asked);
        let blueprint = asked.principal.agent().is_some();
        match self {
            Self::BlueprintAlone => format!(
                "{client_id} is a blueprint of agent identities, which itself has no tokens for {}: ask as one of its agents, with the agent's client id, and with {client_id} as its blueprint",
                asked.resource()
            ),
            Self::UnknownTenant => format!(
                "Check {its_tenant} ({tenant}), and that {authority} is of the same cloud"
            ),
            Self::NoAssertion => format!(
                "Entra found no assertion in the request for {who}: does something on the way rewrite it? Otherwise report it as a defect of cambist"
            ),
            Self::Malformed => format!(
                "Entra found the request malformed; check {client} ({client_id}) and {its_tenant} ({tenant}), and otherwise report it as a defect of cambist"
            ),
            Self::UnknownResource | Self::ResourceDisabled | Self::BadScope if blueprint => format!(
                "A blueprint is asked for {}, by which the cloud of {authority} calls its token exchange: is that the cloud of tenant {tenant}?",
                asked.resource()
            ),
            Self::UnknownResource => format!(
                "Check the resource {}: is it spelt as its service documents it, and does tenant {tenant} have that service?",
                asked.resource()
            ),
            Self::ResourceDisabled => format!(
                "The service behind the resource {} is disabled in tenant {tenant}: enable it under Enterprise applications; a subscription that has lapsed disables it, too",
                asked.resource()
            ),
            Self::BadScope => format!(
                "Check the resource {}: one at a time, without a permission's name behind it",
                asked.resource()
            ),
            Self::Policy => {
                let which = match policies {
                    [] => "; the tenant's sign-in log of service principals names it".to_owned(),
                    ids => format!(": policy {}", ForeignList::of(ids.iter().map(Foreign::as_str))),
                };
                format!(
                    "A Conditional Access or other policy of tenant {tenant} blocks {who}{which}; an administrator can admit the address that it comes from, or {who} itself"
                )
            }
            Self::Loop => "Entra sees the same request too often and stops answering for some minutes; look for other copies of this workload that ask without a cache".to_owned(),
            Self::Regional => format!(
                "{authority} names a regional endpoint, which takes no federated credential; use the global one"
            ),
            Self::WrongCloud => format!(
                "Tenant {tenant} or the resource is in another national cloud; set {authority} to that cloud's"
            ),
            Self::Throttled => "Entra asks for fewer requests; this is tried again after a pause".to_owned(),
            Self::Unavailable => "Entra has trouble of its own; this is tried again".to_owned(),
            _ => format!(
                "Look the code up at https://login.microsoftonline.com/error; the request was for {} as {who} of tenant {tenant}",
                asked.resource()
            ),
        }
    }
}

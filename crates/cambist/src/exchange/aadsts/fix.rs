//! What to compare with what, and what to do.

use cambist_core::foreign::{Foreign, ForeignList};

use super::Trouble;
use crate::exchange::asked::Asked;

/// Where federated credentials are looked at.
const LIST: &str = "`az identity federated-credential list` (of an application: `az ad app federated-credential list`)";
/// Where they are made.
const CREATE: &str = "`az identity federated-credential create` (of an application: `az ad app federated-credential create`)";
/// A new one is not everywhere at once.
const SPREADS: &str = "one that was just made takes some minutes to spread";

impl Trouble {
    /// The sentence that fixes it. `policies` are the ids of the policies that Entra names.
    pub(in crate::exchange) fn fix(self, asked: &Asked<'_>, policies: &[Foreign]) -> String {
        let Asked { client_id, tenant, .. } = asked;
        match self {
            Self::NoMatchingCredential => format!(
                "Compare, byte for byte, {} with the federated credentials of {client_id}, which {LIST} shows (a trailing slash and upper case count); {SPREADS}",
                asked.presented()
            ),
            Self::NoIssuer => format!(
                "No federated credential of {client_id} has the token's issuer {}: compare it, byte for byte, with those that {LIST} shows (a trailing slash and upper case count), and add it with {CREATE} if it is not there; {SPREADS}",
                asked.issuer()
            ),
            Self::NoAudience => format!(
                "No federated credential of {client_id} has the token's audience {}: it must be the one that the credential names, which is api://AzureADTokenExchange in the public cloud; set `audience` of the projected volume to it, or the credential's audience to the token's; {SPREADS}",
                asked.audiences()
            ),
            Self::NoSubject => format!(
                "No federated credential of {client_id} with issuer {} has the token's subject {}: compare it, byte for byte, with those that {LIST} shows, and add one with {CREATE} if this service account is to have {client_id}; one that is equal already is stale: delete it and make it again; {SPREADS}",
                asked.issuer(),
                asked.subject()
            ),
            Self::SubjectCase => format!(
                "A federated credential of {client_id} differs from the token's subject {} in upper and lower case alone, which count: correct the credential, and if it is equal already delete it and make it again",
                asked.subject()
            ),
            Self::AudienceForm => format!(
                "The audience of a federated credential of {client_id} is written as a GUID: it must be the URI that the token has, {}, as {CREATE} takes it",
                asked.audiences()
            ),
            Self::NoCredential => format!(
                "{client_id} has no federated credential at all: add one for {} with {CREATE}, or set AZURE_CLIENT_ID to the application that has it; {SPREADS}",
                asked.presented()
            ),
            Self::StaleAssertion => {
                let claims = asked.assertion.claims();
                format!(
                    "The token is valid from {} to {}: is the kubelet renewing the file, and is this node's clock right?",
                    claims.not_before.unwrap_or(claims.issued_at),
                    claims.expires_at
                )
            }
            Self::UnknownSignature => format!(
                "The token names key {} of issuer {}, which Entra does not know: check that the issuer publishes that key on the internet; after a rotation Entra needs 20 to 45 minutes or more to see it, and is asked again once a minute",
                asked.key(),
                asked.issuer()
            ),
            Self::WrongSignature => format!(
                "Entra knows key {} of issuer {}, but that key did not make this signature: was the token altered on its way, or has the issuer another key under the same name now?",
                asked.key(),
                asked.issuer()
            ),
            Self::BadAssertion => format!(
                "Entra does not accept the token itself ({}): is this file a projected service-account token, signed with RS256?",
                asked.presented()
            ),
            Self::BadHeader => "Entra takes only tokens whose header says \"typ\": \"JWT\", or no typ, and nothing that it does not know: is this file a projected service-account token, as the API server signs them?".to_owned(),
            Self::NoKeyId => "The token's header does not name the key that signed it (kid), and Entra does not try them all: is this file a projected service-account token, as the API server signs them?".to_owned(),
            Self::BadAlgorithm => format!(
                "Entra takes signatures by an RSA key alone (RS256), and key {} of issuer {} made another: give the API server an RSA key to sign with, and publish that",
                asked.key(),
                asked.issuer()
            ),
            Self::LivesTooLong => {
                let claims = asked.assertion.claims();
                format!(
                    "Entra takes no token that is valid for over 25 h, and this one is, from {} to {}: set expirationSeconds of the projected volume to 86400 or less, and see that AZURE_FEDERATED_TOKEN_FILE is that volume's",
                    claims.issued_at, claims.expires_at
                )
            }
            Self::OtherApp => format!(
                "Entra takes this for a token that an application signed itself, and for another one than {client_id}: compare AZURE_CLIENT_ID with it; AZURE_FEDERATED_TOKEN_FILE must be a projected token, not a certificate's"
            ),
            Self::IssuerUnreachable => format!(
                "Entra must fetch the issuer's keys from the internet: check that {} serves a valid /.well-known/openid-configuration and the key set that it names, publicly, over https with a public certificate, past any firewall of the storage behind it; if it does, this passes by itself",
                asked.issuer()
            ),
            Self::UnknownApp => format!(
                "Compare AZURE_CLIENT_ID ({client_id}) and AZURE_TENANT_ID ({tenant}) with the application or managed identity: the client id, not the object or resource id; it may be in another tenant, or disabled, and a new one takes some minutes to spread"
            ),
            Self::AppDisabled => format!(
                "{client_id} is disabled in tenant {tenant}: enable it under Enterprise applications, or with `az ad sp update --id {client_id} --set accountEnabled=true`"
            ),
            Self::NoServicePrincipal => format!(
                "{client_id} is registered but has no service principal in tenant {tenant}: make one with `az ad sp create --id {client_id}`, or set AZURE_TENANT_ID to the tenant that has it"
            ),
            Self::WrongCredential => format!(
                "Entra took this for a client secret: does {client_id} have a federated credential?"
            ),
            Self::PublicClient => format!(
                "The application {client_id} is registered as a public client; turn that off (\"Allow public client flows\")"
            ),
            Self::EntraIssued => format!(
                "Entra takes this for a token of its own ({}), and of those a managed identity's alone may be a credential, no application's and no person's: AZURE_FEDERATED_TOKEN_FILE must be the projected token of a Kubernetes service account, issued by the cluster, whose issuer stands as federated credential on {client_id} itself",
                asked.presented()
            ),
            Self::EntraIssuedForOthers => format!(
                "Entra takes this for a token of its own, and one for others than itself (audience {}): AZURE_FEDERATED_TOKEN_FILE must be the projected token of a Kubernetes service account, with the audience api://AzureADTokenExchange",
                asked.audiences()
            ),
            Self::Chained => format!(
                "This token came of a federated credential, and Entra takes no such token for another one: no chain of a Kubernetes token through a managed identity or an application works. Add the cluster's issuer to {client_id} itself with {CREATE}, and exchange the cluster's token for it directly; for another tenant let {client_id} be a multi-tenant application with a service principal there, and set AZURE_TENANT_ID to that tenant. An agent identity alone is had in two steps, by its blueprint"
            ),
            Self::OtherTenant => format!(
                "A token of Entra's own ({}) counts for applications of its own tenant alone, and {client_id} is registered in another. A Kubernetes workload needs none: add the cluster's issuer to {client_id} itself with {CREATE}, let it be multi-tenant with a service principal in the tenant that it is to work in, and set AZURE_TENANT_ID to that one",
                asked.presented()
            ),
            Self::BlueprintAlone => format!(
                "{client_id} is a blueprint of agent identities, which itself has no tokens for {}: ask as one of its agents, with the agent's client id, and with {client_id} as its blueprint",
                asked.resource()
            ),
            Self::UnknownTenant => format!(
                "Check AZURE_TENANT_ID ({tenant}), and that AZURE_AUTHORITY_HOST is of the same cloud"
            ),
            Self::NoAssertion => format!(
                "Entra found no assertion in the request for {client_id}: does something on the way rewrite it? Otherwise report it as a defect of cambist"
            ),
            Self::Malformed => format!(
                "Entra found the request malformed; check AZURE_CLIENT_ID ({client_id}) and AZURE_TENANT_ID ({tenant}), and otherwise report it as a defect of cambist"
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
                    "A Conditional Access or other policy of tenant {tenant} blocks {client_id}{which}; an administrator can admit the address that it comes from, or {client_id} itself"
                )
            }
            Self::FederationBlocked => format!(
                "Tenant {tenant} does not let {client_id} sign in with tokens of issuer {}: federation is switched off there, limited by a policy to other issuers or subjects, or {client_id} is an application of Microsoft's own; an administrator of the tenant can allow the issuer",
                asked.issuer()
            ),
            Self::Loop => "Entra sees the same request too often and stops answering for some minutes; look for other copies of this workload that ask without a cache".to_owned(),
            Self::Regional => "AZURE_AUTHORITY_HOST names a regional endpoint, which takes no federated credential; use the global one".to_owned(),
            Self::WrongCloud => format!(
                "Tenant {tenant} or the resource is in another national cloud; set AZURE_AUTHORITY_HOST to that cloud's"
            ),
            Self::Throttled => "Entra asks for fewer requests; this is tried again after a pause".to_owned(),
            Self::Unavailable => "Entra has trouble of its own; this is tried again".to_owned(),
            Self::Refused => format!(
                "Look the code up at https://login.microsoftonline.com/error; the request was for {} as {client_id} of tenant {tenant}",
                asked.resource()
            ),
        }
    }
}

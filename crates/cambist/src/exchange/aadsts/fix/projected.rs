//! What is wrong with a projected token, or with whoever showed it.

use cambist_core::admission::Assertion;
use cambist_core::foreign::{Foreign, ForeignList};

use super::{SPREADS, Trouble, Words};
use crate::exchange::asked::Asked;

/// The sentence, if it is the token or who shows it.
pub(super) fn fix(trouble: Trouble, asked: &Asked<'_>, assertion: &Assertion) -> Option<String> {
    let (tenant, client_id) = (asked.tenant, asked.principal.client_id());
    let Words { who, client, its_tenant, file, list, create, .. } = Words::of(asked);
    let (shown, blueprint) = (Shown(assertion), asked.principal.agent().is_some());
    Some(match trouble {
            Trouble::NoMatchingCredential => format!(
                "Compare, byte for byte, {} with the federated credentials of {who}, which {list} shows (a trailing slash and upper case count); {SPREADS}",
                shown.presented()
            ),
            Trouble::NoIssuer => format!(
                "No federated credential of {who} has the token's issuer {}: compare it, byte for byte, with those that {list} shows (a trailing slash and upper case count), and add it with {create} if it is not there; {SPREADS}{}",
                shown.issuer(),
                if blueprint { "; a blueprint of several tenants is to be asked in the agent's" } else { "" }
            ),
            Trouble::NoAudience => format!(
                "No federated credential of {who} has the token's audience {}: it must be the one that the credential names, which is api://AzureADTokenExchange in the public cloud; set `audience` of the projected volume to it, or the credential's audience to the token's; {SPREADS}",
                shown.audiences()
            ),
            Trouble::NoSubject => format!(
                "No federated credential of {who} with issuer {} has the token's subject {}: compare it, byte for byte, with those that {list} shows, and add one with {create} if this service account is to have {who}; one that is equal already is stale: delete it and make it again; {SPREADS}",
                shown.issuer(),
                shown.subject()
            ),
            Trouble::SubjectCase => format!(
                "A federated credential of {who} differs from the token's subject {} in upper and lower case alone, which count: correct the credential, and if it is equal already delete it and make it again",
                shown.subject()
            ),
            Trouble::AudienceForm => format!(
                "The audience of a federated credential of {who} is written as a GUID: it must be the URI that the token has, {}, as {create} takes it",
                shown.audiences()
            ),
            Trouble::NoCredential => format!(
                "{who} has no federated credential at all: add one for {} with {create}, or set {client} to the application that has it; {SPREADS}",
                shown.presented()
            ),
            Trouble::StaleAssertion => {
                let claims = shown.0.claims();
                format!(
                    "The token is valid from {} to {}: is the kubelet renewing the file, and is this node's clock right?",
                    claims.not_before.unwrap_or(claims.issued_at),
                    claims.expires_at
                )
            }
            Trouble::UnknownSignature => format!(
                "The token names key {} of issuer {}, which Entra does not know: check that the issuer publishes that key on the internet; after a rotation Entra needs 20 to 45 minutes or more to see it, and is asked again once a minute",
                shown.key(),
                shown.issuer()
            ),
            Trouble::WrongSignature => format!(
                "Entra knows key {} of issuer {}, but that key did not make this signature: was the token altered on its way, or has the issuer another key under the same name now?",
                shown.key(),
                shown.issuer()
            ),
            Trouble::BadAssertion => format!(
                "Entra does not accept the token itself ({}): is this file a projected service-account token, signed with RS256?",
                shown.presented()
            ),
            Trouble::BadHeader => "Entra takes only tokens whose header says \"typ\": \"JWT\", or no typ, and nothing that it does not know: is this file a projected service-account token, as the API server signs them?".to_owned(),
            Trouble::NoKeyId => "The token's header does not name the key that signed it (kid), and Entra does not try them all: is this file a projected service-account token, as the API server signs them?".to_owned(),
            Trouble::BadAlgorithm => format!(
                "Entra takes signatures by an RSA key alone (RS256), and key {} of issuer {} made another: give the API server an RSA key to sign with, and publish that",
                shown.key(),
                shown.issuer()
            ),
            Trouble::LivesTooLong => {
                let claims = shown.0.claims();
                format!(
                    "Entra takes no token that is valid for over 25 h, and this one is, from {} to {}: set expirationSeconds of the projected volume to 86400 or less, and see that {file} is that volume's",
                    claims.issued_at, claims.expires_at
                )
            }
            Trouble::OtherApp => format!(
                "Entra takes this for a token that an application signed itself, and for another one than {who}: compare {client} with it; {file} must be a projected token, not a certificate's"
            ),
            Trouble::IssuerUnreachable => format!(
                "Entra must fetch the issuer's keys from the internet: check that {} serves a valid /.well-known/openid-configuration and the key set that it names, publicly, over https with a public certificate, past any firewall of the storage behind it; if it does, this passes by itself",
                shown.issuer()
            ),
            Trouble::UnknownApp if blueprint => format!(
                "Compare {client} ({client_id}) and {its_tenant} ({tenant}) with the agent identity blueprint: the application (client) id, not the object id, and the tenant that the agent is in, where the blueprint must have a principal; a new one takes some minutes to spread"
            ),
            Trouble::UnknownApp => format!(
                "Compare {client} ({client_id}) and {its_tenant} ({tenant}) with the application or managed identity: the client id, not the object or resource id; it may be in another tenant, or disabled, and a new one takes some minutes to spread"
            ),
            Trouble::AppDisabled => format!(
                "{who} is disabled in tenant {tenant}: enable it under Enterprise applications, or with `az ad sp update --id {client_id} --set accountEnabled=true`"
            ),
            Trouble::NoServicePrincipal if blueprint => format!(
                "{who} has no principal in tenant {tenant}: make its agentIdentityBlueprintPrincipal there with Microsoft Graph (it is not made by itself), or set {its_tenant} to the one that the agent is in"
            ),
            Trouble::NoServicePrincipal => format!(
                "{who} is registered but has no service principal in tenant {tenant}: make one with `az ad sp create --id {client_id}`, or set {its_tenant} to the tenant that has it"
            ),
            Trouble::WrongCredential => format!(
                "Entra took this for a client secret: does {who} have a federated credential?"
            ),
            Trouble::PublicClient => format!(
                "The application {who} is registered as a public client; turn that off (\"Allow public client flows\")"
            ),
            Trouble::EntraIssued => format!(
                "Entra takes this for a token of its own ({}), and of those a managed identity's alone may be a credential, no application's and no person's: {file} must be the projected token of a Kubernetes service account, issued by the cluster, whose issuer stands as federated credential on {who} itself",
                shown.presented()
            ),
            Trouble::EntraIssuedForOthers => format!(
                "Entra takes this for a token of its own, and one for others than itself (audience {}): {file} must be the projected token of a Kubernetes service account, with the audience api://AzureADTokenExchange",
                shown.audiences()
            ),
            Trouble::Chained => format!(
                "This token came of a federated credential, and Entra takes no such token for another one: no chain of a Kubernetes token through a managed identity or an application works. Add the cluster's issuer to {who} itself with {create}, and exchange the cluster's token for it directly; for another tenant let {client_id} be a multi-tenant application with a service principal there, and set {its_tenant} to that tenant. An agent identity alone is had in two steps, by its blueprint"
            ),
            Trouble::OtherTenant => format!(
                "A token of Entra's own ({}) counts for applications of its own tenant alone, and {who} is registered in another. A Kubernetes workload needs none: add the cluster's issuer to {client_id} itself with {create}, let it be multi-tenant with a service principal in the tenant that it is to work in, and set {its_tenant} to that one",
                shown.presented()
            ),
            Trouble::FederationBlocked => format!(
                "Tenant {tenant} does not let {who} sign in with tokens of issuer {}: federation is switched off there, limited by a policy to other issuers or subjects, or {who} is an application of Microsoft's own; an administrator of the tenant can allow the issuer",
                shown.issuer()
            ),
            _ => return None,
        })
}

/// What the token says of itself.
struct Shown<'a>(&'a Assertion);

impl Shown<'_> {
    fn issuer(&self) -> Foreign {
        Foreign::new(&self.0.claims().issuer)
    }

    /// The name of the key that signed, quoted.
    fn key(&self) -> String {
        self.0.kid().map_or_else(|| "(none)".to_owned(), ToString::to_string)
    }

    fn subject(&self) -> Foreign {
        Foreign::new(&self.0.claims().subject)
    }

    fn audiences(&self) -> ForeignList {
        ForeignList::of(&self.0.claims().audiences)
    }

    /// Issuer, subject and audience, each quoted.
    fn presented(&self) -> String {
        let (issuer, subject, audiences) = (self.issuer(), self.subject(), self.audiences());
        format!("issuer {issuer}, subject {subject}, audience {audiences}")
    }
}

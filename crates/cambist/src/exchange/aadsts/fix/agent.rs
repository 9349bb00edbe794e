//! What is wrong with what a blueprint gave, or with the agent identity that shows it.

use super::Trouble;
use crate::credential::AgentAssertion;
use crate::exchange::asked::Asked;

/// The sentence, if it is one of the two. An agent identity has no credentials of its own, so there are none
/// to be compared: it is known by the blueprint that it was made of
/// (<https://learn.microsoft.com/graph/api/resources/agentidentity>).
pub(super) fn fix(
    trouble: Trouble,
    asked: &Asked<'_>,
    assertion: &AgentAssertion,
) -> Option<String> {
    let (tenant, agent) = (asked.tenant, asked.principal.client_id());
    let (blueprint, token) = (assertion.blueprint().client_id(), assertion.token());
    Some(match trouble {
        Trouble::StaleAssertion => format!(
            "What blueprint {blueprint} gave for agent {agent} is valid from {} to {}, by this node's clock: is that right?",
            token.not_before(),
            token.expires_on()
        ),
        Trouble::UnknownApp | Trouble::NoServicePrincipal => format!(
            "Compare the agent's client id ({agent}) and tenant ({tenant}) with the agent identity: its own id, not its blueprint's or its agent user's; a new one takes some minutes to spread"
        ),
        Trouble::AppDisabled => format!(
            "Agent {agent} is disabled in tenant {tenant}: enable the agent identity, or its blueprint {blueprint} if that is disabled"
        ),
        Trouble::FederationBlocked => format!(
            "Tenant {tenant} does not let agent {agent} sign in with what its blueprint {blueprint} gave: a policy there is in the way, which an administrator of the tenant can change"
        ),
        Trouble::NoMatchingCredential
        | Trouble::NoIssuer
        | Trouble::NoAudience
        | Trouble::NoSubject
        | Trouble::SubjectCase
        | Trouble::AudienceForm
        | Trouble::NoCredential
        | Trouble::UnknownSignature
        | Trouble::WrongSignature
        | Trouble::BadAssertion
        | Trouble::BadHeader
        | Trouble::NoKeyId
        | Trouble::BadAlgorithm
        | Trouble::LivesTooLong
        | Trouble::OtherApp
        | Trouble::IssuerUnreachable
        | Trouble::WrongCredential
        | Trouble::PublicClient
        | Trouble::EntraIssued
        | Trouble::EntraIssuedForOthers
        | Trouble::Chained
        | Trouble::OtherTenant => format!(
            "Entra does not take what blueprint {blueprint} gave for agent {agent}: {agent} must be an agent identity in tenant {tenant}, and {blueprint} the blueprint that it was made of, which Microsoft Graph shows as its agentIdentityBlueprintId; an application of another kind is no agent, and needs the cluster's issuer on itself"
        ),
        _ => return None,
    })
}

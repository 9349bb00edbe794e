//! Tokens of Entra's own as assertions: a managed identity's as the credential of an application, and
//! the first of an agent's two. Nowhere is it told in one place which of them count; each rule here is
//! one that somebody met by its code. Where several are broken at once, the order is ours.

use super::assertion::Assertion;
use super::directory::{Client, Directory};
use super::identity::Kind;
use super::refusal::Refusal;
use super::resources;

/// The resource of tokens that are to be assertions, in the public cloud.
pub(super) const EXCHANGE: &str = "api://AzureADTokenExchange";
/// What such tokens have for an audience.
pub(super) const EXCHANGE_ID: &str = "fb60f99c-7a34-4190-8149-302f77469936";

/// Whether tokens for this resource are to be assertions.
pub(super) fn is_exchange(resource: &str) -> bool {
    resources::name(resource) == resources::name(EXCHANGE)
}

/// The `iss` of a tenant's tokens of version 1.0.
pub(super) fn v1_issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// That of its tokens of version 2.0, and the only one that a federated credential may name.
pub(super) fn v2_issuer(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

/// The tenant of an issuer that is Entra itself.
pub(super) fn tenant_of(issuer: &str) -> Option<&str> {
    let between = |before, after| issuer.strip_prefix(before)?.strip_suffix(after);
    between("https://sts.windows.net/", "/")
        .or_else(|| between("https://login.microsoftonline.com/", "/v2.0"))
}

/// Whether this client may have such a token at all: blueprints of agents may have few.
pub(super) fn check_wish(
    client: &Client,
    resource: &str,
    fmi_path: Option<&str>,
) -> Result<(), Refusal> {
    let blueprint = client.kind == Kind::AgentBlueprint;
    if blueprint && is_exchange(resource) && fmi_path.is_none_or(str::is_empty) {
        return Err(Refusal::plain(82_008));
    }
    // It makes its agents by Graph.
    let graph = resources::name(resource) == "https://graph.microsoft.com";
    if blueprint && !is_exchange(resource) && !graph {
        let text = format!(
            "Agentic application '{}' is not permitted to request app-only tokens for resource \
             '{resource}'.",
            client.client_id
        );
        return Err(Refusal::new(82_001, text));
    }
    // Which code it is of others is not known.
    if fmi_path.is_some_and(str::is_empty) { Err(Refusal::plain(9_002_313)) } else { Ok(()) }
}

/// Whether a token of Entra's own, which a federated credential of `client` fits, may be its assertion.
pub(super) fn check(
    assertion: &Assertion,
    client: &Client,
    directory: &Directory,
) -> Result<(), Refusal> {
    // Its one credential fits nothing but its blueprint's token for it. That came of a federated
    // credential, as others may not.
    if matches!(client.kind, Kind::AgentIdentity { .. }) {
        return Ok(());
    }
    if assertion.claim("scp").is_some() {
        return Err(Refusal::plain(700_229));
    }
    if assertion.claim("xms_ficinfo").is_some() {
        return Err(Refusal::plain(700_231));
    }
    if tenant_of(assertion.issuer()) != Some(&client.home) {
        let text = format!(
            "Entra ID tokens issued by issuer '{}' may not be used for federated identity credential \
             flows for applications or managed identities registered in this tenant.",
            assertion.issuer()
        );
        return Err(Refusal::new(700_236, text));
    }
    // Managed identities trust no token of Entra's own; documented, and not met with its code.
    if matches!(client.kind, Kind::ManagedIdentity { .. }) {
        return Err(Refusal::plain(700_222));
    }
    let of = assertion.claim("azp").or(assertion.claim("appid")).unwrap_or_default();
    if !matches!(directory.kind(of), Some(Kind::ManagedIdentity { .. })) {
        return Err(Refusal::plain(700_226));
    }
    Ok(())
}

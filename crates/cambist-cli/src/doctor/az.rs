//! The lines that make a federated credential.

use cambist_core::subject::ServiceAccount;
use serde_json::json;

use super::facts::{Token, Workload};
use crate::output::shell::quoted;

/// For a managed identity, and for an application: with what the token says. `None` if its subject is no
/// service account, for which no credential is to be made.
pub(super) fn create(workload: &Workload, token: &Token) -> Option<[String; 2]> {
    let claims = &token.claims;
    let account: ServiceAccount = claims.subject.parse().ok()?;
    let audience = claims.audiences.first()?;
    let name = format!("{}-{}", account.namespace(), account.name()).replace('.', "-");
    let name: String = name.chars().take(120).collect();
    let (group, identity) = named(workload.resource_id.as_deref());
    let identity = format!(
        "az identity federated-credential create --name {name} --identity-name {identity} --resource-group {group} \
         --issuer {} --subject {} --audiences {}",
        quoted(&claims.issuer),
        quoted(&claims.subject),
        quoted(audience)
    );
    let parameters = json!({
        "name": name, "issuer": claims.issuer, "subject": claims.subject, "audiences": [audience],
    });
    let client_id = workload.client_id.as_deref().unwrap_or("CLIENT_ID");
    let application = format!(
        "az ad app federated-credential create --id {} --parameters {}",
        quoted(client_id),
        quoted(&parameters.to_string())
    );
    Some([identity, application])
}

/// Resource group and name, where the Azure resource id tells them.
fn named(resource_id: Option<&str>) -> (String, String) {
    let parts: Vec<_> = resource_id.unwrap_or_default().split('/').collect();
    let after = |name: &str| {
        let at = parts.iter().position(|part| part.eq_ignore_ascii_case(name))?;
        parts.get(at + 1).filter(|part| !part.is_empty()).map(|part| quoted(part))
    };
    (
        after("resourceGroups").unwrap_or_else(|| "RESOURCE_GROUP".to_owned()),
        after("userAssignedIdentities").unwrap_or_else(|| "IDENTITY_NAME".to_owned()),
    )
}

/// What the reader has to fill in, and how it is found out.
pub(super) fn lookup(workload: &Workload) -> String {
    if named(workload.resource_id.as_deref()).1 != "IDENTITY_NAME" {
        return String::new();
    }
    let client_id = workload.client_id.as_deref().unwrap_or("CLIENT_ID");
    format!(
        " (IDENTITY_NAME and RESOURCE_GROUP are told by `az identity list --query \"[?clientId=='{client_id}'].[name,resourceGroup]\" -o tsv`)"
    )
}

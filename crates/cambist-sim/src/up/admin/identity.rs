//! Identities and tenants besides those that the world began with.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use cambist_core::foreign::Foreign;
use cambist_core::names::is_guid;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Refused, parse};
use crate::entra::{Identity, Kind};
use crate::random;
use crate::up::Trust;
use crate::world::Sim;

/// What is left out is as the world's first identity has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    tenant: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    kind: Word,
    resource_id: Option<String>,
    blueprint: Option<String>,
    #[serde(default)]
    provisioned_in: Vec<String>,
    /// Each as `--federated-credential` takes it.
    federated_credentials: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    #[default]
    Application,
    ManagedIdentity,
    AgentBlueprint,
    AgentIdentity,
}

pub(super) async fn identity(
    State(admin): State<Admin>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let wanted: Wanted = parse(&body)?;
    let sim = &admin.sim;
    let (identity, tenants) = wanted.grant(sim).map_err(Refused::asked_wrongly)?;
    let client_id = identity.client_id().to_owned();
    sim.entra().add(identity);
    let tenants: BTreeMap<_, _> = tenants
        .into_iter()
        .map(|tenant| {
            let object_id = sim.entra().object_id_in(&tenant, &client_id);
            let token_url = sim.token_url_of(&tenant);
            (tenant, json!({ "object_id": object_id, "token_url": token_url }))
        })
        .collect();
    Ok(Json(json!({ "client_id": client_id, "tenants": tenants })))
}

impl Wanted {
    /// The identity and its tenants, or a sentence about what the wish lacks.
    fn grant(self, sim: &Sim) -> Result<(Identity, Vec<String>), String> {
        let kind = match (self.kind, self.resource_id, self.blueprint) {
            (Word::Application, None, None) => Kind::Application,
            (Word::ManagedIdentity, Some(resource_id), None) => {
                Kind::ManagedIdentity { resource_id }
            }
            (Word::AgentBlueprint, None, None) => Kind::AgentBlueprint,
            (Word::AgentIdentity, None, Some(blueprint)) => Kind::AgentIdentity { blueprint },
            _ => {
                return Err("a managed-identity, and it alone, has a 'resource_id', and an \
                            agent-identity, and it alone, a 'blueprint'"
                    .to_owned());
            }
        };
        let agent = matches!(kind, Kind::AgentIdentity { .. });
        if let Kind::AgentIdentity { blueprint } = &kind
            && !sim.entra().is_blueprint(blueprint)
        {
            return Err(format!(
                "{} is no agent-blueprint that is known here: register that first",
                Foreign::new(&**blueprint)
            ));
        }
        let trusts = match self.federated_credentials {
            Some(parts) if agent && !parts.is_empty() => {
                return Err(
                    "an agent-identity has no federated credential: its blueprint has them"
                        .to_owned(),
                );
            }
            Some(parts) => parts.iter().map(|it| it.parse()).collect::<Result<_, _>>()?,
            None if agent => Vec::new(),
            None => vec![Trust::default()],
        };
        let home = self.tenant.unwrap_or_else(|| sim.entra().tenant().to_owned());
        let client_id = self.client_id.unwrap_or_else(random::uuid);
        let mut tenants = vec![home.clone()];
        tenants.extend(self.provisioned_in.iter().cloned());
        for id in tenants.iter().chain([&client_id]) {
            if !is_guid(id) {
                return Err("'tenant', 'client_id' and those of 'provisioned_in' are UUIDs".into());
            }
        }
        let mut identity = Identity::new(&home, &client_id, kind);
        for tenant in &self.provisioned_in {
            identity = identity.provisioned_in(tenant);
        }
        for trust in trusts {
            identity = identity.trusting(trust.or(sim.federated_credential()));
        }
        Ok((identity, tenants))
    }
}

//! Several identities under one policy, as apps meet it.

mod kinds;
mod reloads;
mod table;

use std::path::{Path, PathBuf};

use cambist_sim::entra::Identity;
use kit::{Reply, Request, Sidecar, World};
use serde_json::{Map, Value, json};

use crate::{SIDECAR, program};

/// A sidecar under a policy in a file, open to every protocol.
async fn under(world: &World, policy: &Value) -> Sidecar {
    let file = world.dir().join("identities.json");
    write(&file, policy);
    let program = program(world)
        .set("CAMBIST_CONFIG", file.display().to_string())
        .set("CAMBIST_PROTOCOLS", "app-service,native,imds");
    Sidecar::of(SIDECAR, world, program).await
}

fn write(file: &Path, policy: &Value) {
    std::fs::write(file, policy.to_string()).unwrap();
}

/// A file with a secret, which is to be seen nowhere else.
fn secret(world: &World, name: &str) -> PathBuf {
    let file = world.dir().join(name);
    let text = of(name);
    world.secrets().add(&text);
    std::fs::write(&file, text).unwrap();
    file
}

/// What the secret is that is called so.
fn of(name: &str) -> String {
    format!("the-secret-that-is-called-{name}")
}

/// A managed identity of the world's first tenant, which trusts its cluster.
fn managed(world: &World, client_id: &str, resource_id: &str) {
    let sim = world.running().sim();
    let identity = Identity::managed_identity(sim.entra().tenant(), client_id, resource_id);
    sim.entra().add(identity.trusting(sim.federated_credential()));
}

fn object_id(world: &World, tenant: &str, client_id: &str) -> String {
    world.running().sim().entra().object_id_in(tenant, client_id).unwrap()
}

/// What an app asks that knows this secret.
fn asking(sidecar: &Sidecar, secret: &str, resource: &str, selector: &str) -> Request {
    let path = "/msi/token?api-version=2019-08-01";
    let request = sidecar.request(format!("{path}&resource={resource}{selector}"));
    request.header("X-IDENTITY-HEADER", secret)
}

/// What a token says of itself to the resource that it is shown to.
fn claims(world: &World, reply: &Reply) -> Map<String, Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let token = reply.member("access_token");
    world.running().sim().entra().granted(&token).expect("Entra granted it")
}

/// A right, as the file has it.
fn may(identity: &str, resources: &[&str]) -> Value {
    json!({ "identity": identity, "resources": resources })
}

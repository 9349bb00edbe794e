//! Cases of a sidecar with several identities: whose token comes, and what the developer reads who names none of them.

use std::time::Duration;

use cambist_core::policy::SelectorKind;
use cambist_sim::entra::Identity;
use kit::World;
use serde_json::json;

use crate::cases::{Cell, Lane, at_most, spent};
use crate::client::{Answer, Ask};
use crate::refusals::{assert_told, lasting};
use crate::sdk::Tells;
use crate::stage::Stage;

/// A tenant besides the world's own.
const PARTNER: &str = "7e57ab1e-0000-4000-8000-00000000000b";

/// The client ids of the three, with their names.
const THREE: [(&str, &str); 3] = [
    ("orders", "c11e0001-0000-4000-8000-0000000000a1"),
    ("billing", "c11e0001-0000-4000-8000-0000000000a2"),
    ("partner", "c11e0001-0000-4000-8000-0000000000a3"),
];

/// As a refusal tells them.
const NAMES: &str = "orders, billing, partner";

/// The word for a kind of name where a client is asked.
const fn word(by: SelectorKind) -> &'static str {
    match by {
        SelectorKind::Client => "client_id",
        SelectorKind::Object => "object_id",
        SelectorKind::Resource => "resource_id",
    }
}

/// Somebody whose token may be had, under all names.
#[derive(Debug)]
struct Named {
    tenant: String,
    client_id: String,
    object_id: String,
    resource_id: String,
}

impl Named {
    fn by(&self, by: SelectorKind) -> (&'static str, &str) {
        let name = match by {
            SelectorKind::Client => &self.client_id,
            SelectorKind::Object => &self.object_id,
            SelectorKind::Resource => &self.resource_id,
        };
        (word(by), name)
    }

    /// Whoever has this client id in Entra.
    fn known(world: &World, tenant: &str, client_id: &str, name: &str) -> Self {
        let object_id = world.running().sim().entra().object_id(client_id);
        Self {
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
            object_id: object_id.expect("it is registered"),
            resource_id: resource_id(name),
        }
    }

    /// Holds a token to be this one's.
    fn assert_owns(&self, stage: &Stage, answer: &Answer) {
        let claims = stage.world.running().sim().entra().granted(answer.token());
        let claims = claims.unwrap_or_else(|| panic!("Entra did not grant this token: {answer:?}"));
        let claim = |name: &str| claims.get(name).and_then(|value| value.as_str());
        let found = [claim("tid"), claim("appid").or(claim("azp")), claim("oid")];
        let expected = [&self.tenant, &self.client_id, &self.object_id];
        assert_eq!(found, expected.map(|name| Some(&**name)), "tenant, client and object");
    }
}

fn resource_id(name: &str) -> String {
    format!(
        "/subscriptions/50b5c121-0000-4000-8000-000000000001/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

/// A sidecar that has three identities for its one caller, which are these.
async fn several(lane: &Lane) -> (Stage, [Named; 3]) {
    let world = World::start().await;
    let sim = world.running().sim();
    let three = THREE.map(|(name, client_id)| {
        let tenant = if name == "partner" { PARTNER } else { sim.entra().tenant() };
        let identity = Identity::managed_identity(tenant, client_id, &resource_id(name));
        sim.entra().add(identity.trusting(sim.federated_credential()));
        Named::known(&world, tenant, client_id, name)
    });
    let identities = THREE.iter().zip(&three).map(|((name, _), it)| {
        json!({
            "name": name, "tenant": it.tenant, "client_id": it.client_id, "object_id": it.object_id,
            "resource_id": it.resource_id,
        })
    });
    let may = THREE.map(|(name, _)| json!({ "identity": name, "resources": ["*"] }));
    let caller = match lane.protocol.secret() {
        Some(_) => json!({ "name": "app", "secret_variable": "IDENTITY_HEADER", "may": may }),
        None => json!({ "name": "app", "anonymous": true, "may": may }),
    };
    let file = json!({
        "version": 1, "mode": "enforce", "identities": identities.collect::<Vec<_>>(), "callers": [caller],
    });
    let path = world.dir().join("identities.yaml");
    std::fs::write(&path, file.to_string()).expect("a file can be written");
    let process = kit::sidecar::program(&lane.setting.sidecar, &world)
        .set("CAMBIST_CONFIG", path.display().to_string());
    (Stage::of(&lane.setting, lane.protocol, world, process).await, three)
}

/// Each of the three, named in this way by one process; and then a fourth that is not in the file, though Entra would
/// have given the pod its token.
pub(crate) async fn each(lane: &Lane, by: SelectorKind) -> Cell {
    let (stage, three) = several(lane).await;
    let mut client = stage.client(&lane.program, &format!("each-by-{}", word(by))).await;
    let ask = |identity| Ask { identity: Some(identity), ..lane.ask() };
    let mut took = Duration::ZERO;
    for identity in &three {
        let (answer, each) = client.token(ask(identity.by(by))).await;
        if lane.sdk.declines(lane.protocol, word(by)) {
            assert!(!matches!(answer, Answer::Token { .. }), "it offers this after all");
            assert_eq!(stage.attempts().await, 0, "requests by an SDK that declines by itself");
            return Cell::not_offered();
        }
        identity.assert_owns(&stage, &answer);
        took += each;
    }
    let attempts = stage.attempts().await;
    let expected = 3 * (1 + lane.sdk.sign_in);
    assert_eq!(attempts, expected, "requests");

    let client_id = &stage.world.env()["AZURE_CLIENT_ID"];
    let tenant = stage.world.running().sim().entra().tenant();
    let fourth = Named::known(&stage.world, tenant, client_id, "checkout");
    let (answer, _) = client.token(ask(fourth.by(by))).await;
    let named = format!("names the {by} ");
    let words = [&*named, "identity_not_found", NAMES];
    assert_told(lane.sdk.tells != Tells::Nothing, &stage, answer.error(), &words).await;
    assert_eq!(stage.attempts().await - attempts, 1, "attempts at what cannot work: {answer:?}");
    assert_eq!(stage.world.counts().await.entra, expected, "exchanges");
    spent(attempts, took)
}

/// Each of the three, by the variable in which a `DefaultAzureCredential` looks for a client id.
pub(crate) async fn by_variable(lane: &Lane) -> Cell {
    if !lane.sdk.default_credential {
        return Cell::not_offered();
    }
    let (mut stage, three) = several(lane).await;
    let mut took = Duration::ZERO;
    for identity in &three {
        stage = stage.set_env("AZURE_CLIENT_ID", &*identity.client_id);
        let mut client = stage.client(&lane.program, "by-variable").await;
        let (answer, each) = client.token(Ask { credential: "default", ..lane.ask() }).await;
        identity.assert_owns(&stage, &answer);
        took += each;
    }
    // Some SDKs first look whether anybody is there.
    let attempts = stage.attempts().await;
    at_most(attempts, 2 * 3, "requests");
    spent(attempts, took)
}

/// The app names none of them, and which one it means is not guessed.
pub(crate) async fn unnamed(lane: &Lane) -> Cell {
    let (stage, _) = several(lane).await;
    let words = ["identity_ambiguous", NAMES];
    lasting(lane, stage, lane.ask(), &words).await.0
}

//! Other tenants, agents, and what Entra refuses.

use cambist_sim::entra::Identity;
use kit::World;
use kit::sidecar::VAULT;
use serde_json::json;

use super::{asking, claims, may, object_id, of, secret, under};

const HOME: &str = "7e57ab1e-0000-4000-8000-00000000000a";
const FIRST: &str = "7e57ab1e-0000-4000-8000-00000000000b";
const SECOND: &str = "7e57ab1e-0000-4000-8000-00000000000c";
const APP: &str = "c11e0001-0000-4000-8000-0000000000a1";
const BLUEPRINT: &str = "c11e0001-0000-4000-8000-0000000000c1";
const AGENT: &str = "c11e0001-0000-4000-8000-0000000000d1";

/// An application of two customers' tenants, each of which another caller works in.
#[tokio::test]
async fn callers_work_in_other_tenants_by_one_application() {
    let world = World::start().await;
    let sim = world.running().sim();
    let app = Identity::application(HOME, APP).provisioned_in(FIRST).provisioned_in(SECOND);
    sim.entra().add(app.trusting(sim.federated_credential()));
    let identity =
        |name: &str, tenant: &str| json!({ "name": name, "tenant": tenant, "client_id": APP });
    let caller = |name: &str, rights: &[_]| json!({ "name": name, "secret_files": [secret(&world, name)], "may": rights });
    let policy = json!({
        "version": 1,
        "identities": [identity("first", FIRST), identity("second", SECOND)],
        "callers": [
            caller("one", &[may("first", &[VAULT])]),
            caller("two", &[may("second", &[VAULT])]),
            caller("both", &[may("first", &[VAULT]), may("second", &[VAULT])]),
        ],
    });
    let sidecar = under(&world, &policy).await;
    let by_client_id = format!("&client_id={APP}");
    for (caller, tenant) in [("one", FIRST), ("two", SECOND), ("one", FIRST)] {
        for selector in ["", &by_client_id] {
            let reply = sidecar.send(&asking(&sidecar, &of(caller), VAULT, selector)).await;
            let claims = claims(&world, &reply);
            assert_eq!((&claims["tid"], &claims["appid"]), (&json!(tenant), &json!(APP)));
            assert_eq!(claims["oid"], object_id(&world, tenant, APP), "{caller}");
            assert_eq!(reply.member("client_id"), APP);
        }
    }
    // Its name says which application, and not in which tenant.
    let reply = sidecar.send(&asking(&sidecar, &of("both"), VAULT, &by_client_id)).await;
    assert_eq!((reply.status, reply.reason()), (403, "identity_ambiguous"));
    assert!(reply.member("message").contains("first, second"), "{reply:?}");
    assert_eq!(world.counts().await.entra, 2, "one for each tenant");
    assert_eq!(world.counts().await.jwks, 1, "and one key set for both");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_agent_identity_has_its_tokens_by_its_blueprint() {
    let world = World::start().await;
    let sim = world.running().sim();
    let blueprint = Identity::agent_blueprint(HOME, BLUEPRINT).provisioned_in(FIRST);
    sim.entra().add(blueprint.trusting(sim.federated_credential()));
    sim.entra().add(Identity::agent(FIRST, AGENT, BLUEPRINT));
    let policy = json!({
        "version": 1,
        "identities": [{
            "name": "agent", "kind": "agent", "blueprint": BLUEPRINT, "client_id": AGENT, "tenant": FIRST,
        }],
        "callers": [
            { "name": "app", "secret_files": [secret(&world, "app")], "may": [may("agent", &["*"])] },
        ],
    });
    let sidecar = under(&world, &policy).await;
    for resource in [VAULT, "https://graph.microsoft.com", VAULT] {
        let reply = sidecar.send(&asking(&sidecar, &of("app"), resource, "")).await;
        let claims = claims(&world, &reply);
        assert_eq!((&claims["tid"], &claims["appid"]), (&json!(FIRST), &json!(AGENT)));
        assert_eq!(claims["xms_par_app_azp"], BLUEPRINT);
        assert_eq!(
            (&claims["aud"], reply.member("client_id")),
            (&json!(resource), AGENT.to_owned())
        );
    }
    // The first of the two exchanges is shared.
    assert_eq!(world.counts().await.entra, 3);
    // The blueprint's own tokens are nobody's: it is not in the policy.
    let selector = format!("&client_id={BLUEPRINT}");
    let reply = sidecar.send(&asking(&sidecar, &of("app"), VAULT, &selector)).await;
    assert_eq!((reply.status, reply.reason()), (403, "identity_not_found"));

    // Who it was that failed is told, and of which of the two exchanges.
    world.fault(json!({ "target": "entra", "kind": "aadsts", "code": 700213 })).await;
    let other = "https://storage.azure.com";
    let reply = sidecar.send(&asking(&sidecar, &of("app"), other, "")).await;
    let message = reply.member("message");
    assert!(message.contains("AADSTS700213") && message.contains(AGENT), "{message}");
    // The blueprint's refusal is one, although it is told again of the token that is missing for it.
    let refused = sidecar.metric("cambist_entra_errors_total{code=\"AADSTS700213\"}").await;
    assert_eq!(refused, 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn that_no_token_of_entras_own_is_exchanged_again_is_told_with_what_works() {
    let world = World::start().await;
    let sim = world.running().sim();
    sim.entra().add(Identity::application(HOME, APP).trusting(sim.federated_credential()));
    let policy = json!({
        "version": 1,
        "identities": [{ "name": "chained", "tenant": HOME, "client_id": APP }],
        "callers": [
            { "name": "app", "secret_files": [secret(&world, "app")], "may": [may("chained", &["*"])] },
        ],
    });
    let sidecar = under(&world, &policy).await;
    world.fault(json!({ "target": "entra", "kind": "aadsts", "code": 700231 })).await;
    let reply = sidecar.send(&asking(&sidecar, &of("app"), VAULT, "")).await;
    assert_eq!((reply.status, reply.reason()), (403, "entra_issued_assertion"));
    let message = reply.member("message");
    for words in [
        "AADSTS700231",
        APP,
        "no chain of a Kubernetes token through a managed identity or an application works",
        "Add the cluster's issuer to",
        "multi-tenant application",
    ] {
        assert!(message.contains(words), "{words:?} is not in {message}");
    }
    sidecar.stop().await;
}

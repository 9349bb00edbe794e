//! From the projected token to Entra.

use cambist_sim::fault::{Fault as Failure, Injection, Reach, Target};
use http::StatusCode;
use kit::World;
use serde_json::Value;

use super::scene::Scene;
use super::{Fault, Mend, healthy};

mod entra;
mod issuer;
mod policy;
mod token;
mod variables;
mod way;

const OTHER: &str = "0dd0dd00-0000-4000-8000-00000000000d";

/// The server itself fails so, for the pod and for Entra.
fn fail(scene: &Scene, target: Target, fault: Failure) {
    scene.sim().faults().add(Injection { target, fault, count: None, reach: Reach::All });
}

fn body(text: &Value) -> Failure {
    Failure::Body {
        status: StatusCode::OK,
        content_type: "application/json".to_owned(),
        body: text.to_string(),
    }
}

/// Everything is answered again.
const CLEARED: Mend = Mend::By(|scene, _| scene.sim().faults().clear());
/// The kubelet writes a good token.
const RENEWED: Mend = Mend::By(|scene, _| scene.renew());

/// Set up otherwise than by default, and well.
#[tokio::test]
async fn other_ways_to_be_well() {
    let world = World::with(|options| {
        options.managed_identity = Some("/subscriptions/s/resourceGroups/g".to_owned());
    });
    let mut scene = Scene::of(world.await);
    healthy(&scene, "as a managed identity").await;
    scene.set("CAMBIST_KEY_AGE", "enforce");
    scene.set("CAMBIST_KEYS", "public,api");
    scene.set("CAMBIST_ROTATE_AFTER", "30d");
    healthy(&scene, "where the keys' age is enforced").await;
    scene.unset("CAMBIST_ISSUER");
    scene.set("CAMBIST_KEY_AGE", "off");
    scene.set("CAMBIST_HISTORY", scene.file("history.json").display().to_string());
    healthy(&scene, "with the token's own word for its issuer").await;
    scene.set("CAMBIST_PORT_8422_TCP_ADDR", "10.0.0.1");
    scene.set("NO_PROXY", "127.0.0.1");
    scene.set("HTTPS_PROXY", "http://127.0.0.1:1");
    healthy(&scene, "beside a proxy that is not for these hosts").await;
}

/// All that is tried of a workload.
pub(super) const TABLES: [&[Fault]; 7] = [
    variables::VARIABLES,
    token::TOKEN,
    issuer::ISSUER,
    entra::CLOCK,
    entra::ENTRA,
    way::WAY,
    policy::POLICY,
];

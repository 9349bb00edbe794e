//! The issuer, its document and its keys.

use cambist_sim::fault::{Fault as Failure, Target};
use cambist_sim::issuer::Place;
use http::StatusCode;
use serde_json::json;

use super::{CLEARED, RENEWED, body, fail};
use crate::doctor::scene::Scene;
use crate::doctor::{Fault, Mend, each};

pub(super) const ISSUER: &[Fault] = &[
    Fault {
        name: "an issuer's document that is not there",
        seed: |scene| {
            let status = StatusCode::NOT_FOUND;
            fail(scene, Target::Discovery, Failure::Status { status, retry_after: None });
        },
        found: &["D301"],
        words: &["answered 404", "kubectl get --raw /.well-known/openid-configuration"],
        mend: CLEARED,
    },
    Fault {
        name: "an issuer that asks for credentials",
        seed: |scene| {
            let status = StatusCode::FORBIDDEN;
            fail(scene, Target::Discovery, Failure::Status { status, retry_after: None });
        },
        found: &["D301"],
        words: &["answered 403", "anonymous"],
        mend: CLEARED,
    },
    Fault {
        name: "an issuer that redirects",
        seed: |scene| {
            let location = "https://elsewhere.example/".to_owned();
            fail(scene, Target::Discovery, Failure::Redirect { location });
        },
        found: &["D301"],
        words: &["redirects to", "without a redirect"],
        mend: CLEARED,
    },
    Fault {
        name: "another issuer's document",
        seed: |scene| {
            let mut document = scene.sim().issuer().discovery();
            document["issuer"] = json!("https://another.example/");
            fail(scene, Target::Discovery, body(&document));
        },
        found: &["D302"],
        words: &["https://another.example/"],
        mend: CLEARED,
    },
    Fault {
        name: "keys on another host",
        seed: |scene| {
            let mut document = scene.sim().issuer().discovery();
            document["jwks_uri"] = json!("https://keys.example/openid/v1/jwks");
            fail(scene, Target::Discovery, body(&document));
        },
        found: &["D302"],
        words: &["keys.example", "CAMBIST_JWKS_ANY_HOST=true"],
        mend: CLEARED,
    },
    Fault {
        name: "keys that are not served",
        seed: |scene| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            fail(scene, Target::Jwks, Failure::Status { status, retry_after: None });
        },
        found: &["D303"],
        words: &["answered 500", "kubectl get --raw /openid/v1/jwks"],
        mend: CLEARED,
    },
    Fault {
        name: "a page for a key set",
        seed: |scene| fail(scene, Target::Jwks, Failure::Html(StatusCode::OK)),
        found: &["D303"],
        words: &["an HTML page, not JSON", "kubectl get --raw /openid/v1/jwks"],
        mend: CLEARED,
    },
    Fault {
        name: "keys that break off",
        seed: |scene| fail(scene, Target::Jwks, Failure::Truncate),
        found: &["D303"],
        words: &["find what ends connections on the way there"],
        mend: CLEARED,
    },
    Fault {
        name: "a page for a document",
        seed: |scene| fail(scene, Target::Discovery, Failure::Html(StatusCode::OK)),
        found: &["D302"],
        words: &["an HTML page, not JSON", "did a proxy or a gateway answer"],
        mend: CLEARED,
    },
    Fault {
        name: "a key that is not published",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().sign_with(&key);
            scene.renew();
        },
        found: &["D304"],
        words: &["is not among the issuer's", "jwks_uri"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            sim.issuer().publish(&sim.issuer().signer());
            sim.entra().forget_issuer_keys();
        }),
    },
    Fault {
        name: "a signature that is not the key's",
        seed: |scene| {
            let token = scene.sim().token().unwrap();
            let (head, signature) = token.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { "B" } else { "A" };
            scene.world.project(&format!("{head}.{first}{}", &signature[1..]));
        },
        found: &["D304"],
        words: &["signature"],
        mend: RENEWED,
    },
    Fault {
        name: "an upload that was forgotten",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().publish_in(Place::Api, &key);
            let kubeconfig = scene.world.running().dir().join("kubeconfig");
            scene.args = ["--kubeconfig".to_owned(), kubeconfig.display().to_string()].to_vec();
        },
        found: &["D305"],
        words: &["not public: ", "kubectl get --raw /openid/v1/jwks"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            let last = sim.issuer().keys().last().unwrap().kid.clone();
            sim.issuer().publish_in(Place::Both, &sim.issuer().key(&last).unwrap());
        }),
    },
    Fault {
        name: "a public key that no API server knows",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().publish_in(Place::Public, &key);
            let kubeconfig = scene.world.running().dir().join("kubeconfig");
            scene.args = ["--kubeconfig".to_owned(), kubeconfig.display().to_string()].to_vec();
        },
        found: &["D305"],
        words: &["unknown to the API server", "take it out of the key set"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            let last = sim.issuer().keys().last().unwrap().kid.clone();
            sim.issuer().hide(&last);
        }),
    },
    Fault {
        name: "a private key that is published",
        seed: |scene| {
            let sim = scene.sim();
            let key = sim.issuer().prepare().unwrap();
            sim.issuer().leak_in(Place::Both, &key).unwrap();
        },
        found: &["D306"],
        words: &["SUSPECT", "cambist issuer"],
        mend: Mend::By(|scene, _| {
            let sim = scene.sim();
            let last = sim.issuer().keys().last().unwrap().kid.clone();
            sim.issuer().hide(&last);
        }),
    },
];

#[tokio::test]
async fn the_issuer() {
    each(Scene::workload().await, ISSUER).await;
}

//! The policy's file.

use std::fs;

use crate::doctor::scene::Scene;
use crate::doctor::{Fault, Mend, each};

pub(super) const POLICY: &[Fault] = &[
    Fault {
        name: "a misspelt key in the policy's file",
        seed: |scene| {
            let good = fs::read_to_string(scene.file("policy.yaml")).unwrap();
            fs::write(scene.file("policy.yaml"), good.replace("client_id", "clientid")).unwrap();
        },
        found: &["D701"],
        words: &["line 4", "did you mean", "client_id", "--check-config"],
        mend: Mend::By(|scene, _| {
            let bad = fs::read_to_string(scene.file("policy.yaml")).unwrap();
            fs::write(scene.file("policy.yaml"), bad.replace("clientid", "client_id")).unwrap();
        }),
    },
    Fault {
        name: "a policy's file that is not there",
        seed: |scene| scene.set("CAMBIST_CONFIG", "/etc/no-such-policy.yaml"),
        found: &["D701"],
        words: &["/etc/no-such-policy.yaml"],
        mend: Mend::By(|scene, _| {
            let file = scene.file("policy.yaml").display().to_string();
            scene.set("CAMBIST_CONFIG", file);
        }),
    },
];

#[tokio::test]
async fn the_policy() {
    let mut scene = Scene::workload().await;
    let client_id = scene.env.remove("AZURE_CLIENT_ID").unwrap();
    let text = format!(
        "version: 1\nidentities:\n  - name: payments\n    client_id: {client_id}\ncallers:\n  - name: checkout\n    \
         secret_variable: IDENTITY_HEADER\n    may:\n      - {{ identity: payments, resources: [\"https://vault.azure.net\"] }}\n"
    );
    fs::write(scene.file("policy.yaml"), text).unwrap();
    let file = scene.file("policy.yaml").display().to_string();
    scene.set("CAMBIST_CONFIG", file);
    each(scene, POLICY).await;
}

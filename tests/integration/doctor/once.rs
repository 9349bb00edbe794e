//! Beside the sidecar, which tells of the same troubles: one cause is told once.

use std::fs;

use cambist_sim::fault::{Fault as Failure, Target};
use cambist_sim::keys::SigningKey;
use http::StatusCode;
use kit::eventually;
use kit::sidecar::{Sidecar, VAULT};

use super::scene::{Scene, run};
use super::{ailing, check, healthy, short};
use crate::{sidecar, sidecar_with};

/// In the container of a sidecar that runs.
async fn beside() -> (Scene, Sidecar) {
    let mut scene = Scene::workload().await;
    let sidecar = sidecar(&scene.world).await;
    scene.set("CAMBIST_ADMIN_LISTEN", sidecar.admin().to_string());
    healthy(&scene, "at first").await;
    (scene, sidecar)
}

/// What is found beside a sidecar that cannot have a token, by the reason that it has.
async fn found(scene: &Scene, sidecar: &Sidecar, reason: &str, checks: &[&str]) {
    eventually(reason, async || {
        sidecar.token("https://storage.azure.com").await;
        let status = sidecar.status().await;
        let tokens = status["tokens"].as_array().unwrap();
        tokens.iter().any(|token| token["failure"]["reason"] == reason).then_some(())
    })
    .await;
    let report = run(scene).await;
    assert_eq!(ailing(&report), checks, "{reason}: {}", short(&report));
    assert_eq!(check(&report, "D902")["because"], checks[0], "{reason}: {}", short(&report));
}

#[tokio::test]
async fn entra_that_is_down() {
    let (scene, sidecar) = beside().await;
    let fault = Failure::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None };
    scene.sim().faults().inject(Target::Entra, fault);
    found(&scene, &sidecar, "entra_unavailable", &["D506"]).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_token_that_has_expired() {
    let (scene, sidecar) = beside().await;
    let now = scene.now();
    scene.project(|it| {
        it.claim("iat", now - 7200).claim("nbf", now - 7200).claim("exp", now - 3600)
    });
    found(&scene, &sidecar, "token_expired", &["D203"]).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_token_of_another_issuer() {
    let (scene, sidecar) = beside().await;
    let spec = scene.sim().token_spec().claim("iss", "https://another.example/");
    scene.world.project(&spec.sign(&SigningKey::generate_rsa().unwrap()).unwrap());
    found(&scene, &sidecar, "issuer_mismatch", &["D205"]).await;
    let report = run(&scene).await;
    assert_eq!(check(&report, "D304")["because"], "D205", "{}", short(&report));
    sidecar.stop().await;
}

/// That an app asks for what the tenant does not have is that app's to correct: the set-up is well.
#[tokio::test]
async fn a_resource_that_entra_does_not_know() {
    let (mut scene, sidecar) = beside().await;
    sidecar.token("https://no-such.example").await;
    let report = run(&scene).await;
    assert_eq!((ailing(&report), &report["exitCode"]), (vec!["D902"], &0.into()), "{report:#}");
    let told = check(&report, "D902");
    assert_eq!(told["result"], "warning", "{told}");
    assert!(
        told["evidence"].as_str().unwrap().starts_with("for https://no-such.example: entra_"),
        "{told}"
    );
    let explain = told["fix"]["words"].as_str().unwrap().split('`').nth(1).unwrap();
    assert_eq!(
        explain,
        format!(
            "cambist explain --resource https://no-such.example --admin http://{}",
            sidecar.admin()
        )
    );
    // Whoever asks for the same is told once.
    scene.args = ["--resource", "https://no-such.example"].map(str::to_owned).to_vec();
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D504"], "{}", short(&report));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_no_good() {
    let mut scene = Scene::workload().await;
    let file = scene.file("policy.yaml");
    let good = format!(
        "version: 1\nidentities:\n  - name: payments\n    client_id: {}\ncallers:\n  - name: checkout\n    \
         secret_variable: IDENTITY_HEADER\n    may:\n      - {{ identity: payments, resources: [\"{VAULT}\"] }}\n",
        scene.env["AZURE_CLIENT_ID"]
    );
    fs::write(&file, &good).unwrap();
    let path = file.display().to_string();
    let sidecar = sidecar_with(&scene.world, |program| {
        program.set("CAMBIST_CONFIG", &path).unset("AZURE_CLIENT_ID")
    })
    .await;
    scene.set("CAMBIST_CONFIG", &path);
    scene.unset("AZURE_CLIENT_ID");
    scene.set("CAMBIST_ADMIN_LISTEN", sidecar.admin().to_string());
    healthy(&scene, "at first").await;
    fs::write(&file, good.replace("client_id", "clientid")).unwrap();
    eventually("a change that is refused", async || {
        (!sidecar.status().await["policy"]["refused"].is_null()).then_some(())
    })
    .await;
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D701"], "{}", short(&report));
    assert_eq!(check(&report, "D903")["because"], "D701");
    let told = check(&report, "D701").to_string();
    assert_eq!(told.matches("did you mean").count(), 1, "{told}");
    sidecar.stop().await;
}

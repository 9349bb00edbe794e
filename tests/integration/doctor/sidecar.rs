//! Against a running sidecar, by its admin listener.

use std::fs;

use cambist_sim::fault::{Fault as Failure, Target};
use http::StatusCode;
use kit::eventually;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::scene::{Scene, run};
use super::{ailing, check, healthy};
use crate::{sidecar, sidecar_with};

/// As somebody on a laptop asks who has the admin listener alone.
fn from_outside(mut scene: Scene, admin: impl std::fmt::Display) -> Scene {
    scene.env.clear();
    scene.args = ["--admin".to_owned(), format!("http://{admin}")].to_vec();
    scene
}

/// What fails here, one after the other.
pub(super) const FOUND: [&str; 4] = ["D901", "D902", "D903", "D904"];

fn words(report: &Value, id: &str) -> String {
    let check = check(report, id);
    format!("{} {}", check["evidence"], check["fix"]["words"])
}

#[tokio::test]
async fn a_sidecar_s_own_word() {
    let scene = Scene::workload().await;
    let sidecar = sidecar(&scene.world).await;
    let mut scene = from_outside(scene, "127.0.0.1:1");
    // Nobody is there.
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D901"], "{report:#}");
    assert!(words(&report, "D901").contains("kubectl port-forward POD 8422"), "{report:#}");
    scene.args[1] = format!("http://{}", sidecar.admin());
    healthy(&scene, "where it listens").await;

    // A token that it could not have.
    let status = StatusCode::SERVICE_UNAVAILABLE;
    scene.sim().faults().inject(Target::Entra, Failure::Status { status, retry_after: None });
    sidecar.token("https://vault.azure.net").await;
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D902"], "{report:#}");
    assert!(words(&report, "D902").contains("vault.azure.net"), "{report:#}");
    scene.sim().faults().clear();
    eventually("a token", async || {
        (sidecar.token("https://vault.azure.net").await.status == 200).then_some(())
    })
    .await;
    healthy(&scene, "with Entra back").await;
    sidecar.stop().await;
}

/// Whoever answers and is no sidecar's admin listener is told from one, and nothing is read into what it says.
#[tokio::test]
async fn a_listener_that_is_another() {
    let scene = Scene::workload().await;
    let sidecar = sidecar(&scene.world).await;
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = stranger.local_addr().unwrap();
    let answers = tokio::spawn(async move {
        while let Ok((mut stream, _)) = stranger.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
        }
    });
    let mut scene = from_outside(scene, sidecar.tokens());
    for (at, told) in [
        (sidecar.tokens(), ["port for tokens", "ask port 8422 instead"]),
        (other, ["is no cambist sidecar", "kubectl port-forward POD 8422"]),
    ] {
        scene.args[1] = format!("http://{at}");
        let report = run(&scene).await;
        assert_eq!(ailing(&report), ["D901"], "{report:#}");
        let words = words(&report, "D901");
        assert!(told.iter().all(|it| words.contains(it)) && !words.contains("new pod"), "{words}");
        for id in ["D902", "D903", "D904"] {
            assert_eq!(check(&report, id)["because"], "D901", "{report:#}");
        }
    }
    answers.abort();
    sidecar.stop().await;
}

/// In its own container, one that does not run is missed.
#[tokio::test]
async fn a_sidecar_that_does_not_run() {
    let mut scene = Scene::workload().await;
    scene.set("CAMBIST_ADMIN_LISTEN", "127.0.0.1:1");
    let report = run(&scene).await;
    assert_eq!((ailing(&report), &report["exitCode"]), (vec!["D901"], &0.into()), "{report:#}");
    let told = words(&report, "D901");
    assert!(told.contains("CAMBIST_ADMIN_LISTEN names") && told.contains("kubectl logs"), "{told}");
    assert_eq!(check(&report, "D902")["result"], "skipped", "{report:#}");
    // And `off` says that there is none.
    scene.set("CAMBIST_ADMIN_LISTEN", "off");
    healthy(&scene, "without a sidecar").await;
}

#[tokio::test]
async fn keys_that_a_sidecar_cannot_read() {
    let scene = Scene::workload().await;
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    scene.sim().faults().inject(Target::Jwks, Failure::Status { status, retry_after: None });
    let sidecar = sidecar(&scene.world).await;
    sidecar.token("https://vault.azure.net").await;
    let scene = from_outside(scene, sidecar.admin());
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D904"], "{report:#}");
    assert!(words(&report, "D904").contains("CAMBIST_KEYS=public,api"), "{report:#}");
    assert_eq!(report["exitCode"], 0);
    scene.sim().faults().clear();
    // Each new resource has the keys looked for again.
    let mut number = 0;
    eventually("keys", async || {
        number += 1;
        sidecar.token(&format!("api://number-{number}")).await;
        (ailing(&run(&scene).await).is_empty()).then_some(())
    })
    .await;
    sidecar.stop().await;
}

#[tokio::test]
#[ignore = "slow: waits for several looks at the file"]
async fn a_policy_that_is_not_in_force() {
    let scene = Scene::workload().await;
    let file = scene.file("policy.yaml");
    let good = format!(
        "version: 1\nidentities:\n  - name: payments\n    client_id: {}\ncallers:\n  - name: checkout\n    \
         secret_variable: IDENTITY_HEADER\n    may:\n      - {{ identity: payments, resources: [\"*\"] }}\n",
        scene.env["AZURE_CLIENT_ID"]
    );
    fs::write(&file, &good).unwrap();
    let path = file.display().to_string();
    let sidecar = sidecar_with(&scene.world, |program| {
        program.set("CAMBIST_CONFIG", path).unset("AZURE_CLIENT_ID")
    })
    .await;
    let scene = from_outside(scene, sidecar.admin());
    healthy(&scene, "at first").await;
    fs::write(&file, good.replace("callers", "caller")).unwrap();
    eventually("a change that is refused", async || {
        (!sidecar.status().await["policy"]["refused"].is_null()).then_some(())
    })
    .await;
    let report = run(&scene).await;
    assert_eq!(ailing(&report), ["D903"], "{report:#}");
    assert!(
        words(&report, "D903").contains("correct the file that CAMBIST_CONFIG names"),
        "{report:#}"
    );
    fs::write(&file, good).unwrap();
    eventually("the good policy", async || {
        sidecar.status().await["policy"]["refused"].is_null().then_some(())
    })
    .await;
    healthy(&scene, "with the file corrected").await;
    sidecar.stop().await;
}

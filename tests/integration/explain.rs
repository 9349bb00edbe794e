//! `cambist explain` against a sidecar that serves, refuses, or is not there.

use kit::World;
use kit::program::{Ended, Program};
use kit::sidecar::{Sidecar, VAULT};

use crate::sidecar;

async fn explain(sidecar: &Sidecar, resource: &str, more: &[&str]) -> Ended {
    let admin = format!("http://{}", sidecar.admin());
    Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
        .args(&["explain", "--resource", resource, "--admin", &admin])
        .args(more)
        .run()
        .await
}

#[tokio::test]
async fn the_command_tells_each_decision_behind_an_answer() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let token = sidecar.token(VAULT).await.member("access_token");
    sidecar.token(VAULT).await;

    let told = explain(&sidecar, VAULT, &[]).await;
    assert_eq!((told.code(), &*told.stderr), (Some(0), ""), "{told:?}");
    for words in [
        "is known by its header secret",
        "may have tokens of",
        "a token is held for",
        "the signature was verified by key",
        "Entra gave it at",
        "has had the token that is held 2 times",
    ] {
        let unwrapped = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(unwrapped.contains(words), "{words}: {}", told.stdout);
    }
    let header = &world.env()["IDENTITY_HEADER"];
    assert!(!told.output().contains(&token) && !told.output().contains(header), "{told:?}");

    let json = explain(&sidecar, VAULT, &["-o", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["schemaVersion"], &json["resource"]), (&1.into(), &VAULT.into()), "{json}");

    // What Entra does not know.
    sidecar.send(&sidecar.app_service("https://nobody-knows-this.example")).await;
    let failed = explain(&sidecar, "https://nobody-knows-this.example", &[]).await;
    assert_eq!(failed.code(), Some(1), "{failed:?}");
    assert!(failed.stdout.contains("FAILED exchange"), "{}", failed.stdout);
    assert!(failed.stdout.contains("Fix: "), "{}", failed.stdout);

    for (ended, code, words) in [
        (explain(&sidecar, "", &[]).await, 64, "resource"),
        (explain(&sidecar, VAULT, &["--caller", "nobody"]).await, 1, ""),
        (explain(&sidecar, VAULT, &["--ca-file", "/none"]).await, 64, "--ca-file is for an https"),
    ] {
        assert_eq!(ended.code(), Some(code), "{ended:?}");
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
    let admin = sidecar.admin().to_string();
    sidecar.stop().await;
    let gone = Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
        .args(&["explain", "--resource", VAULT, "--admin", &format!("http://{admin}")])
        .run()
        .await;
    assert_eq!(gone.code(), Some(3), "{gone:?}");
    assert!(gone.stderr.contains("does the sidecar run in this pod"), "{gone:?}");
}

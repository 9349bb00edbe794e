//! `cambist explain` against a sidecar that serves, refuses, or is not there.

use kit::World;
use kit::program::{Ended, Program};
use kit::sidecar::{Sidecar, VAULT};

use crate::{sidecar, sidecar_with};

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
        (
            explain(&sidecar, VAULT, &["--caller", "nobody"]).await,
            64,
            r#"the policy knows no caller "nobody"; it knows "app""#,
        ),
        (
            explain(&sidecar, VAULT, &["--identity", "none"]).await,
            64,
            r#"the policy knows no identity "none"; it knows "#,
        ),
        (explain(&sidecar, VAULT, &["--ca-file", "/none"]).await, 64, "--ca-file is for an https"),
    ] {
        assert_eq!(ended.code(), Some(code), "{ended:?}");
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
    let at = format!("http://{}", sidecar.tokens());
    let other = Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
        .args(&["explain", "--resource", VAULT, "--admin", &at])
        .run()
        .await;
    assert_eq!(other.code(), Some(3), "{other:?}");
    assert!(other.stderr.contains("give --admin the address of its admin listener"), "{other:?}");
    let admin = sidecar.admin().to_string();
    sidecar.stop().await;
    let gone = Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
        .args(&["explain", "--resource", VAULT, "--admin", &format!("http://{admin}")])
        .run()
        .await;
    assert_eq!(gone.code(), Some(3), "{gone:?}");
    assert!(gone.stderr.contains("does the sidecar run in this pod"), "{gone:?}");
}

/// What the policy says is the answer, whoever has asked for what; and a request that was refused is no good answer.
#[tokio::test]
async fn the_policy_itself_is_the_answer() {
    let world = World::start().await;
    let file = world.dir().join("policy.yaml");
    let policy = format!(
        "version: 1\nidentities:\n  - name: payments\n    client_id: {}\n  - name: storage\n    \
         client_id: 57000000-0000-4000-8000-000000000057\ncallers:\n  - name: reports\n    \
         secret_variable: IDENTITY_HEADER\n    may:\n      - {{ identity: payments, resources: [\"{VAULT}\"] }}\n      \
         - {{ identity: storage, resources: [\"https://storage.azure.com\"] }}\n",
        world.env()["AZURE_CLIENT_ID"]
    );
    std::fs::write(&file, policy).unwrap();
    let path = file.display().to_string();
    let sidecar = sidecar_with(&world, |program| {
        program.set("CAMBIST_CONFIG", path).unset("AZURE_CLIENT_ID")
    })
    .await;
    let unwrapped = |ended: &Ended| ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");

    let graph = "https://graph.microsoft.com";
    let denied = explain(&sidecar, graph, &[]).await;
    assert_eq!(denied.code(), Some(1), "{denied:?}");
    let words = format!(
        "No token for reports: the policy gives reports no token for \"{graph}\": it may have tokens of payments for \
         {VAULT}, tokens of storage for https://storage.azure.com"
    );
    assert!(unwrapped(&denied).contains(&words), "{denied:?}");

    // Nobody has asked, and nothing is wrong; then a request names no identity.
    let before = explain(&sidecar, VAULT, &[]).await;
    assert_eq!(before.code(), Some(0), "{before:?}");
    assert!(before.stdout.contains("as payments ("), "{before:?}");
    assert_eq!(sidecar.token(VAULT).await.status, 403);
    let refused = explain(&sidecar, VAULT, &["--caller", "reports"]).await;
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    let words = "FAILED last answer: reports at ";
    assert!(
        refused.stdout.contains(words) && refused.stdout.contains("(identity_ambiguous)"),
        "{refused:?}"
    );
    sidecar.stop().await;
}

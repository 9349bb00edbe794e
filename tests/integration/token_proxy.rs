//! AKS identity bindings: tokens are exchanged through the cluster's token proxy and nowhere else.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kit::http::{self, Request};
use kit::program::Program;
use kit::sidecar::VAULT;
use kit::{Reply, World};
use serde_json::{Value, json};

use crate::{SIDECAR, SIM, program, sidecar, sidecar_with};

const CA_FILE: &str = "AZURE_KUBERNETES_CA_FILE";

async fn world() -> World {
    World::with(|options| options.token_proxy = true).await
}

/// How often the pod asked Entra at its own address, and through the token proxy.
fn counts(requests: &Value) -> (u64, u64) {
    let count = |name: &str| requests["counts"][name].as_u64().unwrap_or(0);
    (count("entra"), count("token_proxy"))
}

fn assert_unavailable(reply: &Reply, reason: &str) {
    assert_eq!((reply.status, reply.reason()), (503, reason), "{reply:?}");
    assert!(reply.retry_after().is_some(), "{reply:?}");
}

/// `cambist-sim up --token-proxy`, `. D/env`, `cambist-sidecar`, and an app that asks.
#[tokio::test]
async fn two_programs_and_a_shell_exchange_through_the_proxy_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let sim = Program::new(SIM).args(&["up", "--token-proxy", "--dir", at]).spawn();
    sim.line("the simulator's words", |line| line.contains("token proxy").then_some(())).await;
    let env = std::fs::read_to_string(dir.path().join("env")).unwrap();
    let env: BTreeMap<_, _> = env
        .lines()
        .map(|line| line.strip_prefix("export ").unwrap().split_once('=').unwrap())
        .map(|(name, value)| (name, value.trim_matches('\'')))
        .collect();
    assert!(env["AZURE_KUBERNETES_SNI_NAME"].ends_with(".ests.aks"), "{env:?}");
    assert_ne!(
        std::fs::read(env[CA_FILE]).unwrap(),
        std::fs::read(env["CAMBIST_CA_FILE"]).unwrap()
    );

    let script = ". \"$1/env\" && exec \"$2\"";
    let shell = Program::new("/bin/sh").args(&["-c", script, "sh", at, SIDECAR]);
    let shell = shell.set("CAMBIST_LISTEN", "0").set("CAMBIST_ADMIN_LISTEN", "0").spawn();
    let tokens = shell
        .line("where it serves", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["tokens"].as_str()?.split(',').next()?.parse::<SocketAddr>().ok()
        })
        .await;
    let request = Request::get(format!("/msi/token?api-version=2019-08-01&resource={VAULT}"))
        .header("Host", tokens.to_string())
        .header("X-IDENTITY-HEADER", env["IDENTITY_HEADER"]);
    let reply = http::send(tokens, &request.bytes()).await.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");

    let admin: SocketAddr = env["SIM_ADMIN"].strip_prefix("http://").unwrap().parse().unwrap();
    let request = Request::get("/sim/requests").header("Host", admin.to_string());
    let requests = http::send(admin, &request.header("Connection", "close").bytes()).await;
    let requests = requests.unwrap().json();
    assert_eq!(counts(&requests), (0, 1), "{requests}");
    let asked = requests["requests"].as_array().unwrap();
    let [proxied] = asked.iter().filter(|it| it["target"] == "token-proxy").collect::<Vec<_>>()[..]
    else {
        panic!("{requests}")
    };
    let path = format!("/identity-binding/{}/oauth2/v2.0/token", env["AZURE_TENANT_ID"]);
    assert_eq!((&proxied["path"], &proxied["status"]), (&json!(path), &json!(200)));
    for program in [shell, sim] {
        program.signal(rustix::process::Signal::TERM);
        let ended = program.ended().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn neither_entras_authorities_nor_a_corporate_proxy_play_a_part() {
    let world = world().await;
    // Nobody listens there; of Entra's file there is none.
    let sidecar = sidecar_with(&world, |it| {
        it.set("CAMBIST_ENTRA_CA_FILE", "/nonexistent/ca.pem")
            .set("HTTPS_PROXY", "http://127.0.0.1:9")
            .set("CAMBIST_KEY_AGE", "off")
    });
    let sidecar = sidecar.await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    assert_eq!(counts(&world.requests().await), (0, 1));
    sidecar.stop().await;

    // The authority that vouches for all else does not vouch for the token proxy, ...
    let others = world.env()["CAMBIST_CA_FILE"].clone();
    let sidecar = sidecar_with(&world, |it| it.set(CA_FILE, &others)).await;
    let reply = sidecar.token(VAULT).await;
    assert_unavailable(&reply, "token_proxy_untrusted");
    assert!(reply.member("message").contains(CA_FILE), "{reply:?}");
    sidecar.stop().await;
    // ... and its certificate is for no other name.
    let sidecar = sidecar_with(&world, |it| it.unset("AZURE_KUBERNETES_SNI_NAME")).await;
    assert_unavailable(&sidecar.token(VAULT).await, "token_proxy_tls");
    sidecar.stop().await;
    assert_eq!(counts(&world.requests().await), (0, 1));
}

#[tokio::test]
async fn without_the_proxy_entra_knows_no_such_issuer() {
    let world = world().await;
    let direct = |it: Program| {
        it.unset("AZURE_KUBERNETES_TOKEN_PROXY")
            .unset("AZURE_KUBERNETES_SNI_NAME")
            .unset(CA_FILE)
            .set("CAMBIST_AUDIENCE", "api://AKSIdentityBinding")
    };
    let sidecar = sidecar_with(&world, direct).await;
    let reply = sidecar.token(VAULT).await;
    assert_eq!((reply.status, reply.reason()), (403, "entra_no_matching_credential"), "{reply:?}");
    assert_eq!(counts(&world.requests().await), (1, 0));
    sidecar.stop().await;
}

#[tokio::test]
async fn what_the_proxy_itself_answers_has_reasons_of_its_own() {
    let world = world().await;
    let faults = [
        (
            json!({"kind": "status", "status": 503, "retry_after": 7}),
            503,
            "token_proxy_unavailable",
        ),
        (json!({"kind": "html"}), 503, "token_proxy_unavailable"),
        (json!({"kind": "status", "status": 404}), 403, "token_proxy_refused"),
        (json!({"kind": "status", "status": 421}), 403, "token_proxy_refused"),
        (json!({"kind": "reset"}), 503, "connection_lost"),
        // What it passes on is Entra's.
        (json!({"kind": "aadsts", "code": 500_011}), 403, "entra_resource_unknown"),
    ];
    for (mut fault, status, reason) in faults {
        fault["target"] = json!("token-proxy");
        world.fault(fault.clone()).await;
        // Each has its own sidecar: the first asks for a pause, which is all scopes'.
        let sidecar = sidecar(&world).await;
        let reply = sidecar.token(VAULT).await;
        assert_eq!((reply.status, reply.reason()), (status, reason), "{fault}: {reply:?}");
        if reason.starts_with("token_proxy") {
            assert!(reply.member("message").contains("token proxy"), "{reply:?}");
        }
        sidecar.stop().await;
        world.clear().await;
    }
    let (entra, proxied) = counts(&world.requests().await);
    assert!(entra == 0 && proxied >= 6, "{entra}, {proxied}");
}

#[tokio::test]
async fn a_proxy_that_is_gone_is_named() {
    let world = world().await;
    let gone = sidecar_with(&world, |it| {
        it.set("AZURE_KUBERNETES_TOKEN_PROXY", "https://127.0.0.1:9/identity-binding")
    });
    let gone = gone.await;
    let reply = gone.token(VAULT).await;
    assert_unavailable(&reply, "token_proxy_unreachable");
    assert!(reply.member("message").contains("127.0.0.1:9"), "{reply:?}");
    gone.stop().await;
}

#[tokio::test]
#[ignore = "slow: waits the half minute that an exchange may take"]
async fn a_proxy_that_hangs_is_named() {
    let world = world().await;
    world.fault(json!({"target": "token-proxy", "kind": "hang"})).await;
    let hanging = sidecar(&world).await;
    let reply = hanging.token(VAULT).await;
    assert_unavailable(&reply, "timeout");
    let at = &world.env()["AZURE_KUBERNETES_TOKEN_PROXY"]["https://".len()..];
    let at = at.split('/').next().unwrap();
    assert!(reply.member("message").contains(at), "{reply:?}");
    hanging.ended_by_force().await;
}

#[tokio::test]
async fn a_rotated_authority_is_taken_up_and_a_file_in_between_is_not() {
    let world = world().await;
    let file = world.env()[CA_FILE].clone();
    let sidecar = sidecar(&world).await;
    let token = async |resource: &str| sidecar.token(resource).await;
    assert_eq!(token("api://first").await.status, 200);
    // As in the middle of a rotation: the file is there and has nothing to say.
    for broken in ["", "-----BEGIN CERTIFICATE-----\nMIIB"] {
        std::fs::write(&file, broken).unwrap();
        let resource = format!("api://broken-{}", broken.len());
        assert_eq!(token(&resource).await.status, 200, "{broken}");
    }
    sidecar.logs("the one before holds").await;
    // The proxy is ahead of the file ...
    world.rotate_token_proxy_ca(false).await;
    assert_unavailable(&token("api://ahead").await, "token_proxy_untrusted");
    // ... which catches up.
    world.rotate_token_proxy_ca(true).await;
    assert_eq!(token("api://after").await.status, 200);
    let (entra, proxied) = counts(&world.requests().await);
    assert_eq!((entra, proxied), (0, 4));
    sidecar.stop().await;
}

#[tokio::test]
async fn check_config_tells_of_the_proxy_and_of_its_faults() {
    let world = world().await;
    let file = world.env()[CA_FILE].clone();
    let pem = std::fs::read_to_string(&file).unwrap();
    let ended = program(&world).arg("--check-config").run().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let sni_name = &world.env()["AZURE_KUBERNETES_SNI_NAME"];
    let proxy = &world.env()["AZURE_KUBERNETES_TOKEN_PROXY"];
    for line in [
        format!("token proxy      {proxy} (as {sni_name})\n"),
        format!("CAs for it       {file}\n"),
        "audience         api://AKSIdentityBinding\n".to_owned(),
    ] {
        assert!(ended.stdout.contains(&line), "{line} is not in {}", ended.stdout);
    }
    let data = program(&world).unset(CA_FILE).set("AZURE_KUBERNETES_CA_DATA", &pem);
    let ended = data.clone().arg("--check-config").run().await;
    assert!(ended.stdout.contains("CAs for it       given\n"), "{ended:?}");
    assert!(!ended.output().contains("BEGIN"), "{ended:?}");

    std::fs::write(&file, "").unwrap();
    let beside = |name: &str, value: &str| program(&world).set(name, value);
    for (program, name) in [
        (program(&world), CA_FILE),
        (data.set(CA_FILE, &file), "AZURE_KUBERNETES_CA_DATA"),
        (program(&world).unset("AZURE_KUBERNETES_TOKEN_PROXY"), CA_FILE),
        (beside("AZURE_KUBERNETES_TOKEN_PROXY", "http://proxy"), "AZURE_KUBERNETES_TOKEN_PROXY"),
        (beside("AZURE_KUBERNETES_SNI_NAME", "10.0.0.1"), "AZURE_KUBERNETES_SNI_NAME"),
    ] {
        let ended = program.arg("--check-config").run().await;
        assert_eq!(ended.code(), Some(64), "{ended:?}");
        let told = ended.stderr.lines().any(|line| line.starts_with(&format!("{name}: ")));
        assert!(told, "{name} in {ended:?}");
    }
}

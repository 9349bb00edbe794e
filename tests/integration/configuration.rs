//! What the sidecar is told, and what it says about it.

use kit::World;
use kit::program::{Ended, Program};

use crate::{SIDECAR, program, sidecar};

fn refused(ended: &Ended) -> &str {
    assert_eq!(ended.code(), Some(64), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    &ended.stderr
}

#[tokio::test]
async fn check_config_says_what_would_run_and_opens_nothing() {
    let world = World::start().await;
    let ended = program(&world).arg("--check-config").run().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    for word in [&world.env()["AZURE_CLIENT_ID"], &world.env()["AZURE_TENANT_ID"], "app-service"] {
        assert!(ended.stdout.contains(word), "no {word} in {ended:?}");
    }
    world.secrets().assert_absent("what would run", &ended.output());
    let counts = world.counts().await;
    assert_eq!((counts.entra, counts.discovery, counts.jwks), (0, 0, 0));
}

#[tokio::test]
async fn all_faults_are_told_at_once_each_with_its_place() {
    let world = World::start().await;
    let bad = [
        ("AZURE_CLIENT_ID", "not-a-guid"),
        ("AZURE_AUTHORITY_HOST", "https://login.evil.example/"),
        ("CAMBIST_ISSUER", "http://issuer.example"),
        ("CAMBIST_KEY_AGE", "sometimes"),
        ("CAMBIST_LEEWAY", "a while"),
        ("CAMBIST_KEYS", "public,carrier-pigeon"),
        ("CAMBIST_LISTEN", "0.0.0.0:8421"),
        ("CAMBIST_ADMIN_LISTEN", "nowhere"),
        ("CAMBIST_PROTOCOLS", "app-service,telnet"),
        ("CAMBIST_PREFETCH", "https://a https://b"),
        ("CAMBIST_LOG", "cambist=loud"),
        ("CAMBIST_ALLOW_HOST_NETWORK", "perhaps"),
        ("IDENTITY_HEADER", "short-secret"),
        ("HTTPS_PROXY", "ftp://user:hunter2hunter2@proxy.example"),
        ("CAMBIST_ISUER", "https://issuer.example"),
        ("CAMBIST_FROBNICATE", "true"),
    ];
    let faulty = bad.iter().fold(program(&world), |it, (name, value)| it.set(name, *value));
    let faulty = faulty.unset("AZURE_TENANT_ID");
    for ended in [faulty.clone().arg("--check-config").run().await, faulty.run().await] {
        let said = refused(&ended);
        for name in bad.iter().map(|(name, _)| *name).chain(["AZURE_TENANT_ID"]) {
            let lines = said.lines().filter(|line| line.starts_with(&format!("{name}: ")));
            assert_eq!(lines.count(), 1, "{name} in:\n{said}");
        }
        let misspelt = said.lines().find(|line| line.starts_with("CAMBIST_ISUER")).unwrap();
        assert!(misspelt.contains("CAMBIST_ISSUER"), "{misspelt}");
        for secret in ["short-secret", "hunter2"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[tokio::test]
async fn another_clouds_audience_is_refused_with_its_fix_and_its_resource_warned_of() {
    let world = World::start().await;
    let gov = program(&world)
        .set("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
        .arg("--check-config");
    let ended = gov.clone().run().await;
    assert!(ended.stdout.contains("api://AzureADTokenExchangeUSGov"), "{ended:?}");
    let wrong = gov.clone().set("CAMBIST_AUDIENCE", "api://AzureADTokenExchange").run().await;
    let said = refused(&wrong);
    assert!(said.starts_with("CAMBIST_AUDIENCE: ") && said.lines().count() == 1, "{said}");
    for word in [
        "login.microsoftonline.us",
        "CAMBIST_AUDIENCE=api://AzureADTokenExchangeUSGov",
        "AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/",
    ] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    let ended = gov.set("CAMBIST_PREFETCH", "https://vault.azure.net").run().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let warned = |line: &str| line.starts_with("warning: CAMBIST_PREFETCH: ");
    assert!(ended.stderr.lines().any(warned), "{ended:?}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_found_before_anything_runs() {
    let world = World::start().await;
    let missing = world.dir().join("missing.pem").display().to_string();
    let rubbish = world.dir().join("rubbish.pem");
    std::fs::write(&rubbish, "no certificate at all").unwrap();
    let rubbish = rubbish.display().to_string();
    let faulty = program(&world)
        .set("CAMBIST_ENTRA_CA_FILE", &missing)
        .set("CAMBIST_ISSUER_CA_FILE", &rubbish);
    for ended in [faulty.clone().arg("--check-config").run().await, faulty.run().await] {
        assert_eq!(ended.code(), Some(64), "{ended:?}");
        for word in ["CAMBIST_ENTRA_CA_FILE", &missing, "CAMBIST_ISSUER_CA_FILE", &rubbish] {
            assert!(ended.stderr.contains(word), "no {word} in {ended:?}");
        }
    }
}

#[tokio::test]
async fn one_file_for_both_that_cannot_be_used_is_one_fault_under_the_name_that_was_set() {
    let world = World::start().await;
    let missing = world.dir().join("missing.pem").display().to_string();
    let by_flag = program(&world).unset("CAMBIST_CA_FILE").args(&["--ca-file", &missing]);
    for (program, name) in [
        (by_flag, "--ca-file: "),
        (program(&world).set("CAMBIST_CA_FILE", &missing), "CAMBIST_CA_FILE: "),
    ] {
        let ended = program.arg("--check-config").run().await;
        let said = refused(&ended);
        assert!(said.starts_with(name) && said.lines().count() == 1, "{said}");
    }
}

#[tokio::test]
async fn files_that_are_read_when_they_are_needed_are_warned_of() {
    let world = World::start().await;
    let at = |name: &str| world.dir().join(name).display().to_string();
    std::fs::write(at("keys.json"), "{}").unwrap();
    std::fs::write(at("history.json"), "{").unwrap();
    let program = program(&world).set("CAMBIST_PROTOCOLS", "app-service").arg("--check-config");
    let sound = program.clone().run().await;
    assert_eq!((sound.code(), sound.stderr.as_str()), (Some(0), ""), "{sound:?}");
    let keys = format!("public,file:{},file:{}", at("keys.json"), at("no-keys.json"));
    let ended = program
        .args(&["--azure-federated-token-file", &at("no-token")])
        .set("CAMBIST_KEYS", keys)
        .set("CAMBIST_HISTORY", at("history.json"))
        .run()
        .await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let warned: Vec<_> = ended.stderr.lines().collect();
    let begins =
        ["--azure-federated-token-file: ", "CAMBIST_KEYS: ", "CAMBIST_KEYS: ", "CAMBIST_HISTORY: "];
    let files = ["no-token", "keys", "no-keys.json", "history.json"];
    assert_eq!(warned.len(), begins.len(), "{ended:?}");
    for ((line, begin), file) in warned.iter().zip(begins).zip(files) {
        assert!(line.starts_with(&format!("warning: {begin}")) && line.contains(file), "{line}");
    }
}

#[tokio::test]
async fn a_flag_goes_before_its_variable() {
    let world = World::start().await;
    let both = program(&world).set("CAMBIST_LISTEN", "nonsense").args(&["--listen", "0"]);
    assert_eq!(both.arg("--check-config").run().await.code(), Some(0));
    let wrong = program(&world).args(&["--listen", "nonsense", "--check-config"]).run().await;
    assert!(refused(&wrong).starts_with("--listen: "), "{wrong:?}");
}

#[tokio::test]
async fn the_header_secret_may_come_from_a_file() {
    let world = World::start().await;
    let file = world.dir().join("header");
    std::fs::write(&file, format!("{}\n", world.env()["IDENTITY_HEADER"])).unwrap();
    let with_file = |it: Program| {
        it.unset("IDENTITY_HEADER").set("CAMBIST_IDENTITY_HEADER_FILE", file.display().to_string())
    };
    let sidecar = crate::sidecar_with(&world, with_file).await;
    assert_eq!(sidecar.token(kit::sidecar::VAULT).await.status, 200);
    sidecar.stop().await;

    std::fs::remove_file(&file).unwrap();
    let ended = with_file(program(&world)).run().await;
    assert!(refused(&ended).starts_with("CAMBIST_IDENTITY_HEADER_FILE: "), "{ended:?}");
}

#[tokio::test]
async fn exit_codes_tell_what_happened() {
    let run = async |args: &[&str]| Program::new(SIDECAR).args(args).run().await;
    for (args, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["--no-such-flag"], 64),
        (&["no-such-command"], 64),
        (&["--listen"], 64),
        (&["health", "--wait", "soon"], 64),
        (&["health", "--admin", "nonsense"], 64),
        (&["health", "--admin", "http://127.0.0.1:9"], 1),
        // Nothing is configured at all.
        (&[], 64),
    ] {
        let ended = run(args).await;
        assert_eq!(ended.code(), Some(code), "{args:?}: {ended:?}");
        assert!(code == 0 || !ended.stderr.is_empty(), "{args:?}: {ended:?}");
    }
    let help = run(&["--help"]).await.stdout;
    for name in ["AZURE_CLIENT_ID", "CAMBIST_LISTEN", "IDENTITY_HEADER", "health"] {
        assert!(help.contains(name), "no {name} in:\n{help}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_to_be() {
    let world = World::start().await;
    let first = sidecar(&world).await;
    let taken = first.tokens().to_string();
    let ended = program(&world).set("CAMBIST_LISTEN", &taken).run().await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&taken), "{ended:?}");
    let taken = first.admin().to_string();
    let ended = program(&world).set("CAMBIST_ADMIN_LISTEN", &taken).run().await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&taken), "{ended:?}");
    first.stop().await;
}

/// Kubernetes describes every Service to every pod, whatever it is called.
#[tokio::test]
async fn variables_that_kubernetes_makes_are_no_faults() {
    let world = World::start().await;
    let ended = program(&world)
        .set("CAMBIST_SERVICE_HOST", "10.0.0.1")
        .set("CAMBIST_SERVICE_PORT_HTTP", "80")
        .set("CAMBIST_PORT_80_TCP_ADDR", "10.0.0.1")
        .arg("--check-config")
        .run()
        .await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
}

//! The projected token's file, and everything that may be in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use kit::sidecar::VAULT;
use kit::{Sidecar, World, eventually};

use crate::sidecar_with;

/// A sidecar that reads its token from a file of the test's own, which is not there yet.
async fn reading(world: &World) -> (Sidecar, PathBuf) {
    let path = world.dir().join("token");
    let shown = path.display().to_string();
    let sidecar = sidecar_with(world, |it| it.set("AZURE_FEDERATED_TOKEN_FILE", shown)).await;
    (sidecar, path)
}

async fn token(world: &World) -> String {
    fs::read_to_string(world.token_file()).unwrap()
}

/// Holds that a file is no token for this reason, that the refusal names it, and that probes do not
/// care. What can never become a token is told at once: no SDK asks again after a 403.
async fn assert_fault(sidecar: &Sidecar, path: &Path, reason: &str) {
    let lasting = ["too_long", "not_text", "no_token", "header", "payload", "claim", "legacy"];
    let status = if lasting.iter().any(|it| reason.contains(it)) { 403 } else { 503 };
    // A resource of its own each time: a failure is remembered for a moment.
    let reply = sidecar.token(&format!("api://{reason}")).await;
    assert_eq!((reply.status, reply.reason()), (status, reason), "{reply:?}");
    assert_eq!(reply.retry_after().is_some_and(|secs| secs >= 1), status == 503, "{reply:?}");
    assert!(reply.member("message").contains(path.to_str().unwrap()), "{reply:?}");
    assert_eq!(sidecar.ask_admin("/live").await.status, 200);
    assert_eq!(sidecar.ask_admin("/ready").await.status, 200);
}

fn clear(path: &Path) {
    if path.is_dir() {
        fs::remove_dir(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}

#[tokio::test]
async fn each_fault_has_its_reason_and_is_over_when_it_is_mended() {
    let world = World::start().await;
    let (sidecar, path) = reading(&world).await;
    assert_fault(&sidecar, &path, "token_file_missing").await;

    fs::write(&path, "").unwrap();
    assert_fault(&sidecar, &path, "token_file_empty").await;

    fs::write(&path, "x".repeat(17 * 1024)).unwrap();
    assert_fault(&sidecar, &path, "token_file_too_long").await;

    fs::write(&path, b"\xef\xbb\xbfey.ey.sig").unwrap();
    assert_fault(&sidecar, &path, "token_file_not_text").await;

    fs::write(&path, "this is no token").unwrap();
    assert_fault(&sidecar, &path, "token_file_no_token").await;

    for (header, payload, reason) in [
        ("{", "{}", "token_header_not_json"),
        ("{}", "{}", "token_header_refused"),
        (r#"{"alg":"RS256"}"#, "[]", "token_payload_not_json"),
        (r#"{"alg":"RS256"}"#, "{}", "token_claim_missing"),
        (r#"{"alg":"RS256"}"#, r#"{"iss":7}"#, "token_claim_invalid"),
        (r#"{"alg":"RS256"}"#, r#"{"iss":"kubernetes/serviceaccount"}"#, "token_legacy"),
    ] {
        let [header, payload] = [header, payload].map(|part| BASE64URL.encode(part));
        fs::write(&path, format!("{header}.{payload}.c2ln")).unwrap();
        assert_fault(&sidecar, &path, reason).await;
    }

    clear(&path);
    fs::create_dir(&path).unwrap();
    assert_fault(&sidecar, &path, "token_file_not_a_file").await;

    clear(&path);
    fs::write(&path, token(&world).await + "\n").unwrap();
    assert_eq!(sidecar.token(VAULT).await.status, 200, "a line end is no fault");
    eventually("a resource that failed before", async || {
        let reply = sidecar.token("api://token_file_missing").await;
        assert!([200, 503].contains(&reply.status), "{reply:?}");
        (reply.status == 200).then_some(())
    })
    .await;

    // What is held outlives the file.
    clear(&path);
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    assert_eq!(world.counts().await.entra, 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_fifo_is_never_waited_for() {
    let world = World::start().await;
    let (sidecar, path) = reading(&world).await;
    let made = kit::Program::new("/usr/bin/env")
        .set("PATH", "/usr/bin:/bin")
        .args(&["mkfifo", path.to_str().unwrap()])
        .run()
        .await;
    assert_eq!(made.code(), Some(0), "{made:?}");
    assert_fault(&sidecar, &path, "token_file_not_a_file").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_told_from_one_that_is_not_there() {
    let world = World::start().await;
    let (sidecar, path) = reading(&world).await;
    fs::write(&path, token(&world).await).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        println!("skipped: this user may read everything");
    } else {
        assert_fault(&sidecar, &path, "token_file_denied").await;
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_swap_in_the_middle_is_not_noticed() {
    let world = World::start().await;
    let sidecar = crate::sidecar(&world).await;
    let asking = async {
        for n in 0..100 {
            let reply = sidecar.token(&format!("api://app-{n}")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    };
    let swapping = async {
        loop {
            world.running().kubelet().project().unwrap();
            world.secrets().add(&token(&world).await);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = asking => {}
        () = swapping => {}
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn tokens_of_the_wrong_kind_are_refused_before_anybody_is_asked() {
    let world = World::start().await;
    let sidecar = crate::sidecar(&world).await;
    let sim = world.running().sim();
    let spec = || sim.token_spec();
    for (n, (spec, word)) in [
        (spec().claim("aud", "https://somebody.else"), "somebody.else"),
        (spec().claim("iss", "https://evil.example/"), "evil.example"),
        (spec().claim("sub", "system:serviceaccount:shop:default"), "default"),
        (spec().claim("sub", "somebody"), "somebody"),
        (spec().without_claim("exp"), "exp"),
        (spec().claim("exp", "tomorrow"), "exp"),
    ]
    .into_iter()
    .enumerate()
    {
        world.project(&sim.issuer().sign(&spec).unwrap());
        let reply = sidecar.token(&format!("api://app-{n}")).await;
        assert_eq!(reply.status, 403, "{word}: {reply:?}");
        assert!(reply.member("message").contains(word), "{word}: {reply:?}");
    }
    let counts = world.counts().await;
    assert_eq!((counts.entra, counts.discovery, counts.jwks), (0, 0, 0));
    sidecar.stop().await;
}

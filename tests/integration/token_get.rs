//! `cambist token get` in an app's place: what it says of a sidecar that answers, refuses, or is not there.

use kit::World;
use kit::program::Program;
use kit::sidecar::VAULT;

use crate::sidecar;

#[tokio::test]
async fn the_command_says_what_an_sdk_would_meet() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let header = world.env()["IDENTITY_HEADER"].clone();
    let endpoint = |path: &str| format!("http://{}{path}", sidecar.tokens());
    let get = |path: &str, more: &[&str]| {
        Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
            .args(&["token", "get", "--resource", VAULT])
            .args(more)
            .set("IDENTITY_ENDPOINT", endpoint(path))
            .set("IDENTITY_HEADER", &header)
    };
    let token = sidecar.token(VAULT).await.member("access_token");

    let shown = get("/msi/token", &[]).run().await;
    assert_eq!((shown.code(), shown.stderr.as_str()), (Some(0), ""), "{shown:?}");
    assert!(shown.stdout.contains(VAULT) && shown.stdout.contains("expires"), "{shown:?}");
    assert!(!shown.output().contains(&token) && !shown.output().contains(&header), "{shown:?}");
    let printed = get("/msi/token", &["--print"]).run().await;
    assert_eq!(printed.stdout, format!("{token}\n"));

    // By the older variables, too.
    let older = Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
        .args(&["token", "get", "--resource", VAULT, "-o", "json"])
        .set("MSI_ENDPOINT", endpoint("/msi/token"))
        .set("MSI_SECRET", &header);
    let older = older.run().await;
    let claims: serde_json::Value = serde_json::from_str(&older.stdout).unwrap();
    assert_eq!(claims["claims"]["aud"], VAULT, "{older:?}");

    let proxied = get("/msi/token", &[]).set("HTTP_PROXY", "http://127.0.0.1:1").run().await;
    assert_eq!(proxied.code(), Some(0), "{proxied:?}");
    assert!(proxied.stderr.starts_with("warning: HTTP_PROXY is set"), "{proxied:?}");

    for (asked, code, words) in [
        (get("/msi/tokens", &[]), 1, "403: path: nothing is at \"/msi/tokens\""),
        (get("/msi/token", &["--client-id", "other"]), 1, "403: identity_not_found"),
        (
            get("/msi/token", &[]).set("IDENTITY_HEADER", "another-secret-1"),
            1,
            "401: identity_header",
        ),
        (
            get("/msi/token", &[])
                .set("IDENTITY_ENDPOINT", format!("http://{}/msi/token", sidecar.admin())),
            1,
            "403: tokens are served on port",
        ),
        (get("/msi/token", &[]).unset("IDENTITY_HEADER"), 64, "IDENTITY_HEADER is not"),
        (
            get("", &[]).set("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"),
            3,
            "nobody answers",
        ),
    ] {
        let ended = asked.run().await;
        assert_eq!(ended.code(), Some(code), "{ended:?}");
        assert!(ended.stderr.contains(words) && ended.stdout.is_empty(), "{words}: {ended:?}");
        assert!(!ended.stderr.contains(&header), "{ended:?}");
    }
    sidecar.stop().await;
}

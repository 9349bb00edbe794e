use std::sync::Arc;
use std::time::Duration;

use cambist::Reason;
use cambist::files::Look;
use cambist_core::clock::Clock as _;
use cambist_core::scope::Scope;
use cambist_sim::fault::{Fault, Target};
use cambist_sim::keys::SigningKey;

use crate::testing::{VAULT, World, ask, ask_admin, json, msi, start_asking, text};

/// The word and the line that stand above all else.
fn health(page: &str) -> (&str, &str) {
    let between = |from: &str, to| {
        let (_, rest) = page.split_once(from).unwrap_or_else(|| panic!("{from}: {page}"));
        rest.split_once(to).unwrap().0
    };
    (between("<p class=\"word\">", "</p>"), between("<p class=\"said\"><bdi>", "</bdi>"))
}

#[tokio::test(start_paused = true)]
async fn the_page_tells_how_long_it_would_go_on() {
    let world = World::new();
    let (endpoint, admin, credential) = world.endpoints(&[]);
    let page = async || text(ask_admin(&admin, "/status")).await;
    let status = async || json(ask_admin(&admin, "/status.json")).await;
    assert_eq!(health(&page().await), ("READY", "Nobody has asked for a token lately"));
    assert_eq!(status().await["runway_seconds"], serde_json::Value::Null);

    ask(&endpoint, msi(VAULT)).await;
    let healthy = page().await;
    assert_eq!(health(&healthy).0, "SERVING");
    assert!(health(&healthy).1.contains("1 of 1 resources, for 59m59s at least"), "{healthy}");
    assert!(healthy.contains(&format!("<bdi>{VAULT}</bdi>")) && healthy.contains(">held</span>"));
    assert!(healthy.contains("<strong>59m59s</strong> of service are left"), "{healthy}");
    assert!(healthy.contains("None: whatever failed has worked since."), "{healthy}");
    let token = credential.token(&Scope::parse(&format!("{VAULT}/.default")).unwrap()).await;
    let token = token.unwrap();
    assert_eq!(
        status().await["runway_seconds"],
        token.remaining_at(world.sim.clock().boot()).as_secs()
    );

    // Entra vanishes, and the token comes to be due.
    world.sim.faults().inject(Target::Entra, Fault::Reset);
    tokio::time::sleep(Duration::from_secs(3000)).await;
    ask(&endpoint, msi(VAULT)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let down = page().await;
    assert_eq!(health(&down).0, "SERVING FROM WHAT IS HELD", "{down}");
    assert!(health(&down).1.contains("what is held lasts 9m49s longer"), "{down}");
    assert!(
        down.contains("held, refresh fails")
            && down.contains(">connection_lost</span>")
            && down.contains("correlation id"),
        "{down}"
    );

    // What is asked for first now cannot be had at all.
    ask(&endpoint, msi("api://never")).await;
    let worse = page().await;
    assert_eq!(health(&worse).0, "NOT SERVING ALL");
    assert!(
        health(&worse).1.contains("1 of 2 resources in use have no token; api://never of identity")
    );
    assert!(worse.contains("Runway: <strong>none</strong>"), "{worse}");
    for page in [healthy, down, worse] {
        assert!(!page.contains(token.secret().expose()) && !page.contains(&world.assertion()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_gets_nothing_is_not_ready() {
    let world = World::new();
    let (endpoint, admin, _) = world.endpoints(&[]);
    let page = async || text(ask_admin(&admin, "/status")).await;
    let refuse = |code| {
        world.sim.faults().clear();
        let refused = Fault::Aadsts { code, status: None, retry_after: None };
        world.sim.faults().inject(Target::Entra, refused);
    };
    refuse(70_021);
    ask(&endpoint, msi(VAULT)).await;
    let told = page().await;
    assert_eq!(health(&told).0, "NOT SERVING ALL");
    assert!(health(&told).1.contains("1 of 1 resources in use have no token"), "{told}");
    assert!(health(&told).1.ends_with("entra_no_matching_credential"), "{told}");
    // Nobody asks again.
    tokio::time::sleep(Duration::from_secs(302)).await;
    refuse(500_011);
    ask(&endpoint, msi("api://misspelt")).await;
    let told = page().await;
    let line = "No resource is in use; what was asked for and not had is told below";
    assert_eq!(health(&told), ("READY", line), "{told}");
    assert!(told.contains(Reason::EntraResourceUnknown.remedy()), "{told}");
    for why in [
        "<small>never had, and not asked for within the last five minutes</small>",
        "<small>never had: it is the resource itself that is refused</small>",
    ] {
        assert!(told.contains(why), "{why}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_that_is_no_good_is_told_until_it_is_mended() {
    let world = World::new();
    let (endpoint, credential) = world.endpoint();
    let admin = world.admin(&credential, world.telemetry.clone());
    let trust = world.trust(&world.config(&[]), world.context());
    let _held = trust.credential(&world.config(&[]).policied.identities.identities[0]);
    let look = async || while trust.look_at_files().await == Look::Settling {};
    look().await;
    ask(&endpoint, msi(VAULT)).await;
    world.write_assertion(b"no token");
    look().await;
    let page = text(ask_admin(&admin, "/status")).await;
    assert_eq!(health(&page).0, "SERVING");
    let line = "a changed file (token) is no good, so what was there before is used";
    assert!(health(&page).1.contains(line), "{page}");
    assert!(page.contains("(AZURE_FEDERATED_TOKEN_FILE) has changed and cannot be used"), "{page}");
    let status = json(ask_admin(&admin, "/status.json")).await;
    let [file] = &status["refused_files"].as_array().unwrap()[..] else { panic!("{status}") };
    assert_eq!(
        (&file["what"], &file["setting"]),
        (&"token".into(), &"AZURE_FEDERATED_TOKEN_FILE".into())
    );
    let path = file["path"].as_str().unwrap();
    assert!(file["problem"].as_str().unwrap().contains(path), "{file}");

    world.project();
    look().await;
    let page = text(ask_admin(&admin, "/status")).await;
    assert!(health(&page).1.contains("1 of 1 resources"), "{page}");
    assert!(!page.contains("cannot be used"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_hangs_is_told_before_it_has_failed() {
    let world = World::new();
    let (endpoint, admin, _) = world.endpoints(&[]);
    let endpoint = Arc::new(endpoint);
    ask(&endpoint, msi(VAULT)).await;
    world.sim.faults().inject(Target::Entra, Fault::Hang);
    tokio::time::sleep(Duration::from_secs(3580)).await;
    let asking = start_asking(&endpoint, VAULT).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let page = text(ask_admin(&admin, "/status")).await;
    assert_eq!(health(&page).0, "SERVING FROM WHAT IS HELD", "{page}");
    let line = "The refresh of 1 of 1 tokens is under way and late; what is held lasts";
    assert!(health(&page).1.starts_with(line) && page.contains("held, refresh is late"), "{page}");
    assert_eq!(asking.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_an_issuer_says_is_text_and_nothing_else() {
    let world = World::new();
    let (endpoint, admin, _) = world.endpoints(&[]);
    let hostile = [
        "\"><script>alert(1)</script><img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "\u{202e}\u{2066}txet desrever",
        &"k".repeat(10_000),
    ];
    for kid in hostile {
        world.sim.issuer().publish(&SigningKey::generate_ec().unwrap().with_kid(kid));
    }
    ask(&endpoint, msi(VAULT)).await;
    ask(&endpoint, msi("api://%3Cscript%3Ealert(1)%3C/script%3E")).await;
    let page = text(ask_admin(&admin, "/status")).await;
    for mark in ["<script", "<img", "href=\"javascript:", " style=", "onerror=alert(1)>"] {
        assert!(!page.contains(mark), "{mark}: {page}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is told: {page}");
    assert!(page.is_ascii() || !page.contains(['\u{202e}', '\u{2066}']), "{page}");
    assert!(page.contains("\\u{202e}") && !page.contains(&"k".repeat(300)), "{page}");
}

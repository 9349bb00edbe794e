use std::time::Duration;

use cambist_core::clock::Clock as _;
use cambist_sim::clock::Machine;
use cambist_sim::fault::{Fault, Target};
use serde_json::Value;

use crate::admin::Admin;
use crate::testing::{VAULT, World, ask, ask_admin, json, msi};

async fn explained(admin: &Admin, query: &str) -> (u16, Value) {
    let response = ask_admin(admin, &format!("/explain{query}"));
    let status = response.status().as_u16();
    (status, json(response).await)
}

/// The steps that are told of the identity and of its first caller: each one's state and what it says.
fn steps(explained: &Value) -> impl Fn(&str) -> (String, String) + use<> {
    let of = |member: &str| explained[member][0]["steps"].as_array().unwrap().clone();
    let steps = [of("identities"), of("callers")].concat();
    move |name| {
        let step = steps.iter().find(|step| step["step"] == name).unwrap();
        let text = |member: &str| step[member].as_str().unwrap_or_default().to_owned();
        (text("state"), format!("{} {}", text("says"), text("fix")))
    }
}

#[tokio::test(start_paused = true)]
async fn each_decision_of_an_answer_is_told() {
    let world = World::new();
    let (endpoint, admin, _) = world.endpoints(&[]);
    let vault = format!("?resource={VAULT}");
    let (_, told) = explained(&admin, &vault).await;
    assert_eq!(told["failing"], false, "{told}");
    let before = steps(&told);
    for step in ["cache", "projected token", "key", "exchange", "answer"] {
        assert_eq!(before(step).0, "none", "{step}: {}", before(step).1);
    }
    for _ in 0..3 {
        ask(&endpoint, msi(VAULT)).await;
    }
    tokio::time::sleep(Duration::from_secs(90)).await;
    let (_, told) = explained(&admin, &vault).await;
    assert_eq!(told["failing"], false, "{told}");
    // Two callers may have it, and what is of the identity is told once.
    let count = |member: &str| told[member].as_array().unwrap().len();
    assert_eq!((count("identities"), count("callers")), (1, 2), "{told}");
    let after = steps(&told);
    for (step, state, says) in [
        ("caller", "ok", "app is known by its header secret"),
        ("policy", "ok", "without naming it"),
        ("cache", "ok", "last asked for 1m30s ago"),
        ("projected token", "ok", "jti "),
        ("key", "ok", "at the latest"),
        ("exchange", "ok", "client-request-id "),
        ("answer", "ok", "had the token that is held 3 times"),
    ] {
        let (is, told) = after(step);
        assert!(is == state && told.contains(says), "{step}: {is}: {told}");
    }
    let id = world.sim.journal().entries().into_iter().find_map(|entry| entry.assertion).unwrap();
    assert!(after("projected token").1.contains(&id), "{told}");
    assert!(!told.to_string().contains("eyJ"), "no token: {told}");
}

#[tokio::test(start_paused = true)]
async fn what_entra_said_is_told_with_its_fix() {
    let world = World::new();
    let (endpoint, admin, _) = world.endpoints(&[]);
    let fault = Fault::Aadsts { code: 700_016, status: None, retry_after: None };
    world.sim.faults().inject(Target::Entra, fault);
    ask(&endpoint, msi("api://refused")).await;
    ask(&endpoint, msi(VAULT).header("Origin", "null")).await;
    let (_, told) = explained(&admin, "?resource=api://refused").await;
    let step = steps(&told);
    assert_eq!(step("cache").0, "failed");
    assert_eq!(step("projected token").0, "ok", "it came that far: {told}");
    let (state, says) = step("exchange");
    assert!(state == "failed" && says.contains("AADSTS700016"), "{says}");
    assert!(step("answer").1.contains("entra_app_unknown"), "{told}");
    assert_eq!(told["refusals"][0]["reason"], "browser", "{told}");

    assert_eq!((&told["failing"], &told["refusals"][0]["last"]), (&true.into(), &false.into()));
    // It was not known who that was, so it was not this one.
    let (_, told) = explained(&admin, "?resource=api://refused&caller=app").await;
    assert_eq!(told["refusals"].as_array().unwrap().len(), 0, "{told}");

    let names = r#"the policy knows no caller "nobody"; it knows "app", "anonymous""#;
    for (query, says) in [
        ("?resource=api://refused&caller=nobody", names),
        ("?resource=api://refused&identity=none", r#"no identity "none"; it knows "identity""#),
        ("", "say of which resource"),
    ] {
        let (status, told) = explained(&admin, query).await;
        assert_eq!((status, &told["schemaVersion"]), (400, &1.into()), "{told}");
        assert!(told["message"].as_str().unwrap().contains(says), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_step_that_failed_is_told_and_no_other() {
    let world = World::new();
    let (endpoint, admin, _) = world.endpoints(&[]);
    let now = world.sim.clock_of(Machine::Pod).wall().as_secs();
    let old = world.sim.token_spec().claim("iat", now - 7200).claim("nbf", now - 7200);
    let old = old.claim("exp", now - 3600);
    world.write_assertion(world.sim.issuer().sign(&old).unwrap().as_bytes());
    ask(&endpoint, msi(VAULT)).await;
    let (_, told) = explained(&admin, &format!("?resource={VAULT}")).await;
    let step = steps(&told);
    let (state, says) = step("projected token");
    assert!(state == "failed" && says.contains("is not sent to Entra"), "{state}: {says}");
    for later in ["key", "exchange"] {
        assert_eq!(step(later), ("none".to_owned(), "it did not come to that ".to_owned()));
    }
    let (state, says) = step("answer");
    let word = "app's last request failed at ";
    assert!(
        state == "failed" && says.starts_with(word) && says.contains("token_expired"),
        "{says}"
    );
    assert_eq!(told["failing"], true);
}

/// A token that is held is answered with, and that it could not be renewed is told.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_failed_is_told_beside_the_token_that_is_held() {
    let world = World::new();
    let (endpoint, admin, credential) = world.endpoints(&[]);
    ask(&endpoint, msi(VAULT)).await;
    let status = http::StatusCode::SERVICE_UNAVAILABLE;
    world.sim.faults().inject(Target::Entra, Fault::Status { status, retry_after: None });
    let mut waited = 0;
    while credential.entries()[0].failure.is_none() {
        assert!(waited < 1440, "no refresh was tried within a day");
        waited += 1;
        world.project();
        tokio::time::sleep(Duration::from_secs(60)).await;
        ask(&endpoint, msi(VAULT)).await;
    }
    let (_, told) = explained(&admin, &format!("?resource={VAULT}&caller=app")).await;
    let step = steps(&told);
    assert_eq!((step("exchange").0, step("answer").0), ("warning".to_owned(), "ok".to_owned()));
    assert_eq!(told["failing"], true, "{told}");
}

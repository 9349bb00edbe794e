use std::time::Duration;

use cambist_sim::fault::{Fault, Target};
use serde_json::Value;

use crate::admin::Admin;
use crate::testing::{VAULT, World, ask, ask_admin, json, msi};

async fn explained(admin: &Admin, query: &str) -> (u16, Value) {
    let response = ask_admin(admin, &format!("/explain{query}"));
    let status = response.status().as_u16();
    (status, json(response).await)
}

/// The chain that is told of a resource, by its steps: each one's state and what it says.
fn steps(explained: &Value) -> impl Fn(&str) -> (String, String) + use<> {
    let steps = explained["chains"][0]["steps"].as_array().unwrap().clone();
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
    let before = steps(&explained(&admin, &vault).await.1);
    for step in ["cache", "projected token", "key", "exchange", "answer"] {
        assert_eq!(before(step).0, "none", "{step}: {}", before(step).1);
    }
    for _ in 0..3 {
        ask(&endpoint, msi(VAULT)).await;
    }
    tokio::time::sleep(Duration::from_secs(90)).await;
    let (_, told) = explained(&admin, &vault).await;
    let after = steps(&told);
    for (step, state, says) in [
        ("caller", "ok", "app is known by its header secret"),
        ("policy", "ok", "without naming it"),
        ("cache", "ok", "last asked for 1m30s ago"),
        ("projected token", "ok", "jti "),
        ("key", "ok", "verified by key "),
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

    let (status, told) = explained(&admin, "?resource=api://refused&caller=nobody").await;
    assert_eq!((status, told["chains"].as_array().unwrap().len()), (200, 0), "{told}");
    assert_eq!(explained(&admin, "").await.0, 400);
}

use cambist_core::secret::Secret;
use cambist_sim::clock::Machine;
use cambist_sim::fault::{Fault, Target};
use http::StatusCode;

use super::*;
use crate::access::{Access, Proof};
use crate::front_door::Door;
use crate::testing::{Lines, SECRET, VAULT, World, ask, asking, json, link, msi, start_asking};
use cambist_core::policy::{Caller, Identity, Mode, Policy};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_and_then_handed_out_at_once() {
    let world = World::new();
    let (endpoint, _) = world.endpoint();
    let first = json(ask(&endpoint, msi(VAULT)).await).await;
    let fields: Vec<_> = first.as_object().unwrap().iter().collect();
    assert_eq!(fields.len(), 8);
    assert!(fields.iter().all(|(_, value)| value.is_string()), "{first}");
    assert_eq!(first["resource"], VAULT);
    assert_eq!(first["client_id"], world.sim.settings().client_id);

    tokio::time::sleep(secs(100)).await;
    let request = asking(&format!("/v1/token?scope={VAULT}/.default")).body(()).unwrap();
    let Answer::Now(second) = endpoint.answer(&link(), &request) else { panic!("it is cached") };
    let second = json(second).await;
    assert_eq!(second["access_token"], first["access_token"]);
    assert_eq!(second["expires_on"], first["expires_on"]);
    let left = |body: &serde_json::Value| body["expires_in"].as_str().unwrap().parse::<u64>();
    assert_eq!(left(&first).unwrap() - left(&second).unwrap(), 100);
    assert_eq!(world.asked(), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_printed_end_follows_a_wall_clock_that_was_set() {
    let world = World::new();
    let (endpoint, _) = world.endpoint();
    let number = |body: &serde_json::Value| body["expires_on"].as_str().unwrap().parse::<i64>();
    let before = number(&json(ask(&endpoint, msi(VAULT)).await).await).unwrap();
    world.sim.clock_of(Machine::Pod).skew(-3600);
    // The app reads the same clock: told the old moment, it would hold the token an hour too long.
    let after = number(&json(ask(&endpoint, msi(VAULT)).await).await).unwrap();
    assert_eq!(before - after, 3600);
}

#[tokio::test(start_paused = true)]
async fn a_least_lifetime_is_heeded() {
    let world = World::new();
    let (endpoint, _) = world.endpoint();
    ask(&endpoint, msi(VAULT)).await;
    tokio::time::sleep(secs(2000)).await;
    world.project();
    let native = |ttl: u64| asking(&format!("/v1/token?scope={VAULT}/.default&min_ttl={ttl}"));
    let body = json(ask(&endpoint, native(60)).await).await;
    assert_eq!(world.asked().0, 1, "{body}");
    let body = json(ask(&endpoint, native(3000)).await).await;
    assert_eq!(world.asked().0, 2, "{body}");
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_trouble_has_its_status() {
    let aadsts = |code| Fault::Aadsts { code, status: None, retry_after: None };
    let status = |status: u16, after: Option<&str>| Fault::Status {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: after.map(str::to_owned),
    };
    for (fault, expected, retry) in [
        (aadsts(700_016), 403, false),
        (aadsts(700_213), 403, false),
        (aadsts(90033), 503, true),
        (status(429, Some("77")), 429, true),
        (status(503, None), 503, true),
        (Fault::Reset, 503, true),
        (Fault::Html(StatusCode::BAD_GATEWAY), 503, true),
        (Fault::Hang, 503, true),
    ] {
        let world = World::new();
        let (endpoint, _) = world.endpoint();
        world.sim.faults().inject(Target::Entra, fault.clone());
        let response = ask(&endpoint, msi(VAULT)).await;
        assert_eq!(response.status(), expected, "{fault:?}");
        let after = response.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(after.is_some(), retry, "{fault:?}");
        assert!(after.is_none_or(|secs| (1..=5).contains(&secs.parse::<u64>().unwrap())));
        let reason = response.headers()["x-cambist-reason"].to_str().unwrap().to_owned();
        let body = json(response).await;
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("{reason}: ")), "{description}");
        assert_eq!(body["message"], description);
        assert_eq!(body["statusCode"], expected);
        let long = matches!(&fault, Fault::Status { retry_after: Some(_), .. });
        assert_eq!(description.ends_with("no answer for another 77 s"), long, "{description}");
        // Asked again at once, it answers from memory.
        let asked = world.asked().0;
        assert_eq!(ask(&endpoint, msi(VAULT)).await.status(), expected, "{fault:?}");
        assert_eq!(world.asked().0, asked, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn entras_own_words_reach_the_app() {
    let world = World::new();
    let (endpoint, _) = world.endpoint();
    let fault = Fault::Aadsts { code: 700_213, status: None, retry_after: None };
    world.sim.faults().inject(Target::Entra, fault);
    let body = json(ask(&endpoint, msi(VAULT)).await).await;
    assert_eq!(body["error_codes"], serde_json::json!([700_213]));
    assert!(body["message"].as_str().unwrap().contains("AADSTS700213"), "{body}");
    assert_ne!(body["trace_id"], "");
    assert_eq!(body["correlationId"], body["correlation_id"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_is_counted() {
    let world = World::new();
    let (endpoint, credential) = world.endpoint();
    ask(&endpoint, msi(VAULT)).await;
    ask(&endpoint, msi(VAULT)).await;
    ask(&endpoint, msi(VAULT).header("Origin", "null")).await;
    ask(&endpoint, Request::get("/")).await;
    let text = world.scrape(&credential);
    for line in [
        "cambist_requests_total{protocol=\"app-service\",status=\"200\"} 2",
        "cambist_requests_total{protocol=\"app-service\",status=\"403\"} 1",
        "cambist_requests_total{protocol=\"none\",status=\"400\"} 1",
        "cambist_refused_total{reason=\"browser\"} 1",
        "cambist_refused_total{reason=\"host\"} 1",
        "cambist_served_total{caller=\"app\",identity=\"identity\",how=\"fetched\"} 1",
        "cambist_served_total{caller=\"app\",identity=\"identity\",how=\"hit\"} 1",
        "cambist_fetches_total{hop=\"resource\",outcome=\"ok\",reason=\"none\"} 1",
        "cambist_admissions_total{standing=\"verified\",reason=\"none\"} 1",
        "cambist_key_fetches_total{source=\"public\",outcome=\"read\"} 1",
        "cambist_token_held{identity=\"identity\",resource=\"https://vault.azure.net\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_refusal_again_and_again_is_a_few_lines_with_counts() {
    let (lines, guard) = crate::testing::Lines::listen("info");
    let world = World::new();
    let (endpoint, _) = world.endpoint();
    let fault = Fault::Aadsts { code: 700_016, status: None, retry_after: None };
    world.sim.faults().inject(Target::Entra, fault);
    let summing = {
        let telemetry = world.telemetry.clone();
        tokio::spawn(async move { telemetry.sum_up().await })
    };
    for _ in 0..600 {
        assert_eq!(ask(&endpoint, msi(VAULT)).await.status(), 403);
        ask(&endpoint, Request::get("/")).await;
        tokio::time::sleep(secs(1)).await;
    }
    tokio::time::sleep(secs(130)).await;
    summing.abort();
    drop(guard);
    let told = |message: &str| {
        let events = lines.events().into_iter();
        let mine = events.filter(|e| e["outcome"] == message);
        mine.map(|e| e["count"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    for message in ["failed", "refused"] {
        let told = told(message);
        assert!(told.len() <= 11, "{message}: {}", lines.text());
        assert_eq!(told.iter().sum::<u64>(), 600, "none is lost: {told:?}");
    }
    let longest = lines.text().lines().map(str::len).max();
    assert!(longest < Some(2048), "{longest:?}");
}

/// Asks, and waits until the answer is there or it waits for Entra.
fn reason(response: &Response<Body>) -> &str {
    response.headers()["x-cambist-reason"].to_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_need_not_wait_does_not_notice_those_who_do() {
    let world = World::new();
    let (endpoint, credential) = world.endpoint();
    let endpoint = Arc::new(endpoint);
    ask(&endpoint, msi(VAULT)).await;
    let aadsts = Fault::Aadsts { code: 700_213, status: None, retry_after: None };
    world.sim.faults().inject_next(1, Target::Entra, aadsts);
    assert_eq!(ask(&endpoint, msi("api://refused")).await.status(), 403);
    world.sim.faults().inject(Target::Entra, Fault::Hang);
    let mut waiting = Vec::new();
    for _ in 0..world.waiting.places() {
        waiting.push(start_asking(&endpoint, "api://a").await);
    }
    // What is held, and what is known to be refused, is answered as ever.
    let asked = msi(VAULT).body(()).unwrap();
    assert!(matches!(endpoint.answer(&link(), &asked), Answer::Now(it) if it.status() == 200));
    let refused = ask(&endpoint, msi("api://refused")).await;
    assert_eq!(
        (refused.status().as_u16(), reason(&refused)),
        (403, "entra_no_matching_credential")
    );
    // One too many is told so at once, and leaves its connection.
    let started = tokio::time::Instant::now();
    let busy = ask(&endpoint, msi("api://a")).await;
    assert_eq!((busy.status().as_u16(), reason(&busy)), (503, "busy"));
    assert_eq!(busy.headers()["retry-after"], "1");
    assert_eq!(busy.headers()["connection"], "close");
    assert_eq!(started.elapsed(), Duration::ZERO);
    // Callers of something else get half of the places.
    let other = start_asking(&endpoint, "api://b").await;
    assert!(!other.is_finished());
    let last = waiting.pop().unwrap().await.unwrap();
    assert_eq!((last.status().as_u16(), reason(&last)), (503, "busy"));
    // Whoever leaves gives its place back.
    waiting.pop().unwrap().abort();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let text = world.scrape(&credential);
    for line in ["cambist_waiting 3", "cambist_sent_away_total{reason=\"busy\"} 2"] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let other = start_asking(&endpoint, "api://b").await;
    assert!(!other.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_held_token_is_answered_also_where_nobody_may_wait_for_a_better_one() {
    let world = World::new();
    let (endpoint, _) = world.endpoint();
    let endpoint = Arc::new(endpoint);
    let first = json(ask(&endpoint, msi(VAULT)).await).await;
    world.sim.faults().inject(Target::Entra, Fault::Hang);
    for _ in 0..world.waiting.places() {
        start_asking(&endpoint, "api://a").await;
    }
    // Past half of its life, so that a younger one might be had.
    tokio::time::sleep(secs(1900)).await;
    world.project();
    for _ in 0..world.waiting.places() {
        start_asking(&endpoint, "api://a").await;
    }
    for _ in 0..world.waiting.places() {
        let native = asking(&format!("/v1/token?scope={VAULT}/.default&min_ttl=3000"));
        let got = ask(&endpoint, native).await;
        assert_eq!(json(got).await["access_token"], first["access_token"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_drain_answers_those_who_wait() {
    let world = World::new();
    let (endpoint, _) = world.endpoint();
    let endpoint = Arc::new(endpoint);
    world.sim.faults().inject(Target::Entra, Fault::Hang);
    let waiting = start_asking(&endpoint, VAULT).await;
    world.waiting.end();
    let told = waiting.await.unwrap();
    assert_eq!((told.status().as_u16(), reason(&told)), (503, "draining"));
    assert_eq!(told.headers()["retry-after"], "1");
    let body = json(told).await;
    assert_eq!(body["error"], "temporarily_unavailable");
    let late = ask(&endpoint, msi("api://late")).await;
    assert_eq!(reason(&late), "draining");
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_of_each_token_once() {
    let (lines, _guard) = Lines::listen("info");
    let world = World::new();
    let (endpoint, credential) = world.endpoint();
    let endpoint = Arc::new(endpoint);
    // Several at once, and others later.
    let first = start_asking(&endpoint, VAULT).await;
    ask(&endpoint, msi(VAULT)).await;
    first.await.unwrap();
    ask(&endpoint, asking(&format!("/v1/token?scope={VAULT}/.default"))).await;
    // One that was there before anybody asked.
    let scope = Scope::parse("api://prefetched/.default").unwrap();
    credential.token(&scope).await.unwrap();
    for _ in 0..3 {
        ask(&endpoint, msi("api://prefetched")).await;
    }
    let granted: Vec<_> =
        lines.events().into_iter().filter(|event| event["message"] == "granted").collect();
    let resources: Vec<_> = granted.iter().map(|event| event["resource"].as_str()).collect();
    assert_eq!(resources, [Some(VAULT), Some("api://prefetched")]);
    assert_eq!(granted[0]["protocol"], "app-service");
    assert_eq!(granted[0]["client_id"], world.sim.settings().client_id);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_looks_on_answers_and_tells_and_one_that_is_enforced_refuses() {
    for (mode, status) in [(Mode::Audit, StatusCode::OK), (Mode::Enforce, StatusCode::FORBIDDEN)] {
        let (lines, _guard) = Lines::listen("info");
        let world = World::new();
        let (_, credential) = world.endpoint();
        let identity = Identity::new("checkout", &*world.sim.settings().client_id);
        let app = Caller::new("app").may(0, [VAULT.parse().unwrap()]);
        let policy = Policy::new(mode, vec![identity], vec![app]);
        let proofs = vec![Proof::Secrets(vec![Secret::new(SECRET)])];
        let policy = Access::new(Door::tokens(8421), Protocol::ALL.to_vec(), policy, proofs);
        let endpoint = world.endpoint_by(policy, &credential, world.telemetry.clone());
        assert_eq!(ask(&endpoint, msi(VAULT)).await.status(), StatusCode::OK, "{mode:?}");
        let reply = ask(&endpoint, msi("https://management.azure.com/")).await;
        assert_eq!(reply.status(), status, "{mode:?}");
        let told: Vec<_> =
            lines.events().into_iter().filter(|event| event["message"] == "would_deny").collect();
        if mode == Mode::Audit {
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0]["caller"], "app");
            assert_eq!(told[0]["resource"], "https://management.azure.com/");
        } else {
            assert!(told.is_empty(), "{told:?}");
            let body = json(reply).await;
            assert!(body["message"].as_str().unwrap().starts_with("policy_denied: "), "{body}");
            assert_eq!(world.asked().0, 1, "exchanges: nothing is fetched for who may not have it");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_app_misplaces_is_told_nowhere() {
    let (lines, guard) = Lines::listen("trace");
    let (world, records) = World::audited(&[]);
    let (endpoint, credential) = world.endpoint();
    let admin = world.admin(&credential, world.telemetry.clone());
    let token = json(ask(&endpoint, msi(VAULT)).await).await["access_token"].clone();
    let (token, assertion) = (token.as_str().unwrap().to_owned(), world.assertion());
    let cut = |text: &str| text.chars().take(400).collect::<String>();
    let msi_token = "/msi/token?api-version=2019-08-01";
    for misplaced in [SECRET.to_owned(), cut(&token), cut(&assertion)] {
        let host = |target: &str| http::Request::get(target).header("Host", &misplaced);
        for (request, status) in [
            (asking(&format!("/msi/token/{misplaced}")), 403),
            (msi(&misplaced), 403),
            (msi(&format!("api://{misplaced}")), 403),
            (asking(&format!("/v1/token?scope={misplaced}/.default")), 403),
            (asking(&format!("{msi_token}&resource={VAULT}&client_id={misplaced}")), 403),
            (asking(&format!("{misplaced}&{misplaced}").replacen("", "/v1/token?", 1)), 400),
            (asking(&format!("/msi/token?api-version={misplaced}")), 400),
            (host("/msi/token"), 403),
        ] {
            let answer = ask(&endpoint, request).await;
            assert_eq!(answer.status(), status);
            let answer = crate::testing::text(answer).await;
            assert!(!answer.contains(&misplaced[..30.min(misplaced.len())]), "{answer}");
        }
        let turned_away = host("/live").body(()).unwrap();
        admin.answer(link().ends(), &turned_away);
        // What comes again within the minute is only counted.
        tokio::time::sleep(secs(61)).await;
    }
    drop(guard);
    let mut told: Vec<_> = records.all().iter().map(ToString::to_string).collect();
    told.push(lines.text());
    for place in ["/status", "/status.json", "/metrics"] {
        told.push(crate::testing::text(crate::testing::ask_admin(&admin, place)).await);
    }
    let told = told.join("\n");
    for it in [SECRET, &token[..30], &assertion[..30]] {
        assert!(!told.contains(it), "{it} is in {told}");
    }
    assert!(told.contains("[secret]") && told.contains("[token]"), "{told}");
    // What it should have asked for is still had.
    assert_eq!(ask(&endpoint, msi(VAULT)).await.status(), 200);
}

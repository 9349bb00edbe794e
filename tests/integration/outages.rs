//! Entra, the issuer, or both of them failing.

use std::time::Duration;

use futures_util::future::join_all;
use kit::sidecar::VAULT;
use kit::{Counts, Sidecar, World, eventually};
use serde_json::{Value, json};

use crate::{sidecar, sidecar_with};

/// All that the simulator can do to Entra.
fn faults() -> Vec<Value> {
    let status = |status: u16| json!({"target": "entra", "kind": "status", "status": status});
    let aadsts = |code: u32| json!({"target": "entra", "kind": "aadsts", "code": code});
    let mut faults: Vec<_> = [400, 401, 403, 404, 408, 500, 502, 503, 504].map(status).into();
    faults.extend(
        [70_021, 700_016, 700_024, 7_000_272, 501_661, 90_033, 50_196, 500_011, 53_003].map(aadsts),
    );
    faults.extend([
        json!({"target": "entra", "kind": "hang"}),
        json!({"target": "entra", "kind": "reset"}),
        json!({"target": "entra", "kind": "html"}),
        json!({"target": "entra", "kind": "empty"}),
        json!({"target": "entra", "kind": "truncate"}),
        json!({"target": "entra", "kind": "redirect"}),
        json!({"target": "entra", "kind": "wrong-type"}),
        json!({"target": "entra", "kind": "body", "body": ""}),
        json!({"target": "entra", "kind": "body", "body": "{}"}),
        json!({"target": "entra", "kind": "body", "body": "null", "content_type": "text/plain"}),
        json!({"target": "entra", "kind": "body",
               "body": "{\"token_type\":\"Bearer\",\"expires_in\":0,\"access_token\":\"a.b.c\"}"}),
        json!({"target": "entra", "kind": "body",
               "body": "{\"token_type\":\"Bearer\",\"expires_in\":\"soon\",\"access_token\":\"a.b.c\"}"}),
        json!({"target": "entra", "kind": "body",
               "body": "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"\"}"}),
        json!({"target": "entra", "kind": "status", "status": 429, "retry_after": "60"}),
        json!({"target": "entra", "kind": "status", "status": 503, "retry_after": "60"}),
        json!({"target": "entra", "kind": "status", "status": 429,
               "retry_after": "Fri, 31 Dec 2055 23:59:59 GMT"}),
    ]);
    faults
}

/// A world whose access tokens live so short that their refresh can be watched.
async fn hasty_world() -> World {
    World::with(|options| options.access_token_lifetime = Duration::from_secs(12)).await
}

/// Asks for the held token until its refresh has been tried and has failed, and some times more.
async fn holds_through(fault: Value) {
    let world = hasty_world().await;
    let sidecar = sidecar(&world).await;
    let token = sidecar.token(VAULT).await.member("access_token");
    world.fault(fault.clone()).await;
    let is_held = async || {
        let reply = sidecar.token(VAULT).await;
        assert_eq!(reply.status, 200, "with {fault}: {reply:?}");
        assert_eq!(reply.member("access_token"), token, "with {fault}");
    };
    let failed = format!("with {fault}, a refresh");
    eventually(&failed, async || {
        is_held().await;
        (world.counts().await.entra >= 2).then_some(())
    })
    .await;
    // All at once, since each may wait a moment for a refresh that hangs.
    join_all((0..10).map(|_| is_held())).await;
    let tried = world.counts().await.entra;
    // A stale assertion is read again and sent once more, and the shortest pause is over by now.
    assert!(tried <= 4, "with {fault}: {tried} requests");
    sidecar.ended_by_force().await;
}

#[tokio::test]
#[ignore = "slow: every way that Entra can fail, one after the other"]
async fn while_a_token_is_held_no_failure_of_entra_is_felt() {
    for some in faults().chunks(18) {
        join_all(some.iter().cloned().map(holds_through)).await;
    }
}

/// A sidecar whose held token has run out while Entra asked to be left alone.
#[tokio::test]
#[ignore = "slow: waits for a real token to end"]
async fn nothing_is_called_during_a_retry_after_and_no_token_outlives_itself() {
    let world = hasty_world().await;
    let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_PREFETCH", VAULT)).await;
    assert_eq!(sidecar.health(&["--tokens", "--wait", "60s"]).await.code(), Some(0));
    let held = sidecar.token(VAULT).await.member("access_token");
    world
        .fault(json!({"target": "entra", "kind": "status", "status": 429, "retry_after": "300"}))
        .await;
    let refused = eventually("the end of the held token", async || {
        let reply = sidecar.token(VAULT).await;
        if reply.status == 200 {
            assert_eq!(reply.member("access_token"), held);
            return None;
        }
        Some(reply)
    })
    .await;
    assert_eq!((refused.status, refused.reason()), (429, "entra_throttled"), "{refused:?}");
    // SDKs sleep through it several times over: they are told of a short pause, people of the whole.
    assert_eq!(refused.retry_after(), Some(5), "{refused:?}");
    let message = refused.member("message");
    let wait = message.rsplit_once("no answer for another ").unwrap().1.strip_suffix(" s").unwrap();
    assert!((200..=300).contains(&wait.parse::<u64>().unwrap()), "{message}");
    // Prefetching, other scopes, and a caller who insists: all of them leave Entra alone.
    for n in 0..20 {
        assert_eq!(sidecar.token(VAULT).await.status, 429);
        assert_eq!(sidecar.token(&format!("api://app-{n}")).await.status, 429);
        let insisting = sidecar.native(VAULT).more("&min_ttl=3000");
        assert_eq!(sidecar.send(&insisting).await.status, 429);
    }
    assert_eq!(world.counts().await.entra, 2);
    assert_eq!(sidecar.ask_admin("/ready").await.status, 200);
    assert_eq!(sidecar.ask_admin("/ready?tokens=1").await.status, 503);
    sidecar.stop().await;
}

#[tokio::test]
async fn without_the_issuer_tokens_are_issued_unchecked_and_said_to_be() {
    for kind in ["reset", "html", "wrong-type"] {
        let world = World::start().await;
        world.fault(json!({"target": "discovery", "kind": kind})).await;
        world.fault(json!({"target": "jwks", "kind": kind})).await;
        let sidecar = sidecar(&world).await;
        assert_eq!(sidecar.token(VAULT).await.status, 200);
        let unchecked = "cambist_admissions_total{standing=\"unchecked\",reason=\"no_keys\"}";
        assert_eq!(sidecar.metric(unchecked).await, 1, "{kind}");
        assert_eq!(sidecar.status().await["unchecked"]["no_keys"], 1, "{kind}");
        // Other scopes do not make anybody look again within the cooldown.
        for n in 0..5 {
            assert_eq!(sidecar.token(&format!("api://app-{n}")).await.status, 200);
        }
        assert_eq!(sidecar.metric(unchecked).await, 6, "{kind}");
        assert_eq!(world.counts().await, Counts { entra: 6, discovery: 1, jwks: 0 }, "{kind}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn without_the_issuer_an_enforcing_sidecar_holds_tokens_back() {
    let world = World::start().await;
    world.fault(json!({"target": "discovery", "kind": "reset"})).await;
    let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_KEY_AGE", "enforce")).await;
    let reply = sidecar.token(VAULT).await;
    assert_eq!((reply.status, reply.reason()), (503, "unchecked_held"), "{reply:?}");
    assert_eq!(reply.member("error"), "temporarily_unavailable");
    assert!(reply.retry_after().unwrap() <= 5, "{reply:?}");
    assert_eq!(world.counts().await.entra, 0, "nothing was sent");
    // It passes by itself.
    world.clear().await;
    eventually("a token", async || (sidecar.token(VAULT).await.status == 200).then_some(())).await;
    sidecar.stop().await;
}

/// Whatever is down when the sidecar starts, it starts; what comes back is used.
async fn recovers(sidecar: &Sidecar, world: &World) {
    for probe in ["/live", "/ready"] {
        assert_eq!(sidecar.ask_admin(probe).await.status, 200, "{probe}");
    }
    let reply = sidecar.token(VAULT).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.retry_after().unwrap() >= 1, "{reply:?}");
    assert!(!reply.reason().is_empty(), "{reply:?}");
    assert_eq!(reply.member("error"), "temporarily_unavailable");
    assert!(reply.member("message").starts_with(reply.reason()), "{reply:?}");
    for probe in ["/live", "/ready"] {
        assert_eq!(sidecar.ask_admin(probe).await.status, 200, "{probe}");
    }
    world.clear().await;
    eventually("a token after the outage", async || {
        let reply = sidecar.token(VAULT).await;
        assert!([200, 503].contains(&reply.status), "{reply:?}");
        (reply.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_everything_down_the_sidecar_starts_and_recovers_by_itself() {
    for fault in [
        json!({"kind": "status", "status": 503, "by": "all"}),
        json!({"kind": "reset", "by": "all"}),
        json!({"kind": "html", "by": "all"}),
    ] {
        let world = World::start().await;
        for target in ["entra", "discovery", "jwks"] {
            let mut fault = fault.clone();
            fault["target"] = target.into();
            world.fault(fault).await;
        }
        let sidecar = sidecar(&world).await;
        recovers(&sidecar, &world).await;
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn an_error_of_entras_is_passed_on_whole_and_not_asked_for_again() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    world.fault(json!({"target": "entra", "kind": "aadsts", "code": 700_016})).await;
    let reply = sidecar.token(VAULT).await;
    assert_eq!((reply.status, reply.reason()), (403, "entra_app_unknown"), "{reply:?}");
    assert_eq!(reply.retry_after(), None);
    let json = reply.json();
    assert_eq!(json["error_codes"], json!([700_016]));
    assert!(json["message"].as_str().unwrap().contains("AADSTS700016"), "{reply:?}");
    for field in ["trace_id", "correlation_id", "correlationId"] {
        assert_eq!(json[field].as_str().unwrap().len(), 36, "{field}: {reply:?}");
    }
    for _ in 0..10 {
        assert_eq!(sidecar.token(VAULT).await.status, 403);
    }
    assert_eq!(world.counts().await.entra, 1, "a permanent error is remembered");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_stale_assertion_is_read_again_and_sent_once_more() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    world.fault(json!({"target": "entra", "kind": "aadsts", "code": 700_024, "count": 1})).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    assert_eq!(world.counts().await.entra, 2);
    sidecar.stop().await;
}

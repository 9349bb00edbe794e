//! Many callers at once: the work is done once, and nobody waits for somebody else's.

use std::time::Duration;

use futures_util::future::join_all;
use kit::http::Connection;
use kit::sidecar::VAULT;
use kit::{Counts, World, eventually};
use rustix::process::Signal;
use serde_json::json;
use tokio::time::Instant;

use crate::sidecar;

/// Everybody's answer at once: resource, status and body.
async fn ask_all(sidecar: &kit::Sidecar, resources: &[String]) -> Vec<kit::Reply> {
    join_all(resources.iter().map(|resource| sidecar.token(resource))).await
}

#[tokio::test]
async fn a_thousand_cold_callers_cause_one_request_of_each_kind() {
    kit::program::raise_open_files();
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    // So that most of them are there before the first answer is.
    world.fault(json!({"target": "entra", "kind": "latency", "ms": 500})).await;
    let mut left = 1000;
    let mut tokens = Vec::new();
    while left > 0 {
        let replies = ask_all(&sidecar, &vec![VAULT.to_owned(); left]).await;
        let (granted, busy): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 200);
        tokens.extend(granted.iter().map(|reply| reply.member("access_token")));
        // There is not a place to wait in for all of them; who gets none asks again, as SDKs do.
        for reply in busy {
            assert_eq!((reply.status, reply.reason()), (503, "busy"), "{reply:?}");
            assert_eq!(reply.retry_after(), Some(1), "{reply:?}");
        }
        assert!(granted.len() >= left.min(400), "half of the connections' places are for waiting");
        left -= granted.len();
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert_eq!(world.counts().await, Counts { entra: 1, discovery: 1, jwks: 1 });
    sidecar.stop().await;
}

#[tokio::test]
async fn fifty_waiters_on_a_failing_exchange_cause_one() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    world.fault(json!({"target": "entra", "kind": "latency", "ms": 200})).await;
    world
        .fault(json!({"target": "entra", "kind": "status", "status": 503, "retry_after": "60"}))
        .await;
    let replies = ask_all(&sidecar, &vec![VAULT.to_owned(); 50]).await;
    for reply in &replies {
        assert_eq!((reply.status, reply.reason()), (503, "entra_unavailable"), "{reply:?}");
        assert!((1..=60).contains(&reply.retry_after().unwrap()), "{reply:?}");
        assert_eq!(reply.member("error"), "temporarily_unavailable");
    }
    // Whoever comes later is told the same, and so is whoever asks for something else: Entra's
    // pause is for the whole identity.
    for resource in [VAULT, "https://storage.azure.com"] {
        let reply = sidecar.token(resource).await;
        assert_eq!((reply.status, reply.reason()), (503, "entra_unavailable"), "{reply:?}");
    }
    assert_eq!(world.counts().await, Counts { entra: 1, discovery: 1, jwks: 1 });
    sidecar.stop().await;
}

#[tokio::test]
async fn twenty_cold_scopes_are_fetched_side_by_side() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    // Entra answers none of them before all twenty have asked: one after the other would never end.
    world.fault(json!({"target": "entra", "kind": "hang"})).await;
    let resources: Vec<_> = (0..20).map(|n| format!("api://app-{n}")).collect();
    let asking = ask_all(&sidecar, &resources);
    let all_there = eventually("twenty token requests at once", async || {
        (world.counts().await.entra == 20).then_some(())
    });
    tokio::select! {
        () = all_there => {}
        _ = asking => panic!("nobody can have been answered"),
    }
    sidecar.ended_by_force().await;

    let world = World::start().await;
    let sidecar = crate::sidecar(&world).await;
    world.fault(json!({"target": "entra", "kind": "latency", "ms": 100})).await;
    for reply in ask_all(&sidecar, &resources).await {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(world.counts().await, Counts { entra: 20, discovery: 1, jwks: 1 });
    sidecar.stop().await;
}

#[tokio::test]
async fn a_hung_scope_leaves_the_others_alone() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    world.fault(json!({"target": "entra", "kind": "hang", "count": 1})).await;
    let request = sidecar.app_service("api://hung");
    let hung = sidecar.send(&request);
    let meanwhile = async {
        eventually("the hung request", async || (world.counts().await.entra == 2).then_some(()))
            .await;
        // Cached answers, a cold scope, and the hung scope's own other callers.
        for _ in 0..200 {
            assert_eq!(sidecar.token(VAULT).await.status, 200);
        }
        assert_eq!(sidecar.token("api://cold").await.status, 200);
        assert_eq!(sidecar.ask_admin("/ready").await.status, 200);
        assert_eq!(world.counts().await.entra, 3);
    };
    tokio::select! {
        () = meanwhile => {}
        reply = hung => panic!("it should still hang: {reply:?}"),
    }
    sidecar.ended_by_force().await;
}

#[tokio::test]
async fn a_crowd_that_waits_for_entra_leaves_cached_answers_alone() {
    kit::program::raise_open_files();
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    world.fault(json!({"target": "entra", "kind": "hang"})).await;
    let request = sidecar.app_service("api://hung");
    let mut crowd = Vec::new();
    for _ in 0..1100 {
        let mut connection = Connection::open(sidecar.tokens()).await.unwrap();
        connection.send(&request.bytes()).await;
        crowd.push(connection);
    }
    let waiting = eventually("a full house", async || {
        let waiting = sidecar.metric("cambist_waiting").await;
        (waiting >= 400).then_some(waiting)
    })
    .await;
    for _ in 0..200 {
        let asked = Instant::now();
        assert_eq!(sidecar.token(VAULT).await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    // Who is one too many is told so at once; another scope finds places all the same.
    let busy = sidecar.send(&request).await;
    assert_eq!((busy.status, busy.reason(), busy.retry_after()), (503, "busy", Some(1)));
    let other = sidecar.app_service("api://other");
    let mut other_waits = Connection::open(sidecar.tokens()).await.unwrap();
    other_waits.send(&other.bytes()).await;
    eventually("the other scope's exchange", async || {
        (world.counts().await.entra == 3).then_some(())
    })
    .await;
    assert_eq!(sidecar.metric("cambist_waiting").await, waiting);
    // At the end all of them are answered, and it is not late.
    sidecar.signal(Signal::TERM);
    let reply = other_waits.receive().await.expect("it is answered");
    assert_eq!((reply.status, reply.reason()), (503, "draining"), "{reply:?}");
    let mut reasons = Vec::new();
    for mut connection in crowd {
        let reply = connection.receive().await.expect("everybody is answered");
        reasons.push(reply.reason().to_owned());
    }
    let count = |reason: &str| reasons.iter().filter(|it| *it == reason).count() as u64;
    assert_eq!((count("draining"), count("busy")), (waiting - 1, 1100 - waiting + 1));
    assert_eq!(sidecar.ended().await.code(), Some(0));
}

#[tokio::test]
async fn hung_keys_leave_cached_answers_alone() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    world.fault(json!({"target": "discovery", "kind": "hang"})).await;
    world.fault(json!({"target": "jwks", "kind": "hang"})).await;
    world.rotate(false).await;
    for _ in 0..200 {
        assert_eq!(sidecar.token(VAULT).await.status, 200);
    }
    assert_eq!(world.counts().await.entra, 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_cancel_the_work() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    world.fault(json!({"target": "entra", "kind": "latency", "ms": 500, "count": 1})).await;
    let mut leaver = Connection::open(sidecar.tokens()).await.unwrap();
    leaver.send(&sidecar.app_service(VAULT).bytes()).await;
    eventually("the exchange", async || (world.counts().await.entra == 1).then_some(())).await;
    drop(leaver);
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    assert_eq!(world.counts().await.entra, 1);
    sidecar.stop().await;
}

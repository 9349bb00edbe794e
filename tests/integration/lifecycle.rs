//! Starting, probing, prefetching, ending.

use std::time::Duration;

use kit::http::Connection;
use kit::sidecar::VAULT;
use kit::{World, eventually};
use rustix::process::Signal;
use serde_json::json;

use crate::{sidecar, sidecar_with};

#[tokio::test]
async fn what_is_prefetched_is_held_before_anybody_asks() {
    let world = World::start().await;
    let list = format!("{VAULT}, https://storage.azure.com/.default");
    let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_PREFETCH", list)).await;
    let health = sidecar.health(&["--tokens", "--wait", "60s"]).await;
    assert_eq!(health.code(), Some(0), "{health:?}");
    assert_eq!(sidecar.ask_admin("/ready?tokens=1").await.status, 200);
    assert_eq!(world.counts().await.entra, 2);
    for resource in [VAULT, "https://storage.azure.com"] {
        assert_eq!(sidecar.token(resource).await.status, 200);
        let held = format!("cambist_token_held{{identity=\"identity\",resource=\"{resource}\"}}");
        assert_eq!(sidecar.metric(&held).await, 1);
    }
    assert_eq!(world.counts().await.entra, 2, "the app waited for nothing");
    sidecar.stop().await;
}

#[tokio::test]
async fn readiness_asks_for_tokens_only_if_told_to() {
    let world = World::start().await;
    world.fault(json!({"target": "entra", "kind": "status", "status": 503})).await;
    let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_PREFETCH", VAULT)).await;
    assert_eq!(sidecar.health(&[]).await.code(), Some(0));
    assert_eq!(sidecar.ask_admin("/live").await.status, 200);
    assert_eq!(sidecar.ask_admin("/ready").await.status, 200);
    eventually("a failed prefetch", async || (world.counts().await.entra > 0).then_some(())).await;
    let health = sidecar.health(&["--tokens"]).await;
    assert_eq!(health.code(), Some(1), "{health:?}");
    let reply = eventually("its reason", async || {
        let reply = sidecar.ask_admin("/ready?tokens=1").await;
        assert_eq!(reply.status, 503, "{reply:?}");
        reply.text().contains("entra_unavailable").then_some(reply)
    })
    .await;
    assert!(reply.text().contains(VAULT), "{reply:?}");
    world.clear().await;
    let health = sidecar.health(&["--tokens", "--wait", "60s"]).await;
    assert_eq!(health.code(), Some(0), "it recovers by itself, with nobody asking: {health:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way_and_takes_nothing_new() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    world.fault(json!({"target": "entra", "kind": "latency", "ms": 1500, "count": 1})).await;
    let mut idle = Connection::open(sidecar.tokens()).await.unwrap();
    let mut asking = Connection::open(sidecar.tokens()).await.unwrap();
    asking.send(&sidecar.app_service(VAULT).bytes()).await;
    eventually("the exchange", async || (world.counts().await.entra == 1).then_some(())).await;
    sidecar.signal(Signal::TERM);
    let at = sidecar.tokens();
    eventually("a closed door", async || Connection::open(at).await.err()).await;
    let ready = sidecar.ask_admin("/ready").await;
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(sidecar.ask_admin("/live").await.status, 200);
    assert!(idle.ends().await);
    let reply = asking.receive().await.expect("what is under way is answered");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("connection"), Some("close"));
    world.secrets().add(&reply.member("access_token"));
    assert!(asking.ends().await);
    assert_eq!(sidecar.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_end_comes_within_five_seconds_whatever_hangs() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    world.fault(json!({"target": "entra", "kind": "hang"})).await;
    let mut hung = Connection::open(sidecar.tokens()).await.unwrap();
    hung.send(&sidecar.app_service(VAULT).bytes()).await;
    eventually("the exchange", async || (world.counts().await.entra == 1).then_some(())).await;
    sidecar.signal(Signal::TERM);
    // Five seconds, and some for a busy machine; the exchange itself would take thirty.
    let ended = tokio::time::timeout(Duration::from_secs(15), sidecar.ended()).await;
    assert_eq!(ended.expect("it ends").code(), Some(0));
    let reply = hung.receive().await.expect("whoever waits is told that it is over");
    assert_eq!((reply.status, reply.reason()), (503, "draining"), "{reply:?}");
    assert_eq!(reply.retry_after(), Some(1));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let world = World::start().await;
    for signal in [Signal::TERM, Signal::INT] {
        let sidecar = sidecar(&world).await;
        world.fault(json!({"target": "entra", "kind": "hang", "count": 1})).await;
        let before = world.counts().await.entra;
        let mut hung = Connection::open(sidecar.tokens()).await.unwrap();
        hung.send(&sidecar.app_service(VAULT).bytes()).await;
        eventually("the exchange", async || (world.counts().await.entra > before).then_some(()))
            .await;
        sidecar.signal(signal);
        sidecar.logs("draining").await;
        sidecar.signal(signal);
        let ended = tokio::time::timeout(Duration::from_secs(4), sidecar.ended()).await;
        assert_eq!(ended.expect("it does not wait for the drain").code(), Some(1));
    }
}

#[tokio::test]
async fn an_idle_sidecar_ends_at_once_also_with_open_connections() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut connection = Connection::open(sidecar.tokens()).await.unwrap();
        connection.send(&sidecar.app_service(VAULT).bytes()).await;
        assert_eq!(connection.receive().await.unwrap().status, 200);
        open.push(connection);
    }
    sidecar.signal(Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(4), sidecar.ended()).await;
    assert_eq!(ended.expect("nothing is under way").code(), Some(0));
    for mut connection in open {
        assert!(connection.ends().await);
    }
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_others_do_not_notice() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = Connection::open(sidecar.tokens()).await.unwrap();
        connection.send(b"GET /msi/token?api-version=2019-08-01").await;
        slow.push(connection);
    }
    for _ in 0..50 {
        assert_eq!(sidecar.token(VAULT).await.status, 200);
    }
    for mut connection in slow {
        assert!(connection.ends().await);
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn who_sends_no_more_gets_its_answer() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    // Cold and warm.
    for _ in 0..2 {
        let mut client = Connection::open(sidecar.tokens()).await.unwrap();
        client.send(&sidecar.app_service(VAULT).bytes()).await;
        client.finish().await;
        let reply = client.receive().await.expect("it still listens");
        assert_eq!(reply.status, 200, "{reply:?}");
        world.secrets().add(&reply.member("access_token"));
        assert!(client.ends().await);
    }
    assert_eq!(world.counts().await.entra, 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_log_and_the_audit_trail_are_json_lines_on_a_stream_each() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    sidecar.token(VAULT).await;
    sidecar.send(&sidecar.app_service(VAULT).header("Origin", "null")).await;
    let ended = sidecar.stop().await;
    for (text, fields) in [
        (&ended.stderr, ["timestamp", "level", "message"]),
        (&ended.stdout, ["time", "kind", "kind"]),
    ] {
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| {
                panic!("no JSON ({error}): {line}");
            });
            for field in fields {
                assert!(line[field].is_string(), "no {field} in {line}");
            }
        }
    }
    // One event, one line.
    for (own, other, words) in [
        (&ended.stderr, &ended.stdout, "\"message\":\"issued\""),
        (&ended.stdout, &ended.stderr, "\"kind\":\"granted\""),
        (&ended.stdout, &ended.stderr, "\"reason\":\"browser\""),
    ] {
        assert_eq!(own.matches(words).count(), 1, "{words} in {own}");
        assert!(!other.contains(words), "{words} in {other}");
    }
}

//! The way out: proxies, and who vouches for whom.

use kit::sidecar::VAULT;
use kit::{Counts, World};

use crate::{sidecar, sidecar_with};

async fn world_with_proxy() -> World {
    World::with(|options| options.proxy = true).await
}

#[tokio::test]
async fn everything_goes_through_the_proxy_that_is_named() {
    let world = world_with_proxy().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let counts = world.proxy_counts();
    assert_eq!(counts.refused, 0, "{counts:?}");
    assert!(counts.opened >= 2, "one tunnel each to the issuer and to Entra: {counts:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn hosts_may_be_reached_without_it() {
    let world = world_with_proxy().await;
    let sidecar = sidecar_with(&world, |it| it.set("NO_PROXY", "localhost,127.0.0.1")).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    assert_eq!(world.proxy_counts().opened, 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_proxy_that_wants_other_credentials_is_told_from_an_outage() {
    let world = world_with_proxy().await;
    let right = &world.env()["HTTPS_PROXY"];
    let at = right.rsplit('@').next().unwrap();
    let wrong = "not-the-right-password";
    world.secrets().add(wrong);
    for url in [format!("http://sim:{wrong}@{at}"), format!("http://{at}")] {
        let sidecar = sidecar_with(&world, |it| it.set("HTTPS_PROXY", &url)).await;
        let reply = sidecar.token(VAULT).await;
        assert_eq!((reply.status, reply.reason()), (503, "proxy_auth_required"), "{reply:?}");
        assert!(reply.retry_after().is_some(), "{reply:?}");
        assert!(reply.member("message").contains("HTTPS_PROXY"), "{reply:?}");
        assert_eq!(sidecar.ask_admin("/ready").await.status, 200);
        sidecar.ask_admin("/metrics").await;
        sidecar.status().await;
        sidecar.stop().await;
    }
    assert!(world.proxy_counts().refused >= 2);
    assert_eq!(world.counts().await, Counts { entra: 0, discovery: 0, jwks: 0 });
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_too() {
    let world = World::start().await;
    let sidecar = sidecar_with(&world, |it| {
        it.set("HTTPS_PROXY", "http://edge:the-proxy-password@127.0.0.1:9")
    });
    world.secrets().add("the-proxy-password");
    let sidecar = sidecar.await;
    let reply = sidecar.token(VAULT).await;
    assert_eq!((reply.status, reply.reason()), (503, "proxy_unreachable"), "{reply:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_authority_for_the_issuer_cannot_speak_for_entra() {
    let world = World::start().await;
    let ca = world.env()["CAMBIST_CA_FILE"].clone();
    let sidecar =
        sidecar_with(&world, |it| it.unset("CAMBIST_CA_FILE").set("CAMBIST_ISSUER_CA_FILE", &ca))
            .await;
    let reply = sidecar.token(VAULT).await;
    assert_eq!((reply.status, reply.reason()), (503, "tls_untrusted"), "{reply:?}");
    assert_eq!(world.counts().await, Counts { entra: 0, discovery: 1, jwks: 1 });
    sidecar.stop().await;
}

#[tokio::test]
async fn an_authority_for_entra_cannot_speak_for_the_issuer() {
    let world = World::start().await;
    let ca = world.env()["CAMBIST_CA_FILE"].clone();
    let only_entra =
        |it: kit::Program| it.unset("CAMBIST_CA_FILE").set("CAMBIST_ENTRA_CA_FILE", &ca);
    let sidecar = sidecar_with(&world, only_entra).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let unchecked = "cambist_admissions_total{standing=\"unchecked\",reason=\"no_keys\"}";
    assert_eq!(sidecar.metric(unchecked).await, 1);
    let status = sidecar.status().await.to_string();
    assert!(status.contains("not trusted"), "{status}");
    assert_eq!(world.counts().await, Counts { entra: 1, discovery: 0, jwks: 0 });
    sidecar.stop().await;
}

#[tokio::test]
async fn without_any_authority_nobody_is_believed() {
    let world = World::start().await;
    let sidecar = sidecar_with(&world, |it| it.unset("CAMBIST_CA_FILE")).await;
    let reply = sidecar.token(VAULT).await;
    assert_eq!((reply.status, reply.reason()), (503, "tls_untrusted"), "{reply:?}");
    assert_eq!(world.counts().await, Counts { entra: 0, discovery: 0, jwks: 0 });
    sidecar.stop().await;
}

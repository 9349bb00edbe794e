use std::time::Duration;

use cambist_core::scope::Scope;
use cambist_sim::fault::{Fault, Target};
use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::sleep;

use crate::config::Identity;
use crate::testing::{World, scope};

const IDENTITIES: usize = 1000;

fn identities(world: &World) -> Vec<Identity> {
    let one = world.config().identity;
    let named =
        |n| Identity { client_id: format!("00000000-0000-0000-0000-{n:012}"), ..one.clone() };
    (0..IDENTITIES).map(named).collect()
}

#[tokio::test(start_paused = true)]
async fn however_many_identities_fetch_one_key_set() {
    let world = World::new();
    let trust = world.trust();
    let credentials: Vec<_> = identities(&world).iter().map(|it| trust.credential(it)).collect();
    // Making them asks nobody.
    assert_eq!(world.asked(), (0, 0, 0));
    let scope = scope("https://vault.azure.net");
    join_all(credentials.iter().map(|credential| credential.token(&scope))).await;
    let (exchanges, discovery, key_sets) = world.asked();
    assert!(exchanges >= 1, "{exchanges}");
    assert_eq!((discovery, key_sets), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_prefetched_from_the_start() {
    let world = World::new();
    let prefetch: Vec<Scope> = vec![scope("https://vault.azure.net")];
    let mut identity = world.config().identity;
    identity.prefetch.clone_from(&prefetch);
    assert_eq!(world.trust().credential(&identity).prefetched(), prefetch);
}

fn throttled(retry_after: &str) -> Fault {
    let (status, retry_after) = (StatusCode::TOO_MANY_REQUESTS, Some(retry_after.to_owned()));
    Fault::Status { status, retry_after }
}

#[tokio::test(start_paused = true)]
async fn credentials_of_one_identity_keep_one_pause() {
    let world = World::new();
    let trust = world.trust();
    let identity = world.config().identity;
    let (one, two) = (trust.credential(&identity), trust.credential(&identity));
    let (vault, graph) = (scope("https://vault.azure.net"), scope("https://graph.microsoft.com"));
    world.sim.faults().inject_next(1, Target::Entra, throttled("600"));
    assert!(one.token(&vault).await.is_err());
    sleep(Duration::from_secs(10)).await;
    // Nor does one that is made anew, or whose client id is written otherwise.
    let client_id = identity.client_id.to_uppercase();
    let shouting = trust.credential(&Identity { client_id, ..identity.clone() });
    for other in [two.clone(), trust.credential(&identity), shouting] {
        let error = other.token(&graph).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "entra_throttled");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(590)));
    }
    assert_eq!(world.asked().0, 1);
    // It is the identity that is throttled, and nobody else.
    let client_id = "00000000-0000-0000-0000-000000000009".to_owned();
    let stranger = trust.credential(&Identity { client_id, ..identity });
    let _ = stranger.token(&vault).await;
    assert_eq!(world.asked().0, 2);
    sleep(Duration::from_secs(591)).await;
    assert!(two.token(&graph).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_is_probed_by_one_credential_of_all() {
    let world = World::new();
    let trust = world.trust();
    let identity = world.config().identity;
    let all: Vec<_> = (0..5).map(|_| trust.credential(&identity)).collect();
    world.sim.faults().inject(Target::Entra, throttled("31536000"));
    let vault = scope("https://vault.azure.net");
    assert!(all[0].token(&vault).await.is_err());
    for probes in 1..4 {
        sleep(Duration::from_secs(601)).await;
        join_all(all.iter().map(|credential| credential.token(&vault))).await;
        assert_eq!(world.asked().0, 1 + probes);
    }
}

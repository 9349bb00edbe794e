//! The issuer's keys change.

use std::time::Duration;

use cambist_sim::keys::SigningKey;
use kit::sidecar::VAULT;
use kit::{World, eventually};
use serde_json::json;

use crate::sidecar;

/// A world whose new keys Entra knows at once, as if each had been public for long when it signs.
async fn published_long_ago() -> World {
    World::with(|options| options.entra_keeps = Duration::ZERO).await
}

#[tokio::test]
async fn a_rotation_with_overlap_causes_no_failed_request() {
    let world = published_long_ago().await;
    let sidecar = sidecar(&world).await;
    for round in 0..5 {
        for n in 0..5 {
            let reply = sidecar.token(&format!("api://app-{round}-{n}")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(sidecar.token(VAULT).await.status, 200);
        }
        world.rotate(true).await;
    }
    let counts = world.counts().await;
    assert_eq!(counts.entra, 26);
    assert!(counts.jwks <= 5, "{counts:?}: a look for each new key, and the first");
    assert_eq!(sidecar.served("failed").await, 0);
    assert!(sidecar.served("fetched").await > 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn rotations_while_everybody_asks_cause_no_failed_request() {
    let world = published_long_ago().await;
    let sidecar = sidecar(&world).await;
    let asking = async |app: u32| {
        for n in 0..25 {
            let reply = sidecar.token(&format!("api://app-{app}-{n}")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    };
    let rotating = async {
        for _ in 0..10 {
            world.rotate(true).await;
        }
    };
    tokio::join!(rotating, asking(1), asking(2), asking(3), asking(4));
    assert!(world.counts().await.jwks <= 11, "a look for each new key, and the first");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_at_most_one_look_a_cooldown() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let stranger = SigningKey::generate_rsa().unwrap();
    let sim = world.running().sim();
    for n in 0..20 {
        let spec = sim.token_spec().header("kid", format!("unknown-{n}"));
        world.project(&spec.sign(&stranger).unwrap());
        let reply = sidecar.token(&format!("api://app-{n}")).await;
        let told = (reply.status, reply.reason());
        if n == 0 {
            // Looked for in vain, it still cannot be told to be bad: it is sent, and Entra knows better.
            assert_eq!(told, (403, "entra_signature_unknown"), "{reply:?}");
        } else {
            assert_eq!(told, (503, "unknown_kid"), "{reply:?}");
            assert!(reply.retry_after().unwrap() <= 5, "{reply:?}");
        }
    }
    let counts = world.counts().await;
    assert!(counts.discovery <= 2 && counts.jwks <= 2, "{counts:?}");
    // What was held is still answered.
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_token_that_is_shown_to_be_forged_is_never_sent() {
    let world = published_long_ago().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let sim = world.running().sim();
    let (stranger, kid) = (SigningKey::generate_rsa().unwrap(), sim.issuer().signer());
    let mut seen = Vec::new();
    for (n, spec) in [
        sim.token_spec().header("kid", kid.kid()),
        sim.token_spec().claim("aud", json!(["https://somebody.else"])).header("kid", kid.kid()),
        sim.token_spec().claim("iss", "https://evil.example/").header("kid", kid.kid()),
        sim.token_spec()
            .claim("sub", "system:serviceaccount:shop:default")
            .header("kid", kid.kid()),
        sim.token_spec().header("alg", "none").header("kid", kid.kid()),
        sim.token_spec().header("alg", "HS256").header("kid", kid.kid()),
    ]
    .into_iter()
    .enumerate()
    {
        world.project(&spec.sign(&stranger).unwrap());
        let reply = sidecar.token(&format!("api://app-{n}")).await;
        assert!(reply.status == 403 || reply.status == 503, "{reply:?}");
        seen.push(reply.reason().to_owned());
    }
    assert_eq!(world.counts().await.entra, 1, "{seen:?}");
    println!("{seen:?}");
    // The kubelet projects a good one, and all is well.
    world.rotate(true).await;
    assert_eq!(sidecar.token("api://fresh").await.status, 200);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_new_token_is_used_at_the_next_exchange() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    // Entra would refuse the old one from now on.
    world.rotate(false).await;
    world.running().sim().entra().forget_issuer_keys();
    eventually("a token by the new key", async || {
        let reply = sidecar.token("api://other").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        Some(())
    })
    .await;
    sidecar.stop().await;
}

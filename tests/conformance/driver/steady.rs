//! A token's whole life as the SDKs see it, in real time: the app asks all along, the SDK's cache
//! answers, and once the token has less than five minutes left one more request brings the next.

use std::time::Duration;

use cambist_core::clock::{Clock as _, UnixTime};
use kit::sidecar::VAULT;

use crate::cases::{Cell, Lane, at_most, spent};
use crate::client::now;
use crate::stage::Stage;
use crate::tokens::PLAIN;

/// What a token lives: a little more than twice the five minutes in which the SDKs want another.
const LIFETIME: Duration = Duration::from_secs(620);

/// From then on an SDK's cache holds the first token for ended.
const ENDED: Duration = Duration::from_secs(620 - 300);

/// How long is asked: until well after the second token must have come.
const LONG: Duration = Duration::from_secs(620 - 300 + 25);

/// Less than this a token must never have left when it is handed out.
const LEFT: Duration = Duration::from_secs(299);

pub(crate) async fn lifetime(lane: &Lane) -> Cell {
    let short = |options: &mut cambist_sim::up::Options| {
        options.access_token_lifetime = LIFETIME;
    };
    // Its log at trace would be long, and is searched elsewhere.
    let quiet = |sidecar: kit::program::Program| sidecar.set("CAMBIST_LOG", "info");
    let stage = Stage::with(&lane.setting, lane.protocol, short, quiet).await;
    let mut client = stage.client(&lane.program, "lifetime").await;
    // From the first token on: how long it takes a busy machine to get there is another matter.
    let (first, _) = client.token(PLAIN).await;
    let started = now();
    let mut tokens = vec![first.token().to_owned()];
    let mut calls = 1;
    while started.elapsed() < LONG {
        let (answer, took) = client.token(PLAIN).await;
        let token = answer.token();
        let sim = stage.world.running().sim();
        let claims = sim.entra().granted(token).expect("Entra granted it, and it lives");
        assert_eq!(claims["aud"], VAULT);
        let ends = UnixTime::from_secs(claims["exp"].as_i64().expect("it ends"));
        // Seen from when it was asked for: it is not its fault if the client takes its time.
        let left = ends.since(sim.clock().wall()) + took;
        assert!(left >= LEFT, "a token with {left:?} left, after {:?}", started.elapsed());
        if !tokens.iter().any(|known| known == token) {
            tokens.push(token.to_owned());
        }
        calls += 1;
        // Four times a second around the moment that matters, or what an app would do in a loop.
        let near = started.elapsed().abs_diff(ENDED) < Duration::from_secs(10);
        let pause = if near && lane.sdk.caches { 250 } else { lane.sdk.pace };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    assert_eq!(tokens.len(), 2, "tokens in one life and a little more");
    let exchanges = stage.world.counts().await.entra;
    assert_eq!(exchanges - lane.sdk.sign_in, 2, "exchanges");
    let attempts = stage.attempts().await;
    at_most(attempts, if lane.sdk.caches { 2 } else { calls + lane.sdk.sign_in }, "requests");
    spent(attempts, started.elapsed())
}

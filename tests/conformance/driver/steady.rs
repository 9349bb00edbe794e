//! A token's whole life as the SDKs see it, in real time: the app asks all along, the SDK's cache
//! answers, and once the token has less than five minutes left one more request brings the next.

use std::time::Duration;

use cambist_core::clock::{Clock as _, UnixTime};

use crate::cases::{Cell, Lane, at_most, spent};
use crate::client::now;
use crate::stage::Stage;

/// Before this an SDK's cache keeps the first token, and then holds it for ended.
const KEPT: Duration = Duration::from_secs(320);

/// How long is asked: until well after the second token must have come.
const LONG: Duration = Duration::from_secs(320 + 25);

pub(crate) async fn lifetime(lane: &Lane) -> Cell {
    let margin = Duration::from_secs(lane.sdk.margin.unwrap_or(300));
    let short = |options: &mut cambist_sim::up::Options| {
        let kept = if lane.sdk.late { LONG * 2 } else { KEPT };
        options.access_token_lifetime = margin + kept;
    };
    // Its log at trace would be long, and is searched elsewhere.
    let quiet = |sidecar: kit::program::Program| sidecar.set("CAMBIST_LOG", "info");
    let stage = Stage::with(&lane.setting, lane.protocol, short, quiet).await;
    let mut client = stage.client(&lane.program, "lifetime").await;
    // From the first token on: how long it takes a busy machine to get there is another matter.
    let (first, _) = client.token(lane.ask()).await;
    let started = now();
    let mut tokens = vec![first.token().to_owned()];
    let mut calls = 1;
    while started.elapsed() < LONG {
        let (answer, took) = client.token(lane.ask()).await;
        let token = answer.token();
        let sim = stage.world.running().sim();
        let claims = sim.entra().granted(token).expect("Entra granted it, and it lives");
        assert_eq!(claims["aud"], lane.sdk.resource());
        let ends = UnixTime::from_secs(claims["exp"].as_i64().expect("it ends"));
        // Seen from when it was asked for: it is not its fault if the client takes its time.
        let left = ends.since(sim.clock().wall()) + took;
        // Of one that asks later, the first token is seen alone, and that has more left.
        let least = margin.saturating_sub(Duration::from_secs(1));
        assert!(left >= least, "a token with {left:?} left, after {:?}", started.elapsed());
        if !tokens.iter().any(|known| known == token) {
            tokens.push(token.to_owned());
        }
        calls += 1;
        // Four times a second around the moment that matters, or what an app would do in a loop.
        let near = started.elapsed().abs_diff(KEPT) < Duration::from_secs(10);
        let pause = if near && lane.sdk.caches { 250 } else { lane.sdk.pace };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    let expected = if lane.sdk.late { 1 } else { 2 };
    assert_eq!(tokens.len() as u64, expected, "tokens in one life and a little more");
    let exchanges = stage.world.counts().await.entra;
    assert_eq!(exchanges - lane.sdk.sign_in, expected, "exchanges");
    let attempts = stage.attempts().await;
    let most = if lane.sdk.caches { expected } else { calls + lane.sdk.sign_in };
    at_most(attempts, most, "requests");
    spent(attempts, started.elapsed())
}

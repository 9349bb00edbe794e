//! An issuer that is away when the sidecar starts, where nothing unchecked may pass.

use std::time::Duration;

use futures_util::future::join_all;
use kit::World;
use kit::sidecar::VAULT;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::clients::once;
use crate::scenario::{Bound, Figure, Found, Setup};

/// How often an app asks.
const EVERY: Duration = Duration::from_millis(200);

/// After so long nobody waits for a token any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the issuer is away, and for how long, in milliseconds.
type Outage = (&'static str, u64);

/// Away for a few seconds.
pub(crate) async fn shortly(setup: Setup) -> Found {
    play(&setup, &[("status", 1300), ("reset", 4600)]).await
}

/// Away for up to a minute, and back at moments that no schedule of looks prefers.
pub(crate) async fn a_minute(setup: Setup) -> Found {
    let outages = [
        ("status", 7100),
        ("reset", 22_700),
        ("html", 31_300),
        ("status", 47_900),
        ("reset", 60_000),
        ("hang", 60_400),
    ];
    play(&setup, &outages).await
}

async fn play(setup: &Setup, outages: &[Outage]) -> Found {
    let all = join_all(outages.iter().map(|outage| away(setup, *outage))).await;
    Ok(all.into_iter().flatten().collect())
}

async fn away(setup: &Setup, (kind, millis): Outage) -> Vec<Figure> {
    let world = World::start().await;
    for target in ["discovery", "jwks"] {
        let mut fault = json!({"target": target, "kind": kind, "by": "all"});
        if kind == "status" {
            fault["status"] = 503.into();
        }
        world.fault(fault).await;
    }
    let program = setup.program(&world).set("CAMBIST_KEY_AGE", "enforce");
    let sidecar = setup.spawn(&world, program).await;
    let request = sidecar.app_service(VAULT);
    let (started, length) = (Instant::now(), Duration::from_millis(millis));
    let (mut wrong, mut asked, mut back) = (Vec::new(), 0, None);
    let took = loop {
        if back.is_none() && started.elapsed() >= length {
            world.clear().await;
            back = Some(Instant::now());
        }
        let reply = once(sidecar.tokens(), &request).await;
        asked += 1;
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        match (status, back) {
            (200, Some(back)) => break back.elapsed(),
            (_, Some(back)) if back.elapsed() > PATIENCE => break back.elapsed(),
            _ => {}
        }
        let short = |wait: u64| (1..=5).contains(&wait);
        let wait = reply.as_ref().and_then(kit::Reply::retry_after);
        // While a look hangs a caller waits for it, for longer than these clients do.
        let waited = reply.is_none() && kind == "hang";
        if !(waited || status == 503 && wait.is_some_and(short)) {
            wrong.push(reply);
        }
        sleep(EVERY).await;
    };
    if let Some(one) = wrong.first() {
        println!("    a wrong answer: {one:?}");
    }
    sidecar.ended_by_force().await;
    let what = format!("{kind} for {:.1} s", length.as_secs_f64());
    // A look that hangs is not given up for the issuer's return, but for its own time limit.
    let bound = if kind == "hang" { 16.0 } else { 6.0 };
    vec![
        Figure::time(format!("{what}: its return to a token"), took).must(Bound::AtMost(bound)),
        Figure::count(format!("{what}: asked"), asked),
        Figure::count(format!("{what}: not 503 with Retry-After <= 5"), wrong.len())
            .must(Bound::Exactly(0.0)),
    ]
}

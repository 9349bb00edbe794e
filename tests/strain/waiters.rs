//! Callers who wait for Entra, and others who need not.

use std::time::Duration;

use kit::http::Connection;
use kit::sidecar::VAULT;
use kit::{Reply, Sidecar, World};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clients::Series;
use crate::process::end;
use crate::scenario::{Bound, Figure, Found, Setup};

/// How many callers come for what Entra does not answer.
struct Crowd {
    callers: usize,
    scopes: usize,
    /// How many of them may wait at most: half of the connection places.
    places: usize,
    limit: Option<&'static str>,
}

/// 100 callers where files are few.
pub(crate) async fn few_files(setup: Setup) -> Found {
    let crowd = Crowd { callers: 100, scopes: 1, places: 24, limit: Some("-n 128") };
    play(&setup, crowd).await
}

/// 1,100 callers for one resource.
pub(crate) async fn one_scope(setup: Setup) -> Found {
    play(&setup, Crowd { callers: 1100, scopes: 1, places: 512, limit: None }).await
}

/// 1,100 callers for forty.
pub(crate) async fn many_scopes(setup: Setup) -> Found {
    play(&setup, Crowd { callers: 1100, scopes: 40, places: 512, limit: None }).await
}

async fn play(setup: &Setup, crowd: Crowd) -> Found {
    let world = World::start().await;
    let mut program = setup.program(&world);
    if let Some(limit) = crowd.limit {
        program = program.limit(limit);
    }
    let sidecar = setup.sidecar(&world, program).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    world.fault(json!({"target": "entra", "kind": "hang"})).await;
    let mut asking = ask_all(&sidecar, &crowd);
    // Enough for all of them to have been heard; they then wait for half a minute.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cached = Series::ask(sidecar.tokens(), &sidecar.app_service(VAULT), 500).await;
    let mut answered = Vec::new();
    while let Some(answer) = asking.try_join_next() {
        answered.push(answer.expect("it only waits for another"));
    }
    let busy = |reply: &Reply| {
        (reply.status, reply.reason(), reply.retry_after()) == (503, "busy", Some(1))
    };
    let (busy, others): (Vec<_>, Vec<_>) =
        answered.into_iter().partition(|(reply, _)| reply.as_ref().is_some_and(busy));
    let slowest = busy.iter().map(|(_, took)| *took).max().unwrap_or_default();
    let excess = crowd.callers - crowd.places;
    if let Some((odd, _)) = others.first() {
        println!("    one of the others: {odd:?}");
    }
    let waiting = asking.len();
    let ended = end(sidecar).await;
    let at_the_end = asking.join_all().await;
    let told =
        at_the_end.iter().filter(|(reply, _)| reply.as_ref().is_some_and(|it| it.status == 503));
    let told = told.count();
    Ok(vec![
        Figure::time("cached token, p50", cached.per_mille(500)),
        Figure::time("cached token, p99", cached.per_mille(990))
            .must(setup.at_most(Duration::from_millis(50))),
        Figure::count("cached token, not answered", cached.failed()).must(Bound::Exactly(0.0)),
        Figure::count("callers", crowd.callers),
        Figure::count("still waiting", waiting).must(Bound::AtLeast(1.0)),
        Figure::count("told 503 busy, Retry-After: 1", busy.len())
            .must(Bound::AtLeast(excess as f64)),
        Figure::time("the slowest of them", slowest).must(setup.at_most(Duration::from_secs(1))),
        Figure::count("answered otherwise, or cut off", others.len()).must(Bound::Exactly(0.0)),
        Figure::time("SIGTERM to exit", ended).must(Bound::AtMost(5.0)),
        Figure::count("waiters told 503 before the exit", told)
            .must(Bound::Exactly(waiting as f64)),
    ])
}

/// All at once; each tells its answer, and after how long.
fn ask_all(sidecar: &Sidecar, crowd: &Crowd) -> JoinSet<(Option<Reply>, Duration)> {
    let mut asking = JoinSet::new();
    for caller in 0..crowd.callers {
        let request = sidecar.app_service(&format!("api://cold-{}", caller % crowd.scopes)).bytes();
        let at = sidecar.tokens();
        asking.spawn(async move {
            let started = Instant::now();
            let Ok(mut connection) = Connection::open(at).await else {
                return (None, started.elapsed());
            };
            connection.send(&request).await;
            (connection.receive().await, started.elapsed())
        });
    }
    asking
}

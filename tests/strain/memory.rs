//! What many connections at once take of a pod's memory.

use std::time::Duration;

use futures_util::future::join_all;
use kit::World;
use kit::http::Connection;
use kit::sidecar::VAULT;
use serde_json::json;
use tokio::task::JoinSet;

use crate::process::{kilobytes, tasks};
use crate::scenario::{Bound, Figure, Found, Setup};

const COLD: usize = 290;
const WARM: usize = 700;

/// 290 callers for tokens that are not held, beside 700 connections that go on asking for one that
/// is.
pub(crate) async fn cold_and_warm(setup: Setup) -> Found {
    let world = World::start().await;
    let sidecar = setup.sidecar(&world, setup.program(&world)).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let id = sidecar.id();
    let idle = kilobytes(id, "status", "VmRSS").unwrap();
    world.fault(json!({"target": "entra", "kind": "latency", "ms": 2000})).await;
    let (at, request) = (sidecar.tokens(), sidecar.app_service(VAULT).bytes());
    let warm = join_all((0..WARM).map(async |_| Connection::open(at).await.unwrap())).await;
    let mut asking = JoinSet::new();
    for mut connection in warm {
        let request = request.clone();
        asking.spawn(async move {
            let mut good = 0;
            loop {
                connection.send(&request).await;
                match connection.receive().await {
                    Some(reply) if reply.status == 200 => good += 1,
                    _ => return good,
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }
    let cold = join_all((0..COLD).map(|n| {
        let request = sidecar.app_service(&format!("api://cold-{n}"));
        async move { kit::http::send(at, &request.bytes()).await }
    }));
    let (mut private, mut most_tasks) = (None, 0);
    let watching = async {
        loop {
            most_tasks = most_tasks.max(tasks(id));
            let now =
                ["Private_Clean", "Private_Dirty"].map(|it| kilobytes(id, "smaps_rollup", it));
            if let [Some(clean), Some(dirty)] = now {
                private = private.max(Some(clean + dirty));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let replies = tokio::select! {
        replies = cold => replies,
        () = watching => unreachable!("it never ends"),
    };
    let cut = asking.len() - WARM.min(asking.len());
    let given_up = std::iter::from_fn(|| asking.try_join_next()).count() + cut;
    let most = kilobytes(id, "status", "VmHWM").unwrap();
    let granted = replies.iter().flatten().filter(|reply| reply.status == 200).count();
    let bound = |figure: Figure| {
        if setup.is_release() { figure.must(Bound::AtMost(24.0)) } else { figure }
    };
    let mut figures = vec![
        Figure::memory("resident before", idle),
        bound(Figure::memory("resident, at most", most)),
        Figure::count("tasks, at most", most_tasks).must(Bound::AtMost(10.0)),
        Figure::count("cold callers with a token", granted).must(Bound::Exactly(COLD as f64)),
        Figure::count("warm connections refused or cut off", given_up).must(Bound::Exactly(0.0)),
    ];
    // Only who may trace the process may read it.
    figures.extend(private.map(|most| bound(Figure::memory("private, at most", most))));
    sidecar.ended_by_force().await;
    Ok(figures)
}

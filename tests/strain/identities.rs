//! As many identities as one sidecar may have.

use std::time::Duration;

use cambist_sim::entra::Identity;
use kit::http::Connection;
use kit::sidecar::VAULT;
use kit::{Request, World};
use serde_json::json;
use tokio::time::Instant;

use crate::process::{end, kilobytes};
use crate::scenario::{Bound, Figure, Found, Setup};

const IDENTITIES: usize = 1000;
const SECRET: &str = "a-secret-of-this-scenarios-own";
/// 32 MiB, in bytes.
const MOST: f64 = 33.554_432;

/// A thousand identities, each of whose tokens is held from the start, and asked for.
pub(crate) async fn thousand(setup: Setup) -> Found {
    let world = World::start().await;
    let sim = world.running().sim();
    let tenant = sim.entra().tenant().to_owned();
    let client_id = |n: usize| format!("c11e0001-0000-4000-8000-{n:012}");
    for n in 0..IDENTITIES {
        let identity = Identity::application(&tenant, &client_id(n));
        sim.entra().add(identity.trusting(sim.federated_credential()));
    }
    let each = |of: fn(usize, String) -> serde_json::Value| {
        (0..IDENTITIES).map(|n| of(n, client_id(n))).collect::<Vec<_>>()
    };
    let (file, secret) = (world.dir().join("identities.yaml"), world.dir().join("secret"));
    std::fs::write(&secret, SECRET).unwrap();
    world.secrets().add(SECRET);
    let policy = json!({
        "version": 1,
        "identities": each(|n, client_id| json!({ "name": format!("app-{n}"), "client_id": client_id, "prefetch": [VAULT] })),
        "callers": [{
            "name": "app",
            "secret_files": [secret],
            "may": each(|n, _| json!({ "identity": format!("app-{n}"), "resources": [VAULT] })),
        }],
    });
    std::fs::write(&file, policy.to_string()).unwrap();
    let program = setup.program(&world).set("CAMBIST_CONFIG", file.display().to_string());
    let began = Instant::now();
    let sidecar = setup.spawn(&world, program).await;
    let started = began.elapsed();
    let id = sidecar.id();
    let idle = kilobytes(id, "status", "VmRSS").unwrap();

    let mut connection = Connection::open(sidecar.tokens()).await.unwrap();
    let mut granted = 0;
    for n in 0..IDENTITIES {
        let target = "/msi/token?api-version=2019-08-01";
        let request = Request::get(format!("{target}&resource={VAULT}&client_id={}", client_id(n)));
        let request = request.header("Host", sidecar.tokens().to_string());
        connection.send(&request.header("X-IDENTITY-HEADER", SECRET).bytes()).await;
        let reply = connection.receive().await.unwrap();
        granted += usize::from(reply.status == 200 && reply.member("client_id") == client_id(n));
    }
    let held = kilobytes(id, "status", "VmRSS").unwrap();
    // Of a debug build what is mapped from the program's file is as much again.
    let own = kilobytes(id, "status", "RssAnon").unwrap();
    let counts = world.counts().await;
    let resident = Figure::memory("resident, with a token of each", held);
    Ok(vec![
        Figure::time("start to serving", started).must(setup.at_most(Duration::from_secs(1))),
        Figure::count("identities with a token", granted).must(Bound::Exactly(IDENTITIES as f64)),
        Figure::count("key sets fetched", counts.jwks.try_into().unwrap())
            .must(Bound::Exactly(1.0)),
        Figure::memory("resident before", idle),
        if setup.is_release() { resident.must(Bound::AtMost(MOST)) } else { resident },
        Figure::memory("of it in no file", own).must(Bound::AtMost(MOST)),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ])
}

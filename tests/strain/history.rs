//! Histories that are whole, and made to cost as much as can be.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kit::sidecar::VAULT;
use kit::{Sidecar, World};
use serde_json::{Value, json};

use crate::clients::Series;
use crate::files::kept;
use crate::process::{end, kilobytes};
use crate::scenario::{Bound, Figure, Found, Setup};

/// Between two requests of one client.
const EVERY: Duration = Duration::from_millis(10);

/// So many clients.
const CLIENTS: usize = 4;

/// Longer than a judgement is good for.
const LONG: Duration = Duration::from_secs(80);

/// As long as nothing is judged.
const CALM: Duration = Duration::from_secs(30);

/// The largest history that is ever written.
const BOUND: usize = 64 * 1024;

/// 0.9 MB, which nobody who keeps a history writes.
pub(crate) async fn large(setup: Setup) -> Found {
    play(&setup, 900_000).await
}

/// As large as histories may be.
pub(crate) async fn at_bound(setup: Setup) -> Found {
    play(&setup, BOUND).await
}

async fn play(setup: &Setup, size: usize) -> Found {
    let world = World::start().await;
    let sidecar = setup.sidecar(&world, setup.program(&world)).await;
    let calm = load(&sidecar, CALM).await;
    let calm_memory = kilobytes(sidecar.id(), "status", "VmHWM").unwrap();
    sidecar.stop().await;

    let history = hostile(setup, &world, size).await;
    let bytes = std::fs::metadata(&history).unwrap().len();
    let program = setup.program(&world).set("CAMBIST_HISTORY", history.display().to_string());
    let sidecar = setup.sidecar(&world, program).await;
    let strained = load(&sidecar, LONG).await;
    let memory = kilobytes(sidecar.id(), "status", "VmHWM").unwrap();
    let problem = sidecar.status().await["key_age"]["history"]["problem"].clone();
    let refused = problem.is_string();
    println!("    what is said of it: {problem}");
    // What another process may take of the machine is no news of the history.
    let bound = calm.per_mille(999) * 2 + Duration::from_millis(20);
    let bound = bound.min(Duration::from_millis(100));
    Ok(vec![
        Figure::count("bytes", usize::try_from(bytes).unwrap()),
        Figure::time("cached token, p99.9, no history", calm.per_mille(999)),
        Figure::time("cached token, p99.9", strained.per_mille(999)).must(setup.at_most(bound)),
        Figure::time("cached token, slowest", strained.slowest()),
        Figure::count("requests", strained.len()),
        Figure::count("not answered", strained.failed()).must(Bound::Exactly(0.0)),
        Figure::memory("resident, at most, no history", calm_memory),
        Figure::memory("resident, at most", memory),
        Figure::holds(
            "larger than is ever written and refused, or used",
            refused == (size > BOUND),
        ),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ])
}

async fn load(sidecar: &Sidecar, long: Duration) -> Series {
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let (at, request) = (sidecar.tokens(), sidecar.app_service(VAULT));
    let clients = (0..CLIENTS).map(|_| Series::beat(at, &request, EVERY, long));
    futures_util::future::join_all(clients).await.into_iter().fold(Series::default(), Series::and)
}

/// A history of the world's issuer, of about so many bytes, in which each look found another key: then
/// each look says something of each key.
async fn hostile(setup: &Setup, world: &World, size: usize) -> PathBuf {
    let path = kept(setup, world).await;
    let history: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let last = history["history"]["runs"][0]["from"].as_i64().unwrap();
    // Measured: a key and the look at it.
    let each = 146;
    let days = (size - 500) / each;
    let key = |n: usize| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &n.to_be_bytes());
        URL_SAFE_NO_PAD.encode(digest)
    };
    // In the order in which keys are told: the places are part of what is summed.
    let mut keys: Vec<_> = (0..days).map(key).collect();
    keys.push(history["history"]["keys"][0]["spki"].as_str().unwrap().to_owned());
    let own = keys[days].clone();
    keys.sort_by_key(|key| URL_SAFE_NO_PAD.decode(key).unwrap());
    let own = keys.iter().position(|key| *key == own).unwrap();
    let run = |place: usize, at: i64| {
        format!(
            "{{\"source\":\"public\",\"keyset\":[{place}],\"from\":{at},\"to\":{at},\"n\":1,\"stale\":3600}}"
        )
    };
    let others = (0..=days).filter(|place| *place != own).zip(1..);
    let mut runs: Vec<_> = others.map(|(place, ago)| run(place, last - ago * 86_400)).collect();
    runs.push(run(own, last));
    let keys: Vec<_> = keys.iter().map(|key| json!({"spki": key}).to_string()).collect();
    let (issuer, keys, runs) = (&history["history"]["issuer"], keys.join(","), runs.join(","));
    let history = format!(
        "{{\"issuer\":{issuer},\"sequence\":2,\"keys\":[{keys}],\"runs\":[{runs}],\"signers\":[]}}"
    );
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, history.as_bytes());
    let checksum = URL_SAFE_NO_PAD.encode(digest);
    let text = format!("{{\"schemaVersion\":1,\"checksum\":\"{checksum}\",\"history\":{history}}}");
    assert!(text.len() <= size && text.len() > size / 10 * 9, "{} bytes", text.len());
    std::fs::write(&path, text).unwrap();
    path
}

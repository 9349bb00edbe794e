//! A log that nobody reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kit::sidecar::VAULT;
use kit::{Request, Sidecar, World};
use tokio::task::JoinSet;

use crate::clients::{Series, once};
use crate::process::end;
use crate::scenario::{Bound, Figure, Found, Setup};

/// As small as a pipe can be, so that it is full many times over.
const PIPE: usize = 4096;

/// What one sidecar did.
struct Seen {
    tokens: Series,
    live: Series,
    refused: usize,
    in_pipe: u64,
    end: Duration,
}

/// stderr on a full pipe that nobody reads, with refusals going on.
pub(crate) async fn unread(setup: Setup) -> Found {
    let read = strain(&setup, false).await;
    let unread = strain(&setup, true).await;
    let as_fast = |what: &str, calm: &Series, full: &Series| {
        // As long as without it, and what another process may take of the machine meanwhile.
        let bound = calm.per_mille(990) * 2 + Duration::from_millis(20);
        [
            Figure::time(format!("{what}, p99, log read"), calm.per_mille(990)),
            Figure::time(format!("{what}, p99, log unread"), full.per_mille(990))
                .must(setup.at_most(bound)),
            Figure::count(format!("{what}, not answered"), full.failed()).must(Bound::Exactly(0.0)),
        ]
    };
    let mut figures = Vec::new();
    figures.extend(as_fast("cached token", &read.tokens, &unread.tokens));
    figures.extend(as_fast("/live", &read.live, &unread.live));
    figures.extend([
        Figure::count("refusals meanwhile", unread.refused).must(Bound::AtLeast(200.0)),
        Figure::count("bytes left in the pipe", usize::try_from(unread.in_pipe).unwrap())
            .must(Bound::AtLeast(PIPE as f64 / 2.0)),
        Figure::time("SIGTERM to exit, log read", read.end),
        Figure::time("SIGTERM to exit, log unread", unread.end).must(Bound::AtMost(5.0)),
    ]);
    Ok(figures)
}

async fn strain(setup: &Setup, unread: bool) -> Seen {
    let world = World::start().await;
    // A line for each refusal, however many are alike.
    let program = setup.program(&world).set("CAMBIST_LOG", "trace");
    let sidecar = setup.sidecar(&world, program).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    if unread {
        sidecar.running().ignore_stderr(true);
        let pipe = sidecar.running().stderr_pipe();
        rustix::pipe::fcntl_setpipe_size(&pipe, PIPE).expect("a pipe can be made smaller");
    }
    let refused = Arc::new(AtomicUsize::new(0));
    let mut refusing = JoinSet::new();
    for request in refusals(&sidecar) {
        let (at, refused) = (sidecar.tokens(), Arc::clone(&refused));
        refusing.spawn(async move {
            loop {
                // Not as fast as can be: it is the log that is to be too slow.
                let reply = once(at, &request).await;
                refused.fetch_add(usize::from(reply.is_some()), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tokens = Series::ask(sidecar.tokens(), &sidecar.app_service(VAULT), 300).await;
    let live = Request::get("/live").header("Host", sidecar.admin().to_string());
    let live = Series::ask(sidecar.admin(), &live, 300).await;
    let in_pipe = rustix::io::ioctl_fionread(sidecar.running().stderr_pipe()).unwrap();
    let end = end(sidecar).await;
    let refused = refused.load(Ordering::Relaxed);
    Seen { tokens, live, refused, in_pipe, end }
}

/// Requests that are refused for different reasons.
fn refusals(sidecar: &Sidecar) -> Vec<Request> {
    let good = sidecar.app_service(VAULT);
    vec![
        good.clone().without("X-IDENTITY-HEADER"),
        good.clone().with("X-IDENTITY-HEADER", "not-the-secret-at-all"),
        good.clone().header("Origin", "null"),
        good.with("Host", "rebound.example"),
    ]
}

//! Connections that are opened and never used.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kit::sidecar::VAULT;
use kit::{Request, World};
use rustix::process::{Resource, getrlimit};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::clients::Series;
use crate::process::end;
use crate::scenario::{Bound, Figure, Found, Setup};

/// Idle connections, until dropped.
struct Crowd {
    tasks: JoinSet<()>,
    opened: Arc<AtomicUsize>,
}

impl Crowd {
    /// So many at once; those that the kernel makes wait go on trying. `insisting` ones come back
    /// when they are turned away.
    async fn gather(at: SocketAddr, count: usize, insisting: bool) -> Self {
        let opened = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let opened = Arc::clone(&opened);
            tasks.spawn(async move {
                loop {
                    if let Ok(mut stream) = TcpStream::connect(at).await {
                        opened.fetch_add(1, Ordering::Relaxed);
                        let _ = stream.read(&mut [0]).await;
                        if !insisting {
                            // Turned away, and not telling the other side that it knows.
                            std::future::pending::<()>().await;
                        }
                        drop(stream);
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            });
        }
        let crowd = Self { tasks, opened };
        let all_there = async {
            while crowd.opened() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(500), all_there).await;
        crowd
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

/// 300 idle connections where apps ask, and half as many files.
pub(crate) async fn tokens_300(setup: Setup) -> Found {
    tokens(&setup, 300).await
}

/// 2,000, which take turns in being turned away.
pub(crate) async fn tokens_2000(setup: Setup) -> Found {
    tokens(&setup, 2000).await
}

async fn tokens(setup: &Setup, count: usize) -> Found {
    let world = World::start().await;
    let sidecar = setup.sidecar(&world, setup.program(&world).limit("-n 128")).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let crowd = Crowd::gather(sidecar.tokens(), count, false).await;
    let cached = Series::ask(sidecar.tokens(), &sidecar.app_service(VAULT), 20).await;
    // A new one needs files of the sidecar's own.
    let cold = Series::ask(sidecar.tokens(), &sidecar.app_service("api://cold"), 1).await;
    let figures = vec![
        Figure::count("idle connections", crowd.opened()),
        Figure::time("cached token, slowest", cached.slowest())
            .must(setup.at_most(Duration::from_secs(1))),
        Figure::time("new token", cold.slowest()).must(setup.at_most(Duration::from_secs(1))),
        Figure::count("not answered", cached.failed() + cold.failed()).must(Bound::Exactly(0.0)),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ];
    drop(crowd.tasks);
    Ok(figures)
}

/// 1,000 idle connections where probes ask.
pub(crate) async fn admin_1000(setup: Setup) -> Found {
    admin(&setup, 1000, false).await
}

/// 4,500, more than the kernel lets queue.
pub(crate) async fn admin_4500(setup: Setup) -> Found {
    admin(&setup, 4500, false).await
}

/// 500 that come back twice a second.
pub(crate) async fn admin_insisting(setup: Setup) -> Found {
    admin(&setup, 500, true).await
}

async fn admin(setup: &Setup, count: usize, insisting: bool) -> Found {
    // A few hundred for the simulator and the probes.
    if getrlimit(Resource::Nofile).current.is_some_and(|most| most < count as u64 + 500) {
        return Err(format!("{count} connections need more open files than this process may have"));
    }
    let world = World::start().await;
    let sidecar = setup.sidecar(&world, setup.program(&world).limit("-n 1024")).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    let live = Request::get("/live").header("Host", sidecar.admin().to_string());
    let crowd = Crowd::gather(sidecar.admin(), count, insisting).await;
    let first = Series::ask(sidecar.admin(), &live, 1).await;
    let later = Series::ask(sidecar.admin(), &live, 20).await;
    let tokens = Series::ask(sidecar.tokens(), &sidecar.app_service(VAULT), 20).await;
    let failed = [&first, &later, &tokens].map(Series::failed).iter().sum();
    let half = setup.at_most(Duration::from_millis(500));
    let figures = vec![
        Figure::count("idle connections, opened so far", crowd.opened()),
        Figure::time("/live, at once", first.slowest()).must(half),
        Figure::time("/live, slowest of the next 20", later.slowest()).must(half),
        Figure::time("cached token, slowest", tokens.slowest()).must(half),
        Figure::count("not answered", failed).must(Bound::Exactly(0.0)),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ];
    drop(crowd.tasks);
    Ok(figures)
}

//! How many threads it takes, and what happens where no more may be had.

use std::net::Ipv4Addr;
use std::time::Duration;

use kit::sidecar::VAULT;
use kit::{Sidecar, World};
use tokio::net::UdpSocket;

use crate::clients::Series;
use crate::process::{SOMEBODY, end, hand_over, tasks};
use crate::scenario::{Bound, Figure, Found, Setup};

/// What some clusters allow a pod.
const ALLOWED: usize = 12;

/// The sidecar where only so many tasks may be had.
pub(crate) async fn few(setup: Setup) -> Found {
    let world = World::start().await;
    let exe = hand_over(&world, &setup)?;
    let program = setup.program(&world).exe(exe).user(SOMEBODY).tasks(ALLOWED);
    let sidecar = setup.spawn(&world, program).await;
    let (most, asked) = busy(&sidecar, 200).await;
    Ok(vec![
        Figure::count("tasks, at most", most).must(Bound::AtMost(10.0)),
        Figure::count("not answered", asked.failed()).must(Bound::Exactly(0.0)),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ])
}

/// Different tokens and held ones, while somebody counts.
async fn busy(sidecar: &Sidecar, times: usize) -> (usize, Series) {
    let mut most = 0;
    for n in 0..20 {
        let request = sidecar.app_service(&format!("api://{n}"));
        let cold = Series::ask(sidecar.tokens(), &request, 1).await;
        assert_eq!(cold.failed(), 0, "{}", sidecar.log());
        most = most.max(tasks(sidecar.id()));
    }
    let held = Series::ask(sidecar.tokens(), &sidecar.app_service("api://0"), times).await;
    (most.max(tasks(sidecar.id())), held)
}

/// All threads that may block are blocked: names are looked up on them, and the name server does not
/// answer.
pub(crate) async fn hung_names(setup: Setup) -> Found {
    let world = World::start().await;
    let exe = hand_over(&world, &setup)?;
    let silent = silent_name_server().await?;
    let conf = world.dir().join("resolv.conf");
    std::fs::write(&conf, format!("nameserver {}\n", silent.local_addr().unwrap().ip())).unwrap();
    let program = setup
        .program(&world)
        .exe(exe)
        .user(SOMEBODY)
        .tasks(ALLOWED)
        .mount(&conf, "/etc/resolv.conf")
        .set("AZURE_AUTHORITY_HOST", "https://login.silent.test/")
        .set("CAMBIST_ALLOW_AUTHORITY", "https://login.silent.test/");
    let sidecar = setup.spawn(&world, program).await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..60 {
        let (at, request) = (sidecar.tokens(), sidecar.app_service(&format!("api://{n}")));
        asking.spawn(async move { kit::http::send(at, &request.bytes()).await });
    }
    let mut most = 0;
    for _ in 0..100 {
        most = most.max(tasks(sidecar.id()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut heard = [0; 512];
    let asked = silent.try_recv(&mut heard).is_ok();
    let wrong = sidecar.app_service(VAULT).without("X-IDENTITY-HEADER");
    let refused = std::iter::repeat_with(|| crate::clients::once(sidecar.tokens(), &wrong));
    let mut slowest = Duration::ZERO;
    for asking in refused.take(50) {
        let started = tokio::time::Instant::now();
        let reply = asking.await.expect("it answers");
        assert!((400..500).contains(&reply.status), "{reply:?}");
        slowest = slowest.max(started.elapsed());
    }
    let live = kit::Request::get("/live").header("Host", sidecar.admin().to_string());
    let live = Series::ask(sidecar.admin(), &live, 50).await;
    Ok(vec![
        Figure::holds("the name server was asked", asked),
        Figure::count("tasks, at most", most).must(Bound::AtMost(10.0)),
        Figure::time("a refusal, slowest", slowest).must(setup.at_most(Duration::from_millis(100))),
        Figure::time("/live, slowest", live.slowest())
            .must(setup.at_most(Duration::from_millis(100))),
        Figure::count("not answered", live.failed()).must(Bound::Exactly(0.0)),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ])
}

/// A port 53 of this machine's own, which takes questions and gives no answers.
async fn silent_name_server() -> Result<UdpSocket, String> {
    for last in 2..250 {
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::new(127, 53, 0, last), 53)).await {
            return Ok(socket);
        }
    }
    Err("no port 53 can be had for a name server".to_owned())
}

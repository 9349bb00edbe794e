//! Files that are none: whoever opens a FIFO waits for a writer, who never comes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kit::sidecar::VAULT;
use kit::{Request, Sidecar, World};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::clients::{Series, once};
use crate::process::end;
use crate::scenario::{Bound, Figure, Found, Setup};

/// How often a sidecar reads its history again, and some.
const READ_AGAIN: Duration = Duration::from_secs(330);

/// A FIFO in the history's place when the sidecar starts.
pub(crate) async fn at_start(setup: Setup) -> Found {
    let world = World::start().await;
    let history = world.dir().join("history.json");
    mkfifoat(CWD, &history, Mode::RUSR | Mode::WUSR).unwrap();
    let program = setup.program(&world).set("CAMBIST_HISTORY", history.display().to_string());
    let started = Instant::now();
    let Ok(sidecar) = timeout(Duration::from_secs(20), setup.spawn(&world, program)).await else {
        return Ok(vec![Figure::holds("serves within 20 s", false)]);
    };
    let serves = started.elapsed();
    let token = Series::ask(sidecar.tokens(), &sidecar.app_service(VAULT), 1).await;
    let told = told(&sidecar, &history, Duration::from_secs(10)).await;
    Ok(vec![
        Figure::time("start to serving", serves).must(setup.at_most(Duration::from_secs(1))),
        Figure::time("first token", token.slowest()).must(setup.at_most(Duration::from_secs(1))),
        Figure::count("not answered", token.failed()).must(Bound::Exactly(0.0)),
        Figure::holds("the log names the history and the trouble", told.0),
        Figure::holds("/status.json tells of it", told.1),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ])
}

/// A FIFO put in the place of a history that was good when the sidecar started.
pub(crate) async fn swapped_in(setup: Setup) -> Found {
    // Two refreshes in less time than any caller would notice.
    let world =
        World::with(|options| options.access_token_lifetime = Duration::from_secs(12)).await;
    let history = kept(&setup, &world).await;
    let program = setup.program(&world).set("CAMBIST_PREFETCH", VAULT);
    let program = program.set("CAMBIST_HISTORY", history.display().to_string());
    let sidecar = setup.sidecar(&world, program).await;
    assert!(problem(&sidecar).await.is_none_or(|problem| problem.is_null()));
    let fifo = world.dir().join("fifo");
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    std::fs::rename(fifo, &history).unwrap();
    let told = told(&sidecar, &history, READ_AGAIN).await;
    // By now every worker has had its turn at the file.
    let before = world.counts().await.entra;
    sleep(Duration::from_secs(24)).await;
    let refreshed = world.counts().await.entra - before;
    let token = Series::ask(sidecar.tokens(), &sidecar.app_service(VAULT), 20).await;
    let live = Request::get("/live").header("Host", sidecar.admin().to_string());
    let live = Series::ask(sidecar.admin(), &live, 20).await;
    Ok(vec![
        Figure::holds("the log names the history and the trouble", told.0),
        Figure::holds("/status.json tells of it", told.1),
        Figure::count("refreshes in 24 s of a token of 12 s", usize::try_from(refreshed).unwrap())
            .must(Bound::AtLeast(2.0)),
        Figure::time("cached token, slowest", token.slowest())
            .must(setup.at_most(Duration::from_millis(100))),
        Figure::count("not answered", token.failed() + live.failed()).must(Bound::Exactly(0.0)),
        Figure::time("SIGTERM to exit", end(sidecar).await).must(Bound::AtMost(5.0)),
    ])
}

/// A history as somebody keeps it, of this world's issuer.
pub(crate) async fn kept(setup: &Setup, world: &World) -> PathBuf {
    let path = world.dir().join("history.json");
    let history = format!("file:{}", path.display());
    let issuer = world.env()["CAMBIST_ISSUER"].clone();
    let ca = world.env()["CAMBIST_CA_FILE"].clone();
    let observe = setup.command().args(&[
        "issuer",
        "observe",
        "--issuer",
        &issuer,
        "--ca-file",
        &ca,
        "--history",
        &history,
    ]);
    let ended = observe.run().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    path
}

/// Whether the log and `/status.json` have told of a history that cannot be read, within so long.
async fn told(sidecar: &Sidecar, history: &Path, within: Duration) -> (bool, bool) {
    let waiting = async {
        loop {
            if in_log(sidecar, history) && problem(sidecar).await.is_some_and(|it| it.is_string()) {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    };
    let _ = timeout(within, waiting).await;
    (in_log(sidecar, history), problem(sidecar).await.is_some_and(|it| it.is_string()))
}

fn in_log(sidecar: &Sidecar, history: &Path) -> bool {
    let path = history.display().to_string();
    let log = sidecar.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut grave = lines.filter(|line| line["level"] == "WARN" || line["level"] == "ERROR");
    grave.any(|line| line.to_string().contains(&path))
}

/// What `/status.json` says is wrong with the history; `None` if it says nothing in time.
async fn problem(sidecar: &Sidecar) -> Option<Value> {
    let request = Request::get("/status.json").header("Host", sidecar.admin().to_string());
    let reply = once(sidecar.admin(), &request).await?;
    Some(reply.json()["key_age"]["history"]["problem"].clone())
}

//! Has pages in a real browser try to get a token of the sidecar: see `--help`, and `tests/pages/run`,
//! which finds the browser.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::print_stdout, reason = "a test, told on standard output")]

mod attempt;
mod browser;
mod devtools;
mod judge;
mod looks;
mod place;
mod relay;
mod server;
mod table;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kit::program::Program;
use kit::sidecar::VAULT;
use kit::{Sidecar, World};

use crate::browser::{Names, Setup};
use crate::judge::{Counts, Evidence};
use crate::looks::Programs;
use crate::place::{Place, Ports, homes};
use crate::relay::{Log, Port, Relay};
use crate::server::{Bound, Server};

/// All pages together take a quarter of this.
const PATIENCE: Duration = Duration::from_secs(240);

/// Looks at cambist's own pages in a browser; then asks for tokens from pages there, by every means that it has,
/// and prints what came of it. Ends with 1 if a page is not as it should be, or one got or read anything.
#[derive(Debug, Parser)]
struct Options {
    /// The browser's program: a Chromium.
    #[arg(long)]
    chromium: PathBuf,
    /// The sidecar's program.
    #[arg(long)]
    sidecar: String,
    /// The command's.
    #[arg(long)]
    command: PathBuf,
    /// A directory for pictures of the pages.
    #[arg(long)]
    shots: PathBuf,
    /// A directory for the list of attempts and what the browser writes.
    #[arg(long)]
    work: PathBuf,
    /// Where the browser finds the programs that it calls.
    #[arg(long, env)]
    path: String,
}

fn main() -> ExitCode {
    let options = Options::parse();
    kit::program::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let faults = runtime.expect("a runtime can be made").block_on(async {
        let mut faults = look(&options).await;
        faults.extend(play(&options).await);
        faults
    });
    for fault in faults.iter().take(20) {
        println!("FAILED: {}", fault.chars().take(2000).collect::<String>());
    }
    println!("pages: {} faults", faults.len());
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at cambist's own pages.
async fn look(options: &Options) -> Vec<String> {
    let (sidecar, command) = (options.sidecar.clone(), options.command.clone());
    let programs = Programs { sidecar, command };
    let Options { chromium, path, work, shots, .. } = options;
    looks::faults(&programs, chromium, path, work, shots).await
}

async fn play(options: &Options) -> Vec<String> {
    let world = World::start().await;
    let all = |program: Program| program.set("CAMBIST_PROTOCOLS", "app-service,native,imds");
    let program = all(kit::sidecar::program(&options.sidecar, &world));
    let sidecar = Sidecar::of(&options.sidecar, &world, program).await;
    let work = options.work.canonicalize().expect("the directory is there");

    let bound = Bound::bind().await;
    let home = bound.at();
    let ports =
        Ports { tokens: sidecar.tokens().port(), admin: sidecar.admin().port(), home: home.port() };
    let log = Log::default();
    let tokens = Relay::open(Port::Tokens, sidecar.tokens(), home, log.clone()).await;
    let admin = Relay::open(Port::Admin, sidecar.admin(), home, log.clone()).await;
    let way_in = tokens.at();
    let [evil, own] = homes(home);
    let names = Names::default()
        .map(&format!("*:{}", ports.tokens), tokens.at())
        .map(&format!("*:{}", ports.admin), admin.at())
        .map(&evil, home)
        .map(&own, home);

    // The same way leads a plain program to its token, by both protocols, before and after.
    control(&world, &sidecar, way_in, VAULT).await;
    log.clear();
    let before = counts(&sidecar).await;
    let exchanges = world.counts().await.entra;
    let secret = &world.env()["IDENTITY_HEADER"];
    let mut server = bound.serve(ports, secret, log.clone(), vec![tokens, admin]);
    let setup = Setup {
        exe: options.chromium.clone(),
        path: options.path.clone(),
        home: world.dir().to_owned(),
        names,
    };
    let typed = attempt::typed(&setup, ports).await;
    let browser = setup.open(&Place::File.save(&work, ports, secret));
    let ended = all_places(&mut server).await;
    std::fs::write(work.join("chromium.log"), browser.log()).expect("a file can be written");
    browser.close().await;
    let after = counts(&sidecar).await;
    let asked = world.counts().await.entra - exchanges;

    let attempts = [typed, server.attempts()].concat();
    let list = table::list(&attempts, &log);
    std::fs::write(work.join("attempts.txt"), list).expect("a file can be written");
    println!("{}", table::table(&attempts, &log));
    let evidence = Evidence { attempts: &attempts, log: &log, ports, secrets: world.secrets() };
    let mut faults: Vec<_> = ended.err().into_iter().collect();
    faults.extend(evidence.faults());
    faults.extend(evidence.counted(&before, &after).err());
    if asked != 0 {
        faults.push(format!("Entra was asked {asked} times"));
    }
    let (tried, requests) = (attempts.len(), log.exchanges().len());
    println!("{tried} attempts, {requests} requests before the sidecar, {asked} before Entra");
    control(&world, &sidecar, way_in, "https://storage.azure.com").await;
    assert_eq!(world.counts().await.entra, exchanges + asked + 1, "a plain program's exchange");
    sidecar.stop().await;
    faults
}

/// Waits for the pages of all places.
async fn all_places(server: &mut Server) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, server.done()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(format!("a page does not work: {why}")),
        Err(_) => Err(format!("the pages have not ended within {PATIENCE:?}")),
    }
}

/// A plain program, which gets its token by each protocol the way that browsers come.
///
/// # Panics
/// If it does not.
async fn control(world: &World, sidecar: &Sidecar, way_in: SocketAddr, resource: &str) {
    let requests =
        [sidecar.app_service(resource), sidecar.native(resource), sidecar.imds(resource)];
    for request in requests {
        let reply = kit::http::send(way_in, &request.bytes()).await.expect("it is answered");
        assert_eq!(reply.status, 200, "{}: {reply:?}", request.path());
        let token = reply.member("access_token");
        world.secrets().add(&token);
        let granted = world.running().sim().entra().granted(&token);
        assert_eq!(granted.expect("Entra granted it")["aud"], resource);
    }
}

/// The sidecar's counts of answers and of refusals.
async fn counts(sidecar: &Sidecar) -> Counts {
    let metrics = sidecar.ask_admin("/metrics").await;
    let ours = |line: &&str| {
        line.starts_with("cambist_requests_total") || line.starts_with("cambist_refused_total")
    };
    let counts = metrics.text().lines().filter(ours).filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    counts.collect()
}

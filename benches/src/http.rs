//! The sidecar's cached answer over TCP, against a bare hyper responder that answers alike.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cambist_sim::up;

use crate::affinity::Cpus;
use crate::args::Args;
use crate::load::{Load, Target};
use crate::report::{Bound, Row};
use crate::response::Head;
use crate::server::Server;
use crate::sidecar;
use crate::stats::{median, percentile};

/// An app's busy client, and one that asks now and then.
pub(crate) const CONNECTIONS: [usize; 2] = [32, 1];

/// A server under load, in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) cpu_us: f64,
    pub(crate) rps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// A server that is measured, and what was found so far.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    target: Target,
    /// By [`CONNECTIONS`], then by round.
    phases: [Vec<Phase>; 2],
}

/// What is needed before anything is measured.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) program: PathBuf,
    pub(crate) cpus: Option<Cpus>,
}

/// Builds the sidecar if need be. Then, because the compiler wants every CPU, divides them.
pub(crate) fn prepare(args: &Args) -> anyhow::Result<Prepared> {
    let program = args.sidecar.clone().map_or_else(sidecar::build, Ok)?;
    let cpus = Cpus::claim();
    match cpus {
        Some(Cpus { server, load }) => {
            println!("servers on CPU {server}, everything else on CPU {load}");
        }
        None => println!("not pinned to CPUs, so noisier than it could be"),
    }
    Ok(Prepared { program, cpus })
}

/// Measures and prints; the rows are for the judge.
pub(crate) fn compare(args: &Args, it: &Prepared, hyper: &Path) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let world = runtime.block_on(up::start(up::Options::new(dir.path().join("world"))))?;
    let log = dir.path().join("sidecar.log");
    let sidecar = Contender::sidecar("cambist", &it.program, world.env(), &log, it.cpus)?;
    let hyper = reference(hyper, &sidecar.target, it.cpus)?;
    let mut contenders = [sidecar, hyper];
    for round in 1..=args.rounds {
        // Whoever is second finds a warmer machine; so they take turns.
        contenders.reverse();
        for contender in &mut contenders {
            contender.measure(args.seconds)?;
        }
        progress(round, args.rounds, &contenders);
    }
    contenders.sort_by_key(|contender| contender.name);
    let rows = rows(&contenders);
    runtime.block_on(world.shutdown());
    rows
}

/// Starts the reference so that its responses have the sidecar's headers and size.
fn reference(program: &Path, like: &Target, cpus: Option<Cpus>) -> anyhow::Result<Contender> {
    let (response, status) = sidecar::fetch(like)?;
    ensure!(status == 200, "the sidecar answers {status}: {}", String::from_utf8_lossy(&response));
    let head = Head::parse(&response)?.context("no response")?;
    let length = head.headers().find(|(name, _)| *name == "content-length");
    let mut command = Command::new(program);
    command.arg(length.context("the sidecar tells no content length")?.1);
    let others = head.headers().filter(|(name, _)| !["content-length", "date"].contains(name));
    command.args(others.map(|(name, value)| format!("{name}: {value}")));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = Server::spawn(command, cpus)?;
    let mut address = String::new();
    let stdout = server.child.stdout.take().context("no standard output")?;
    BufReader::new(stdout).read_line(&mut address)?;
    let address = address.trim().parse().context("the reference told no address")?;
    server.check_owns(address)?;
    let target = Target { address, ..like.clone() };
    let mut loads = [Load::open(like, 1)?, Load::open(&target, 1)?].map(|load| load.response());
    loads.sort_unstable();
    ensure!(
        loads[0] == loads[1],
        "the responses differ in size: {} and {} bytes",
        loads[0],
        loads[1]
    );
    Ok(Contender::new("hyper", (server, target)))
}

impl Contender {
    /// A sidecar that holds a token.
    pub(crate) fn sidecar(
        name: &'static str,
        program: &Path,
        world: &BTreeMap<String, String>,
        log: &Path,
        cpus: Option<Cpus>,
    ) -> anyhow::Result<Self> {
        Ok(Self::new(name, sidecar::start(program, world, log, cpus)?))
    }

    /// A server, and what it is asked.
    pub(crate) fn new(name: &'static str, (server, target): (Server, Target)) -> Self {
        Self { name, server, target, phases: Default::default() }
    }

    /// One round.
    pub(crate) fn measure(&mut self, seconds: f64) -> anyhow::Result<()> {
        for (phases, connections) in self.phases.iter_mut().zip(CONNECTIONS) {
            let mut load = Load::open(&self.target, connections)?;
            load.run(Duration::from_secs_f64(seconds / 10.0))?;
            let before = self.server.cpu_time()?;
            let mut outcome = load.run(Duration::from_secs_f64(seconds))?;
            let cpu = self.server.cpu_time()?.saturating_sub(before);
            let requests = outcome.latencies.len() as f64;
            phases.push(Phase {
                cpu_us: cpu.as_secs_f64() * 1e6 / requests,
                rps: requests / outcome.took.as_secs_f64(),
                p50_us: f64::from(percentile(&mut outcome.latencies, 50)) / 1e3,
                p99_us: f64::from(percentile(&mut outcome.latencies, 99)) / 1e3,
            });
        }
        Ok(())
    }

    /// Leaves the rounds so far out.
    pub(crate) fn forget(&mut self) {
        self.phases = Default::default();
    }

    /// Leaves the last round out.
    pub(crate) fn forget_last(&mut self) {
        for rounds in &mut self.phases {
            rounds.pop();
        }
    }

    /// A figure over another's, for each round.
    pub(crate) fn ratios(&self, other: &Self, index: usize, value: fn(&Phase) -> f64) -> Vec<f64> {
        let pairs = self.phases.iter().zip(&other.phases).nth(index);
        let pairs = pairs.into_iter().flat_map(|(ours, theirs)| ours.iter().zip(theirs));
        pairs.map(|(ours, theirs)| value(ours) / value(theirs)).collect()
    }

    /// The median over the rounds.
    fn median(&self, index: usize, value: fn(&Phase) -> f64) -> f64 {
        let phases = self.phases.get(index).map(Vec::as_slice).unwrap_or_default();
        median(&phases.iter().map(value).collect::<Vec<_>>())
    }
}

pub(crate) fn progress(round: u32, rounds: u32, contenders: &[Contender; 2]) {
    print!("http: round {round} of {rounds}:");
    for contender in contenders {
        let [many, one] = &contender.phases;
        if let (Some(many), Some(one)) = (many.last(), one.last()) {
            let (cpu, rps) = (many.cpu_us, many.rps / 1e3);
            print!(
                "  {} {cpu:.2} us CPU, {rps:.1} krps, alone {:.1} us",
                contender.name, one.p50_us
            );
        }
    }
    println!();
}

fn rows([cambist, hyper]: &[Contender; 2]) -> anyhow::Result<Vec<Row>> {
    println!(
        "\n{:<10} {:>5} {:>12} {:>10} {:>9} {:>9} {:>9}",
        "server", "conns", "us CPU/req", "req/s", "p50 us", "p99 us", "RSS MB"
    );
    for contender in [cambist, hyper] {
        let resident = contender.server.resident()? as f64 / 1e6;
        for (index, connections) in CONNECTIONS.into_iter().enumerate() {
            println!(
                "{:<10} {connections:>5} {:>12.2} {:>10.0} {:>9.1} {:>9.1} {resident:>9.2}",
                contender.name,
                contender.median(index, |p| p.cpu_us),
                contender.median(index, |p| p.rps),
                contender.median(index, |p| p.p50_us),
                contender.median(index, |p| p.p99_us),
            );
        }
    }
    let ratios = |index: usize, value: fn(&Phase) -> f64| cambist.ratios(hyper, index, value);
    let memory = cambist.server.resident()? as f64 / hyper.server.resident()? as f64;
    Ok(vec![
        Row::new("P1 CPU a request, 32 connections", ratios(0, |p| p.cpu_us))
            .goal(Bound::AtMost(1.10))
            .floor(Bound::AtMost(1.20)),
        Row::new("P1 requests a second, 32 connections", ratios(0, |p| p.rps))
            .goal(Bound::AtLeast(0.92))
            .floor(Bound::AtLeast(0.85)),
        Row::new("   p50, 32 connections", ratios(0, |p| p.p50_us)),
        Row::new("P2 p99, 32 connections", ratios(0, |p| p.p99_us)).goal(Bound::AtMost(1.25)),
        Row::new("   CPU a request, 1 connection", ratios(1, |p| p.cpu_us)),
        Row::new("P2 p50, 1 connection", ratios(1, |p| p.p50_us)).goal(Bound::AtMost(1.05)),
        Row::new("   p99, 1 connection", ratios(1, |p| p.p99_us)),
        Row::new("   resident memory after all rounds", vec![memory]),
    ])
}

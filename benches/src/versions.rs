//! Two builds of the sidecar beside each other: what a change costs.

use std::path::Path;

use anyhow::{Context as _, ensure};
use cambist_sim::issuer::Hosting;
use cambist_sim::up;

use crate::args::Args;
use crate::http::{CONNECTIONS, Contender, Prepared, progress};
use crate::machine::Busy;
use crate::report::{Bound, Row};

/// The part of a CPU's time that others may take in a round, or it is played again.
const FOREIGN: f64 = 0.03;

/// So many times the rounds asked for are played at most.
const PATIENCE: u32 = 4;

/// Measures or counts, as the command line asks; the rows are for the judge.
pub(crate) fn compare(args: &Args, it: &Prepared) -> anyhow::Result<Vec<Row>> {
    match &args.against {
        old if args.instructions => instructions(it, old.as_deref(), args.rounds),
        Some(old) => time(args, it, old),
        None => Ok(Vec::new()),
    }
}

/// Measures in interleaved rounds.
fn time(args: &Args, it: &Prepared, old: &Path) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let world = runtime.block_on(up::start(up::Options::new(dir.path().join("world"))))?;
    // What every version can read: an older one may ask an API server in a way that it refuses.
    world.sim().issuer().host(Hosting::Blob);
    let open = |name, program: &Path| {
        let log = dir.path().join(format!("{name}.log"));
        Contender::sidecar(name, program, world.env(), &log, it.cpus)
    };
    let mut contenders = [open("new", &it.program)?, open("old", old)?];
    undisturbed(args, it, &mut contenders)?;
    contenders.sort_by_key(|contender| contender.name);
    let rows = rows(&contenders)?;
    runtime.block_on(world.shutdown());
    Ok(rows)
}

/// Measures two in turn until so many rounds as were asked for were undisturbed.
pub(crate) fn undisturbed(
    args: &Args,
    it: &Prepared,
    contenders: &mut [Contender; 2],
) -> anyhow::Result<()> {
    // What a process does once, it does before.
    for contender in contenders.iter_mut() {
        contender.measure(args.seconds / 3.0)?;
        contender.forget();
    }
    let (mut played, mut disturbed) = (0, 0);
    while played - disturbed < args.rounds {
        ensure!(
            played < args.rounds.saturating_mul(PATIENCE),
            "something else was busy in {disturbed} of {played} rounds"
        );
        played += 1;
        contenders.reverse();
        let mut foreign: f64 = 0.0;
        for contender in contenders.iter_mut() {
            let busy = Busy::begin(it.cpus, &contender.server)?;
            contender.measure(args.seconds)?;
            foreign = foreign.max(busy.foreign(&contender.server)?);
        }
        progress(played - disturbed, args.rounds, contenders);
        if foreign > FOREIGN {
            println!("      disturbed: others took {:.0} % of a CPU; once more", foreign * 100.0);
            disturbed += 1;
            contenders.iter_mut().for_each(Contender::forget_last);
        }
    }
    Ok(())
}

fn rows([new, old]: &[Contender; 2]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (index, connections) in CONNECTIONS.into_iter().enumerate() {
        let name = |what| format!("{what}, {connections} connections, new / old");
        let cpu = Row::new(&name("CPU a request"), new.ratios(old, index, |p| p.cpu_us));
        rows.push(cpu.goal(Bound::AtMost(1.0)).floor(Bound::AtMost(1.03)));
        rows.push(Row::new(&name("requests a second"), new.ratios(old, index, |p| p.rps)));
        rows.push(Row::new(&name("p50"), new.ratios(old, index, |p| p.p50_us)));
        rows.push(Row::new(&name("p99"), new.ratios(old, index, |p| p.p99_us)));
    }
    let memory = new.server.resident()? as f64 / old.server.resident()? as f64;
    rows.push(Row::new("resident memory after all rounds, new / old", vec![memory]));
    Ok(rows)
}

/// How many instructions a request takes, in the program itself, by valgrind's count.
fn instructions(it: &Prepared, old: Option<&Path>, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let world = runtime.block_on(up::start(up::Options::new(dir.path().join("world"))))?;
    world.sim().issuer().host(Hosting::Blob);
    let count = |program: &Path, requests: u32| {
        crate::instructions::count(program, world.env(), dir.path(), requests, it.cpus)
            .with_context(|| format!("{} under valgrind", program.display()))
    };
    let (mut per_hit, mut ratios) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        // A start takes as many more or less from run to run as some hundred requests.
        let hit = |program: &Path| -> anyhow::Result<f64> {
            let (few, many) = (2_000, 42_000);
            let more = count(program, many)?.saturating_sub(count(program, few)?);
            Ok(more as f64 / f64::from(many - few))
        };
        let new = hit(&it.program)?;
        per_hit.push(new);
        print!("instructions: round {round} of {rounds}: {new:.0} a request");
        match old {
            Some(old) => {
                let old = hit(old)?;
                println!(", old {old:.0}");
                ratios.push(new / old);
            }
            None => println!(),
        }
    }
    runtime.block_on(world.shutdown());
    let mut rows = vec![Row::new("instructions a request", per_hit)];
    if old.is_some() {
        let ratio = Row::new("instructions a request, new / old", ratios);
        rows.push(ratio.goal(Bound::AtMost(1.02)));
    }
    Ok(rows)
}

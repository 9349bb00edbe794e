//! The sidecar's size, how soon it serves, and what it holds on to.

use std::time::Duration;

use anyhow::ensure;
use cambist_sim::up;

use crate::args::Args;
use crate::http::Prepared;
use crate::load::{Load, Target};
use crate::report::{Bound, Row};
use crate::server::Server;
use crate::sidecar::{self, Setup};
use crate::stopwatch::now;

/// How many starts make a round's figure.
const STARTS: u32 = 5;

/// What an app's busiest moment leaves behind.
const BURST: usize = 900;

/// How long it is watched doing nothing: what happens once a minute happens twice.
const IDLE: Duration = Duration::from_secs(120);

/// Long enough for the runtime to end threads that have nothing to do.
const REST: Duration = Duration::from_secs(12);

/// Measures; the rows are for the judge.
pub(crate) fn measure(args: &Args, it: &Prepared) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let world = runtime.block_on(up::start(up::Options::new(dir.path().join("world"))))?;
    let log = dir.path().join("sidecar.log");
    let mut rounds = Vec::new();
    for round in 1..=args.rounds {
        // The least of a few: nothing makes a start quicker than it is.
        let mut least = [[f64::INFINITY; 2]; 2];
        for _ in 0..STARTS {
            let starts = [|setup: &Setup| setup.ready.clone(), |setup: &Setup| setup.token.clone()];
            for (least, asked) in least.iter_mut().zip(starts) {
                let setup = Setup::new(&it.program, world.env(), &log)?;
                let target = asked(&setup);
                let begun = now();
                let mut server = Server::spawn(setup.command, it.cpus)?;
                until_200(&mut server, &target)?;
                for (least, took) in least.iter_mut().zip([begun.elapsed(), server.run_time()?]) {
                    *least = least.min(took.as_secs_f64() * 1e3);
                }
            }
        }
        let [[ready, ready_cpu], [token, token_cpu]] = least;
        println!(
            "start: round {round}: ready {ready:.1} ms ({ready_cpu:.1} of CPU), \
             token {token:.1} ms ({token_cpu:.1} of CPU)"
        );
        rounds.push(least);
    }
    let each = |what: usize, how: usize| -> Vec<f64> {
        rounds.iter().filter_map(|round| round.get(what)?.get(how).copied()).collect()
    };
    let (server, target) = sidecar::start(&it.program, world.env(), &log, it.cpus)?;
    let mut rows = vec![
        Row::new("P14 the program, MB", vec![mb(std::fs::metadata(&it.program)?.len())])
            .goal(Bound::AtMost(5.8)),
        Row::new("P14 exec to ready, ms", each(0, 0)).goal(Bound::AtMost(3.0)),
        Row::new("    CPU until ready, ms", each(0, 1)),
        Row::new("P14 exec to first token, upstreams too, ms", each(1, 0)),
        Row::new("    CPU until the first token, ms", each(1, 1)).goal(Bound::AtMost(12.0)),
    ];
    // What the start itself has set going ends first.
    std::thread::sleep(REST);
    let woken = server.wake_ups(IDLE)? as f64 / IDLE.as_secs_f64();
    rows.push(Row::new("P13 wake-ups a second, idle", vec![woken]).goal(Bound::AtMost(0.2)));
    rows.extend(memory(&server, "idle", 1.5)?);
    let mut load = Load::open(&target, BURST)?;
    load.run(Duration::from_secs_f64(args.seconds))?;
    drop(load);
    std::thread::sleep(REST);
    rows.extend(memory(&server, "after a burst", 4.0)?);
    rows.push(Row::new("   threads", vec![server.threads()? as f64]).goal(Bound::AtMost(10.0)));
    runtime.block_on(world.shutdown());
    Ok(rows)
}

fn memory(server: &Server, when: &str, private: f64) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![Row::new(&format!("   resident {when}, MB"), vec![mb(server.resident()?)])];
    match server.private()? {
        Some(found) => rows.push(
            Row::new(&format!("P13 private {when}, MB"), vec![mb(found)])
                .goal(Bound::AtMost(private)),
        ),
        None => println!("start: only root may see which of its memory is private"),
    }
    Ok(rows)
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Asks until the answer is 200, without a pause between: it is on another CPU.
fn until_200(server: &mut Server, target: &Target) -> anyhow::Result<()> {
    let begun = now();
    loop {
        // Until somebody listens, nothing is there to connect to.
        if let Ok((response, status)) = sidecar::fetch(target) {
            ensure!(status == 200, "answered {status}: {}", String::from_utf8_lossy(&response));
            return Ok(());
        }
        ensure!(server.child.try_wait()?.is_none(), "the sidecar ended");
        ensure!(begun.elapsed() < Duration::from_secs(10), "no answer within 10 s");
    }
}

//! The sidecar under valgrind, which counts what time cannot tell: how many instructions it takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::affinity::Cpus;
use crate::load::Load;
use crate::server::Server;
use crate::sidecar::{Setup, wait_for_token};
use crate::stopwatch::now;

/// From the signal to the end, with what valgrind writes.
const PATIENCE: Duration = Duration::from_secs(60);

/// All instructions of a run with so many requests, one after the other on one connection.
pub(crate) fn count(
    program: &Path,
    world: &BTreeMap<String, String>,
    dir: &Path,
    requests: u32,
    cpus: Option<Cpus>,
) -> anyhow::Result<u64> {
    let (log, counted) = (dir.join("valgrind-sidecar.log"), dir.join("callgrind.log"));
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(format!("--log-file={}", counted.display()));
    // Where each instruction was is not asked.
    valgrind.arg(format!("--callgrind-out-file={}", dir.join("callgrind.out").display()));
    valgrind.arg(program);
    let Setup { command, mut token, ready } = Setup::of(valgrind, world, &log)?.prefetching();
    let mut server = Server::spawn(command, cpus)?;
    let told = || {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        format!("valgrind: {}\nthe sidecar's log: {}", read(&counted), read(&log))
    };
    wait_for_token(&mut server, &ready, PATIENCE).with_context(told)?;
    // To wait without sleeping would take valgrind's time, and nothing is timed.
    token.spin = false;
    Load::open(&token, 1)?.ask(requests)?;
    let id = i32::try_from(server.child.id()).ok().and_then(Pid::from_raw);
    kill_process(id.context("no process id")?, Signal::TERM)?;
    let begun = now();
    while server.child.try_wait()?.is_none() {
        ensure!(begun.elapsed() < PATIENCE, "it does not end\n{}", told());
        std::thread::sleep(Duration::from_millis(20));
    }
    collected(&fs::read_to_string(&counted)?).with_context(told)
}

/// The sum in what callgrind says at the end.
fn collected(log: &str) -> Option<u64> {
    let (_, rest) = log.rsplit_once("Collected : ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read() {
        let log =
            "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n==7== I   refs:  123,456\n";
        assert_eq!(collected(log), Some(123_456));
        assert_eq!(collected("==7== Process terminating"), None);
    }
}

//! A server in a process of its own: started on its CPU, watched, and ended with its owner.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::param::clock_ticks_per_second;

use crate::affinity::Cpus;
use crate::stopwatch::now;

/// A child process that serves on a port of 127.0.0.1. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) child: Child,
}

impl Server {
    pub(crate) fn spawn(mut command: Command, cpus: Option<Cpus>) -> anyhow::Result<Self> {
        let child = match cpus {
            Some(cpus) => cpus.as_server(|| command.spawn())?,
            None => command.spawn(),
        };
        let child = child.with_context(|| format!("cannot run {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    /// The CPU time it has used, its own and the kernel's for it.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        let ticks = cpu_ticks(&stat).context("/proc/PID/stat is not as it was")?;
        Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        kib(&status, "VmRSS:").context("/proc/PID/status has no VmRSS")
    }

    /// The same by the scheduler's own clock, which counts nanoseconds where it is compiled in.
    pub(crate) fn run_time(&self) -> anyhow::Result<Duration> {
        let mut sum = Duration::ZERO;
        for task in fs::read_dir(self.proc("task"))? {
            let ran = fs::read_to_string(task?.path().join("schedstat"))?;
            let nanoseconds = ran.split(' ').next().and_then(|ran| ran.parse().ok());
            sum += Duration::from_nanos(nanoseconds.context("no schedstat as it was")?);
        }
        Ok(sum)
    }

    /// The memory of its own that is in no file, in bytes; `None` where only root may look.
    pub(crate) fn private(&self) -> anyhow::Result<Option<u64>> {
        match fs::read_to_string(self.proc("smaps_rollup")) {
            Ok(maps) => {
                let private = kib(&maps, "Private_Dirty:");
                Ok(Some(private.context("/proc/PID/smaps_rollup tells nothing private")?))
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How often its threads wake up, during so long.
    pub(crate) fn wake_ups(&self, during: Duration) -> anyhow::Result<u64> {
        let (begun, mut sum) = (now(), 0);
        let mut known = self.switches()?;
        while begun.elapsed() < during {
            // Often, since threads come and go.
            std::thread::sleep(Duration::from_millis(500));
            let next = self.switches()?;
            let grown = next.iter().map(|(task, n)| n - known.get(task).unwrap_or(&0).min(n));
            sum += grown.sum::<u64>();
            known = next;
        }
        Ok(sum)
    }

    /// How often each thread has given up its CPU by itself.
    fn switches(&self) -> anyhow::Result<HashMap<OsString, u64>> {
        let mut switches = HashMap::new();
        for task in fs::read_dir(self.proc("task"))? {
            let task = task?;
            // It may have ended since it was listed.
            let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
            let slept = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            let slept = slept.and_then(|slept| slept.trim().parse::<u64>().ok());
            let slept = slept.context("/proc/PID/task/*/status tells no switches")?;
            switches.insert(task.file_name(), slept);
        }
        Ok(switches)
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(self.proc("task"))?.count())
    }

    /// Makes sure that it is this process that listens there, and no other.
    pub(crate) fn check_owns(&self, address: SocketAddr) -> anyhow::Result<()> {
        let table = fs::read_to_string("/proc/net/tcp")?;
        let inode = listening_inode(&table, address.port());
        let socket = format!("socket:[{}]", inode.context("nobody listens there")?);
        let open = match fs::read_dir(self.proc("fd")) {
            // A process that cannot be dumped cannot be looked into either, but by root.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            open => open?,
        };
        let owns = open.flatten().any(|entry| {
            fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == socket.as_str())
        });
        ensure!(owns, "another process than the server listens at {address}");
        Ok(())
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// utime and stime of `/proc/PID/stat` (proc(5)): the 14th and 15th fields, of which the second, in
/// parentheses, may hold anything.
pub(crate) fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// A line of the kernel's that tells a size in KiB, in bytes.
fn kib(table: &str, name: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The inode of the socket that listens on this port, in `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<&str> {
    let local = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let listens = fields.get(3) == Some(&"0A") && fields.get(1)?.ends_with(&local);
        listens.then(|| fields.get(9).copied()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 3 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(300));
        let status = "Name:\tx\nVmRSS:\t    9112 kB\n";
        assert_eq!((kib(status, "VmRSS:"), kib(status, "Rss:")), (Some(9112 * 1024), None));
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:20E5 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0 20 4\n   \
            1: 0100007F:20E5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0\n";
        assert_eq!(listening_inode(table, 0x20e5), Some("222"));
        assert_eq!(listening_inode(table, 0x20e6), None);
    }
}

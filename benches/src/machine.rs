//! Who else used the CPUs meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::param::clock_ticks_per_second;

use crate::affinity::Cpus;
use crate::server::{Server, cpu_ticks};
use crate::stopwatch::now;

/// How busy the two CPUs were when a measurement began, and by whom.
#[derive(Debug)]
pub(crate) struct Busy {
    cpus: Option<Cpus>,
    begun: Instant,
    server: Share,
    load: Share,
}

/// A CPU, and the process that has it to itself.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    cpu: Duration,
    owner: Duration,
}

impl Share {
    /// What others took of it since.
    fn foreign(self, before: Self) -> Duration {
        let busy = self.cpu.saturating_sub(before.cpu);
        busy.saturating_sub(self.owner.saturating_sub(before.owner))
    }
}

impl Busy {
    /// From now on.
    pub(crate) fn begin(cpus: Option<Cpus>, server: &Server) -> anyhow::Result<Self> {
        let (server, load) = shares(cpus, server)?;
        Ok(Self { cpus, begun: now(), server, load })
    }

    /// The part of its time that a CPU spent on others until now: the worse of the two. None where
    /// nothing is pinned, since nobody can tell.
    pub(crate) fn foreign(&self, server: &Server) -> anyhow::Result<f64> {
        let (server, load) = shares(self.cpus, server)?;
        let worse = server.foreign(self.server).max(load.foreign(self.load));
        Ok(worse.as_secs_f64() / self.begun.elapsed().as_secs_f64())
    }
}

fn shares(cpus: Option<Cpus>, server: &Server) -> anyhow::Result<(Share, Share)> {
    let Some(cpus) = cpus else { return Ok(Default::default()) };
    let stat = fs::read_to_string("/proc/stat")?;
    let cpu = |index| busy(&stat, index).context("/proc/stat is not as it was");
    let own = fs::read_to_string("/proc/self/stat")?;
    let own = cpu_ticks(&own).context("/proc/self/stat is not as it was")?;
    let server = Share { cpu: cpu(cpus.server)?, owner: server.cpu_time()? };
    Ok((server, Share { cpu: cpu(cpus.load)?, owner: ticks(own) }))
}

/// The time that a CPU was not idle: user, nice, system and stolen (proc(5)). What interrupts took is
/// counted to whoever ran.
fn busy(stat: &str, cpu: usize) -> Option<Duration> {
    let name = format!("cpu{cpu}");
    let line = stat.lines().find(|line| line.split(' ').next() == Some(&name))?;
    let field = |index: usize| line.split(' ').nth(index)?.parse::<u64>().ok();
    Some(ticks(field(1)? + field(2)? + field(3)? + field(8)?))
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 3 100 5 6 7 8 0 0\ncpu10 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(busy(stat, 1), Some(ticks(14)));
        assert_eq!(busy(stat, 10), Some(Duration::ZERO));
        assert_eq!(busy(stat, 2), None);
    }

    #[test]
    fn what_the_owner_took_is_not_foreign() {
        let share = |cpu, owner| Share { cpu: ticks(cpu), owner: ticks(owner) };
        assert_eq!(share(350, 250).foreign(share(100, 50)), ticks(50));
        assert_eq!(share(200, 250).foreign(share(100, 50)), Duration::ZERO);
    }
}

//! Who runs on which CPU: the servers on one, everything else on another.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two CPUs, if there are two and the system lets us choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpus {
    pub(crate) server: usize,
    pub(crate) load: usize,
}

impl Cpus {
    /// The first two that this process may use. Pins the calling thread, and with it every thread
    /// that it will start, to the second.
    pub(crate) fn claim() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let cpus = Self { server: cpus.next()?, load: cpus.next()? };
        pin(cpus.load).ok()?;
        Some(cpus)
    }

    /// Does something on the servers' CPU; a process that it starts stays there.
    pub(crate) fn as_server<T>(self, start: impl FnOnce() -> T) -> rustix::io::Result<T> {
        pin(self.server)?;
        let outcome = start();
        pin(self.load)?;
        Ok(outcome)
    }
}

fn pin(cpu: usize) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
}

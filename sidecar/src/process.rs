//! What the process gives up and what it takes, all of it before its first thread.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

/// A cached token takes microseconds; more workers would only hold more memory.
const MOST_WORKERS: usize = 2;

/// Threads for what may block: looking up names, and reading files, which leaves one of them alone.
const MOST_BLOCKING: usize = 4;

/// The open files that are enough for every limit on connections; the kernel keeps a table as long as
/// the highest.
const ENOUGH_FILES: u64 = 65_536;

/// Gives up core dumps, and being looked into by other processes of the same user: memory holds tokens,
/// and the environment perhaps the header secret. There is no way back.
pub(crate) fn give_up_dumps() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Takes as many open files as this process may have, within reason: a container's soft limit is often
/// 1024 where its hard limit is a thousand times that. How many there may be now; `None` is any number.
pub(crate) fn raise_open_files() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(ENOUGH_FILES, |maximum| maximum.min(ENOUGH_FILES));
    if current.is_some_and(|current| current < wanted) {
        // Refused or not, what holds is asked for below.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
    getrlimit(Resource::Nofile).current
}

/// How many workers are worth having here. It is read from files, so ask before those are given up.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

/// The runtime: with the main thread, the log's and the audit trail's, nine threads at most, on any number of CPUs.
pub(crate) fn runtime(workers: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(MOST_BLOCKING)
        .thread_name("sidecar")
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn with_every_thread_busy_there_are_no_more_than_allowed() {
        let runtime = runtime(workers()).unwrap();
        let (end, ends) = channel::<()>();
        let ends = std::sync::Arc::new(std::sync::Mutex::new(ends));
        let (begun, begins) = channel();
        for _ in 0..20 {
            let (ends, begun) = (ends.clone(), begun.clone());
            runtime.spawn_blocking(move || {
                let _ = begun.send(());
                let _ = ends.lock().unwrap().recv();
            });
            runtime.spawn(async {});
        }
        (0..MOST_BLOCKING).for_each(|_| begins.recv().unwrap());
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.flatten().filter_map(|task| {
            // A thread of another test may have ended meanwhile.
            std::fs::read_to_string(task.path().join("comm")).ok()
        });
        let ours = names.filter(|name| name.trim() == "sidecar").count();
        assert!((MOST_BLOCKING + 1..=MOST_BLOCKING + MOST_WORKERS).contains(&ours), "{ours}");
        assert!(begins.try_recv().is_err(), "the rest waits");
        drop(end);
    }

    #[test]
    fn open_files_are_raised_to_what_may_be() {
        let files = raise_open_files();
        let most = getrlimit(Resource::Nofile).maximum;
        assert!(files.is_none_or(|files| files >= most.unwrap_or(u64::MAX).min(ENOUGH_FILES)));
    }
}

//! The process as the kernel tells of it, and what of it others may see.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use kit::{Sidecar, World};
use rustix::process::{Pid, Signal};
use tokio::time::Instant;

use crate::scenario::{Figure, Found, Setup};

/// Nobody else's: no other process has this id, so that a limit on its tasks counts only ours.
pub(crate) const SOMEBODY: u32 = 47_803;

/// How long a sidecar gets to end before it is made to.
const PATIENCE: Duration = Duration::from_secs(15);

/// A file of the process' in `/proc`.
pub(crate) fn proc_file(id: Pid, name: &str) -> String {
    format!("/proc/{}/{name}", id.as_raw_nonzero())
}

/// How many tasks (threads) it has now.
pub(crate) fn tasks(id: Pid) -> usize {
    fs::read_dir(proc_file(id, "task")).map_or(0, Iterator::count)
}

/// The number behind a name in a file of `/proc`, times 1024.
pub(crate) fn kilobytes(id: Pid, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(proc_file(id, file)).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// How long it takes from SIGTERM to the process' end; as long as anybody waits if it does not end.
pub(crate) async fn end(sidecar: Sidecar) -> Duration {
    let started = Instant::now();
    sidecar.signal(Signal::TERM);
    // What has not ended by then is killed by being dropped.
    let _ = tokio::time::timeout(PATIENCE, sidecar.ended()).await;
    started.elapsed()
}

/// Hands all that a world has written to another user, who is to run the sidecar. Only root can.
pub(crate) fn hand_over(world: &World, setup: &Setup) -> Result<String, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can run it as another user".to_owned());
    }
    // Where the program lies may be nobody else's business.
    let exe = world.dir().join("cambist-sidecar");
    fs::copy(setup.exe(), &exe).expect("the program can be copied");
    let mut todo = vec![world.dir().to_owned()];
    while let Some(path) = todo.pop() {
        std::os::unix::fs::lchown(&path, Some(SOMEBODY), Some(SOMEBODY)).expect("root may");
        if path.is_dir() && !path.is_symlink() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    Ok(exe.display().to_string())
}

/// Neither another process of the same user nor a core dump gets at the secrets in its memory.
pub(crate) async fn closed(setup: Setup) -> Found {
    let world = World::start().await;
    let mut program = setup.program(&world).limit("-Sc unlimited").limit("-Sn 256");
    if rustix::process::geteuid().is_root() {
        let exe = hand_over(&world, &setup)?;
        program = program.exe(exe).user(SOMEBODY);
    }
    let sidecar = setup.spawn(&world, program).await;
    assert_eq!(sidecar.token(kit::sidecar::VAULT).await.status, 200);
    let id = sidecar.id();
    // What can be dumped belongs to its user, who may then read it; what cannot, to root.
    let owner = fs::metadata(proc_file(id, "environ")).unwrap().uid();
    let limits = fs::read_to_string(proc_file(id, "limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let mut words = line.split_whitespace();
        [words.next().unwrap(), words.next().unwrap()]
    };
    let [soft, hard] = limit("Max open files");
    let figures = vec![
        Figure::holds("its memory and environment are root's alone", owner == 0),
        Figure::holds("core limit 0, soft and hard", limit("Max core file size") == ["0", "0"]),
        Figure::holds("soft limit of open files raised to the hard one", soft == hard),
    ];
    sidecar.stop().await;
    Ok(figures)
}

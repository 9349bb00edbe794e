//! How the injected sidecar is held, as the kernel sees it.

use std::sync::Arc;

use super::cgroup;
use super::namespace::Namespace;
use super::pod::{Pod, SIDECAR, app};
use crate::case::Stage;

/// Another user, no capability and none to be had, the runtime's system calls, a root to be read, and a
/// limit of memory but none of the processor.
pub(crate) async fn confined(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "confined", &[], &[]).await;
    let pod = Pod::start(&namespace, app("confined", &["pause"])).await;
    pod.runs("app").await;
    let process = pod.process(SIDECAR).await;
    let of_it = |file: &str| {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", process.as_raw_nonzero()));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let status = of_it("status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name}: {status}")).trim().to_owned()
    };
    for (name, expected) in [
        ("Uid", "65532\t65532\t65532\t65532"),
        ("Gid", "65532\t65532\t65532\t65532"),
        ("NoNewPrivs", "1"),
        // A filter.
        ("Seccomp", "2"),
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
    ] {
        assert_eq!(field(name), expected, "{name}");
    }
    let mounts = of_it("mounts");
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/"));
    let options = root.and_then(|line| line.split(' ').nth(3)).unwrap_or_default();
    assert!(options.split(',').any(|it| it == "ro"), "{mounts}");
    let memory = cgroup::read(process, "memory", ["memory.limit_in_bytes", "memory.max"]);
    assert_eq!(memory, (32 << 20).to_string());
    let processor = cgroup::read(process, "cpu", ["cpu.cfs_quota_us", "cpu.max"]);
    assert!(processor == "-1" || processor.starts_with("max"), "{processor}");
    pod.delete().await;
    "user 65532, no capabilities, no new privileges, seccomp, root read-only, 32 MiB, no CPU limit"
        .to_owned()
}

//! What a probe costs.

use std::sync::Arc;

use serde_json::Value;

use super::containers::system;
use super::namespace::Namespace;
use super::pod::{Pod, SIDECAR, app};
use crate::case::Stage;

const RUNS: &str = "300";
/// In microseconds of the processor.
const MOST: u64 = 1500;

/// `cambist-sidecar health`, the program of the image, in the pod's network, many times over: its own
/// process, without what the container runtime takes to start it.
pub(crate) async fn cost(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "probe-cost", &[], &[]).await;
    let pod = Pod::start(&namespace, app("probe-cost", &["pause"])).await;
    pod.runs("app").await;
    let (sidecar, app) = (pod.process(SIDECAR).await, pod.process("app").await);
    let of = |process: rustix::process::Pid, file: &str| {
        format!("/proc/{}/{file}", process.as_raw_nonzero())
    };
    let ended = system("/usr/bin/env")
        .args(&["nsenter", &format!("--net={}", of(sidecar, "ns/net"))])
        .args(&[&of(app, "root/app"), "usage", RUNS])
        .args(&[&of(sidecar, "root/usr/local/bin/cambist-sidecar"), "health"])
        .run()
        .await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let told: Value = serde_json::from_str(&ended.stdout).expect("a line of JSON");
    let median = told["median_us"].as_u64().expect("a number");
    assert!(median > 0 && median < MOST, "{told}");
    pod.delete().await;
    format!("{median} us of the processor in the middle of {RUNS}")
}

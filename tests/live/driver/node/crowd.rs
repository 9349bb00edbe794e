//! As many callers at once as a pod may have, within the memory that it is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::cgroup;
use super::namespace::{Namespace, trust};
use super::pod::{Pod, SIDECAR, app, container_status};
use crate::case::Stage;
use crate::cluster::BRIDGE;
use crate::entra::Entra;

const WARM: usize = 700;
const COLD: usize = 290;
const LIMIT: u64 = 32 << 20;

/// 700 connections that go on asking for a held token, and beside them 290 callers for others, of an
/// Entra that takes its time.
pub(crate) async fn crowd(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let cluster = &node.cluster;
    // An Entra of its own, so that nobody else has to wait.
    let dir = cluster.dir().join("slow-entra");
    let trust = trust(cluster, "crowd");
    let slow = Entra::start(&stage, &dir, BRIDGE, &trust, &cluster.ca_file()).await;
    let ca = std::fs::read_to_string(slow.variable("CAMBIST_CA_FILE")).expect("it is there");
    let authority = slow.variable("AZURE_AUTHORITY_HOST");
    let settings = [
        ("AZURE_AUTHORITY_HOST", authority),
        ("CAMBIST_ALLOW_AUTHORITY", authority),
        ("AZURE_TENANT_ID", slow.variable("AZURE_TENANT_ID")),
        ("AZURE_CLIENT_ID", slow.variable("AZURE_CLIENT_ID")),
    ];
    let namespace = Namespace::new(node, "crowd", &[], &settings).await;
    let files = namespace.read("/api/v1/NAMESPACE/configmaps", "cambist-files").await;
    let all = files["data"]["ca.pem"].as_str().unwrap_or_default().to_owned() + &ca;
    namespace
        .config_map("cambist-files", [("ca.pem".to_owned(), json!(all))].into_iter().collect())
        .await;

    let latency = json!({ "target": "entra", "kind": "latency", "ms": 1000 });
    slow.ask("/sim/fault", Some(latency)).await;
    let pod = app("crowd", &["crowd", &WARM.to_string(), &COLD.to_string()]);
    let pod = Pod::start(&namespace, pod).await;
    let sidecar = pod.process(SIDECAR).await;
    let told = pod.says(super::LONG, "app", "what came of it", |said| said.first().cloned()).await;
    // The most that it was ever charged with.
    let peak = cgroup::read(sidecar, "memory", ["memory.max_usage_in_bytes", "memory.peak"]);
    let peak: u64 = peak.parse().expect("it is a number");
    let status = pod.read().await["status"].take();
    let status = container_status(&status, SIDECAR).cloned().unwrap_or_default();
    assert_eq!(
        (&status["restartCount"], &status["lastState"]),
        (&json!(0), &json!({})),
        "{status}"
    );
    let answers = |of: &str| -> BTreeMap<String, u64> {
        serde_json::from_value(told[of].clone()).unwrap_or_else(|error| panic!("{error}: {told}"))
    };
    let (warm, cold) = (answers("warm"), answers("cold"));
    assert_eq!(warm.keys().collect::<Vec<_>>(), ["granted"], "{told}");
    assert!(warm["granted"] >= 2 * WARM as u64, "{told}");
    assert_eq!(cold.values().sum::<u64>(), COLD as u64, "{told}");
    assert_eq!(cold.get("granted"), Some(&(COLD as u64)), "{told}");
    assert!(peak <= LIMIT, "{peak}");
    format!(
        "{} warm answers and {COLD} cold ones granted; {:.1} of 32 MiB at most, no OOM kill",
        warm["granted"],
        peak as f64 / f64::from(1 << 20)
    )
}

//! Where the sidecar finds a real cluster's keys.

use std::sync::Arc;

use kit::Sidecar;

use crate::case::Stage;
use crate::pods::{Kubelet, admitted};

/// A sidecar that finds keys where it is told serves a token that it has verified; returns it.
async fn serves(stage: &Stage, pod: &str, keys: &str) -> Sidecar {
    let cluster = stage.cluster().await;
    cluster.publish().await;
    let kubelet = Kubelet::start(cluster, pod).await;
    let sidecar = kubelet.sidecar(stage, cluster, keys).await;
    let reply = sidecar.token(kit::sidecar::VAULT).await;
    assert_eq!(reply.status, 200, "{reply:?}\n{}", sidecar.log());
    sidecar
}

/// What came of it.
async fn told(sidecar: Sidecar, source: &str, failed: &[&str]) -> String {
    let fetches = async |source: &str, outcome: &str| {
        let labels = format!("source=\"{source}\",outcome=\"{outcome}\"");
        sidecar.metric(&format!("cambist_key_fetches_total{{{labels}}}")).await
    };
    assert!(fetches(source, "read").await > 0, "{}", sidecar.log());
    for source in failed {
        assert!(fetches(source, "failed").await > 0, "{}", sidecar.log());
    }
    let (verified, unchecked) = admitted(&sidecar).await;
    assert!(verified > 0 && unchecked == 0, "{verified}, {unchecked}\n{}", sidecar.log());
    sidecar.stop().await;
    format!("200, {verified} verified, 0 unchecked, keys from {source}")
}

/// From the issuer, which is the API server itself.
pub(crate) async fn public(stage: Arc<Stage>) -> String {
    told(serves(&stage, "pod-public", "public").await, "public", &[]).await
}

/// From the API server, with a pod's own token for it and no right beyond every account's.
pub(crate) async fn api(stage: Arc<Stage>) -> String {
    told(serves(&stage, "pod-api", "api").await, "api", &[]).await
}

/// From a file that somebody saved.
pub(crate) async fn file(stage: Arc<Stage>) -> String {
    let file = stage.cluster().await.key_set_file();
    let keys = format!("file:{}", file.display());
    told(serves(&stage, "pod-file", &keys).await, "file", &[]).await
}

/// From the first place that has them.
pub(crate) async fn in_order(stage: Arc<Stage>) -> String {
    let missing = stage.cluster().await.dir().join("missing.json");
    let keys = format!("file:{},public,api", missing.display());
    told(serves(&stage, "pod-order", &keys).await, "public", &["file"]).await
}

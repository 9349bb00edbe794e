//! The policies that inject and guard, as the command prints them.

use reqwest::Method;
use serde_json::Value;

use super::{LONG, Node};
use crate::admission::Policies;
use crate::case::Stage;

/// Puts in force what `cambist deploy inject` prints.
pub(super) async fn in_force(stage: &Stage, node: &Node) {
    let kube = node.cluster.kube();
    Policies::print(stage, &["--image", &node.image]).await.apply(kube).await;
    // The API server goes by them a moment later.
    super::namespace::Namespace::new(node, "trial", &[], &[]).await;
    let path = "/api/v1/namespaces/trial/pods?dryRun=All";
    let pod = super::pod::app("trial", &["pause"]);
    kit::within(LONG, "an injected pod", async || {
        let answer = kube.ask(Method::POST, path, Some(pod.clone())).await;
        let made: Value = serde_json::from_str(&answer.text).ok()?;
        (made["spec"]["initContainers"][0]["image"] == *node.image).then_some(())
    })
    .await;
    // The guard knows the sidecar by its image.
    let injected = kube.ask(Method::POST, path, Some(pod)).await.json();
    kit::within(LONG, "a guard", async || {
        let mut forged = injected.clone();
        forged["spec"]["initContainers"][0]["image"] = "localhost/another:1".into();
        let answer = kube.ask(Method::POST, path, Some(forged)).await;
        (answer.status == 422 || answer.status == 403).then_some(())
    })
    .await;
}

//! The observer of the issuer's keys, by the manifests that ship.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::namespace::Namespace;
use super::pod::Pod;
use super::tokens::pod_of_job;
use crate::case::Stage;
use crate::cluster::NODE;
use crate::objects::documents;

const NAME: &str = "cambist-observer";

/// Two runs of the CronJob's pod, one after the other, write its ConfigMap with its Role.
pub(crate) async fn observes(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "observer", &[], &[]).await;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sidecar/deploy/components/observe");
    let mut job = Value::Null;
    for file in ["account", "history", "role", "cronjob"] {
        let text = std::fs::read_to_string(dir.join(format!("{file}.yaml")));
        for mut object in documents(&text.expect("it ships")) {
            // As the overlays would change them: another namespace, and the image of this build.
            if let Some(subject) = object.pointer_mut("/subjects/0/namespace") {
                *subject = json!(namespace.name);
            }
            if object["kind"] == "CronJob" {
                let pod = &mut object["spec"]["jobTemplate"]["spec"]["template"];
                pod["spec"]["nodeName"] = json!(NODE);
                pod["spec"]["containers"][0]["image"] = json!(node.image);
                pod["metadata"]["finalizers"] = json!(["cambist.dev/test"]);
                job = object["spec"]["jobTemplate"]["spec"].clone();
            }
            namespace.make(object).await;
        }
    }
    let mut before = 0;
    for run in ["observer-1", "observer-2"] {
        // As `kubectl create job --from=cronjob/...` does, rather than wait for the hour.
        namespace
            .make(json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": run }, "spec": job }))
            .await;
        let pod = pod_of_job(&namespace, run).await;
        let report = report(&pod);
        assert_eq!(
            (&report["recorded"], &report["problems"]),
            (&json!(true), &json!([])),
            "{report}"
        );
        let map = namespace.read("/api/v1/NAMESPACE/configmaps", "cambist-issuer-history").await;
        let history = map["data"]["history.json"].as_str().unwrap_or_else(|| panic!("{map}"));
        let history: Value = serde_json::from_str(history).expect("it is JSON");
        let sequence = history["history"]["sequence"].as_u64().expect("it is counted");
        assert!(sequence > before, "{run}: {before} and {sequence}");
        before = sequence;
    }
    format!("2 runs of the pod of {NAME} recorded what they saw, with its own Role")
}

fn report(pod: &Pod<'_>) -> Value {
    let line = pod.lines("observe").into_iter().find(|line| line.text.starts_with('{'));
    line.unwrap_or_else(|| panic!("no report:\n{}", pod.told())).json()
}

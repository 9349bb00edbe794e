//! The namespaces that ask for injection, and beside each one that is the same but for its label.

use reqwest::Method;
use serde_json::{Value, json};

use super::policies::Policies;
use crate::case::Stage;
use crate::cluster::Cluster;
use crate::kube::{Answer, Kube};

/// What a namespace's name ends in that does not ask.
const TWIN: &str = "-twin";

/// Namespaces and what is annotated there.
const NAMESPACES: &[(&str, &[(&str, &str)])] = &[
    ("inject", &[]),
    ("inject-file", &[("cambist.dev/header", "file")]),
    (
        "inject-gov",
        &[
            ("cambist.dev/audience", "api://AzureADTokenExchangeUSGov"),
            ("cambist.dev/token-seconds", "600"),
        ],
    ),
    ("inject-binding", &[("cambist.dev/audience", "api://AKSIdentityBinding")]),
    ("inject-own-audience", &[("cambist.dev/audience", "urn:tokens:of-our-own")]),
    ("inject-odd-audience", &[("cambist.dev/audience", "")]),
    ("inject-odd-seconds", &[("cambist.dev/token-seconds", "an hour")]),
    ("inject-few-seconds", &[("cambist.dev/token-seconds", "599")]),
    ("inject-odd-header", &[("cambist.dev/header", "uid")]),
    ("inject-limits", &[]),
    ("inject-quota", &[]),
    // Here Pod Security enforces nothing, which leaves more to the guard.
    (LAX, &[]),
];
const LAX: &str = "inject-lax";

/// Namespaces and policies that are in force.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) kube: Kube,
    pub(super) policies: Policies,
}

impl World {
    /// Of the cluster of all cases: nothing of it concerns namespaces that do not ask.
    pub(crate) async fn start(stage: &Stage, cluster: &Cluster) -> Self {
        let kube = cluster.kube().kept(&cluster.ca_file());
        for (name, annotations) in NAMESPACES {
            let annotations: serde_json::Map<_, _> =
                annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
            for twin in [false, true] {
                namespace(&kube, name, twin, &annotations).await;
            }
        }
        let policies = Policies::print(stage, &[]).await;
        let world = Self { kube, policies };
        world.policies.apply(&world.kube).await;
        world.policies.in_force(&world).await;
        world
    }

    /// Asks for a pod by dry-run, where it would be injected or beside.
    pub(super) async fn ask(&self, pod: &Value, twin: bool) -> Answer {
        let mut pod = pod.clone();
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("inject").to_owned();
        let namespace = namespace + if twin { TWIN } else { "" };
        pod["metadata"]["namespace"] = json!(namespace);
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        self.kube.ask(Method::POST, &path, Some(pod)).await
    }
}

async fn namespace(
    kube: &Kube,
    name: &str,
    twin: bool,
    annotations: &serde_json::Map<String, Value>,
) {
    let full = format!("{name}{}", if twin { TWIN } else { "" });
    let mut labels = serde_json::Map::new();
    if name != LAX {
        labels.insert("pod-security.kubernetes.io/enforce".to_owned(), json!("restricted"));
    }
    if !twin {
        labels.insert("cambist.dev/inject".to_owned(), json!("true"));
    }
    let metadata = json!({ "name": full, "labels": labels, "annotations": annotations });
    kube.create("/api/v1/namespaces", json!({ "metadata": metadata })).await;
    let within = format!("/api/v1/namespaces/{full}");
    // No controller runs that would make `default`.
    for account in ["default", "checkout", "reports"] {
        kube.create(
            &format!("{within}/serviceaccounts"),
            json!({ "metadata": { "name": account } }),
        )
        .await;
    }
    match name {
        "inject-limits" => {
            let limit = json!({
                "type": "Container",
                "default": { "cpu": "500m", "memory": "256Mi" },
                "defaultRequest": { "cpu": "100m", "memory": "64Mi" },
            });
            let range = json!({ "metadata": { "name": "limits" }, "spec": { "limits": [limit] } });
            kube.create(&format!("{within}/limitranges"), range).await;
        }
        "inject-quota" => {
            let hard = json!({ "limits.cpu": "4" });
            let mut quota = json!({ "metadata": { "name": "quota" }, "spec": { "hard": hard } });
            kube.create(&format!("{within}/resourcequotas"), quota.clone()).await;
            // What a controller would write.
            let path = format!("{within}/resourcequotas/quota");
            quota = kube.ask(Method::GET, &path, None).await.json();
            quota["status"] = json!({ "hard": hard, "used": { "limits.cpu": "0" } });
            kube.ask(Method::PUT, &format!("{path}/status"), Some(quota)).await.json();
        }
        _ => {}
    }
}

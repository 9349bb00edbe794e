//! The header secret that is no pod's UID.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::LONG;
use super::ends::kill;
use super::namespace::{Namespace, register};
use super::pod::{Pod, app, container, errors};
use crate::case::Stage;

const VAULT: &str = "https://vault.azure.net";
const STORAGE: &str = "https://storage.azure.com";

/// A variable of a container's first process.
async fn variable(pod: &Pod<'_>, container: &str, name: &str) -> String {
    let process = pod.process(container).await;
    let path = format!("/proc/{}/environ", process.as_raw_nonzero());
    let environment = std::fs::read_to_string(path).expect("root may read it");
    let found = environment.split('\0').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{container} has no {name}")).to_owned()
}

/// The sidecar makes it, each app has it as a variable, and it outlives the sidecar.
pub(crate) async fn file(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let annotations = [("cambist.dev/header", "file")];
    let namespace = Namespace::new(node, "header-file", &annotations, &[]).await;
    let mut pod = app("header-file", &["ask"]);
    let containers = pod["spec"]["containers"].as_array_mut().expect("it has some");
    containers.push(container("other", &["ask"]));
    let pod = Pod::start(&namespace, pod).await;
    for name in ["app", "other"] {
        pod.says(LONG, name, "three things", |said| (said.len() >= 3).then_some(())).await;
    }
    let (one, other) = (
        variable(&pod, "app", "IDENTITY_HEADER").await,
        variable(&pod, "other", "IDENTITY_HEADER").await,
    );
    node.cluster.secrets().add(&one);
    assert!(one == other && one != pod.uid && one.len() >= 16, "{} characters", one.len());
    let (_, before) = kill(&pod, 1).await;
    for name in ["app", "other"] {
        pod.says(LONG, name, "more", |said| (said.len() >= before + 3).then_some(())).await;
        assert!(errors(&pod.said(name)).is_empty(), "{}", pod.told());
    }
    node.cluster.secrets().assert_absent("a pod's logs", &pod.told());
    pod.delete().await;
    "two containers have one that is not the UID, and a killed sidecar keeps it; 0 requests failed"
        .to_owned()
}

/// Two containers with a secret each: each gets its own identity's tokens and no others.
pub(crate) async fn secret(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "header-secret", &[], &[]).await;
    let reporting = register(&node.cluster, "header-secret").await;
    let policy = json!({
        "version": 1,
        "identities": [
            { "name": "payments", "client_id": namespace.client_id },
            { "name": "reporting", "client_id": reporting },
        ],
        "callers": [
            {
                "name": "checkout",
                "secret_files": ["/var/run/secrets/cambist-callers/checkout"],
                "may": [{ "identity": "payments", "resources": [VAULT] }],
            },
            {
                "name": "reports",
                "secret_files": ["/var/run/secrets/cambist-callers/reports"],
                "may": [{ "identity": "reporting", "resources": [STORAGE] }],
            },
        ],
    });
    let files = namespace.read("/api/v1/NAMESPACE/configmaps", "cambist-files").await;
    let mut files: Map<String, Value> = files["data"].as_object().cloned().unwrap_or_default();
    files.insert("identities.yaml".to_owned(), json!(policy.to_string()));
    namespace.config_map("cambist-files", files).await;
    let mut settings = namespace.settings.clone();
    // The file names the identities, and who may have which.
    settings.remove("AZURE_CLIENT_ID");
    namespace.config_map("cambist", settings).await;
    let mut data = Map::new();
    for name in ["checkout", "reports"] {
        let mut random = [0; 18];
        aws_lc_rs::rand::fill(&mut random).expect("there is randomness");
        let secret = BASE64.encode(random);
        node.cluster.secrets().add(&secret);
        data.insert(name.to_owned(), json!(BASE64.encode(secret)));
    }
    namespace
        .make(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "callers" }, "data": data }))
        .await;
    let mut pod = app("header-secret", &[]);
    pod["metadata"]["annotations"] = json!({ "cambist.dev/header-secret": "callers" });
    pod["spec"]["containers"] = json!([
        container("checkout", &["tokens", VAULT, STORAGE]),
        container("reports", &["tokens", STORAGE, VAULT]),
    ]);
    let pod = Pod::start(&namespace, pod).await;
    for name in ["checkout", "reports"] {
        pod.says(LONG, name, "two things", |said| (said.len() == 2).then_some(())).await;
        let said = pod.said(name);
        assert!(said[0]["error"].is_null(), "{}", pod.told());
        let refused = said[1]["error"].as_str().unwrap_or_default();
        assert!(refused.contains("policy_denied"), "{refused}\n{}", pod.told());
    }
    let scopes = async |client: &str| -> Vec<Value> {
        let all = node.cluster.simulated().exchanges(client).await;
        all.into_iter().map(|it| it["scope"].clone()).collect()
    };
    assert_eq!(scopes(&namespace.client_id).await, [json!(format!("{VAULT}/.default"))]);
    assert_eq!(scopes(&reporting).await, [json!(format!("{STORAGE}/.default"))]);
    node.cluster.secrets().assert_absent("a pod's logs", &pod.told());
    "each container its own identity's token, and policy_denied for the other's".to_owned()
}

//! A pod with the sidecar written out, where nothing injects it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::namespace::Namespace;
use super::pod::{Pod, SIDECAR, app, errors};
use crate::case::Stage;
use crate::cluster::ENTRA;

const VAULT: &str = "https://vault.azure.net";

/// The keys of the API server alone, with a second projected token and the authority that every
/// namespace has.
pub(crate) async fn keys_api(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let settings = [
        ("CAMBIST_KEYS", "api"),
        ("CAMBIST_API_TOKEN_FILE", "/var/run/secrets/api/token"),
        ("CAMBIST_API_CA_FILE", "/var/run/secrets/api/ca.crt"),
    ];
    let namespace = Namespace::plain(node, "keys-api", &settings).await;
    let mut pod = app("keys-api", &["tokens", VAULT]);
    let header = json!({
        "name": "IDENTITY_HEADER", "valueFrom": { "fieldRef": { "fieldPath": "metadata.uid" } },
    });
    pod["spec"]["containers"][0]["env"] = json!([
        { "name": "IDENTITY_ENDPOINT", "value": "http://127.0.0.1:8421/msi/token" },
        header,
    ]);
    pod["spec"]["initContainers"] = json!([sidecar(&node.image, &header)]);
    pod["spec"]["volumes"] = json!([
        { "name": "token", "projected": { "sources": [
            { "serviceAccountToken": { "audience": ENTRA, "path": "token" } },
            { "configMap": { "name": "cambist-files" } },
        ] } },
        { "name": "api", "projected": { "sources": [
            { "serviceAccountToken": { "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        ] } },
    ]);
    let pod = Pod::start(&namespace, pod).await;
    pod.succeeds().await;
    assert!(errors(&pod.said("app")).is_empty(), "{}", pod.told());
    let lines = pod.said(SIDECAR);
    let of = |message: &str| lines.iter().find(|line| line["message"] == message);
    let (read, issued) = (of("issuer keys read"), of("issued"));
    assert!(read.is_some_and(|line| line["source"] == "api"), "{}", pod.told());
    assert!(issued.is_some_and(|line| line["standing"] == "verified"), "{}", pod.told());
    "a token verified by the keys of the API server alone, which it asks by the pod's variables"
        .to_owned()
}

fn sidecar(image: &str, header: &Value) -> Value {
    json!({
        "name": SIDECAR,
        "image": image,
        "restartPolicy": "Always",
        "envFrom": [{ "configMapRef": { "name": "cambist" } }],
        "env": [{ "name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/secrets/cambist/token" }, header],
        "startupProbe": { "periodSeconds": 1, "failureThreshold": 60, "exec": { "command": ["cambist-sidecar", "health"] } },
        "volumeMounts": [
            { "name": "token", "mountPath": "/var/run/secrets/cambist", "readOnly": true },
            { "name": "api", "mountPath": "/var/run/secrets/api", "readOnly": true },
        ],
        "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "32Mi" } },
        "securityContext": super::pod::confined(),
    })
}

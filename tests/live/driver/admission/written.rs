//! The pods of `pods.yaml` and `sidecars.yaml`, and what is filled in.

use serde::Deserialize;
use serde_json::{Value, json};

/// A pod as a file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) case: String,
    #[serde(default)]
    namespace: Option<String>,
    /// Whether it has the label.
    #[serde(default)]
    asks: bool,
    /// Whether the server gives it its name.
    #[serde(default)]
    generates: bool,
    #[serde(default)]
    labels: serde_json::Map<String, Value>,
    #[serde(default)]
    annotations: serde_json::Map<String, Value>,
    /// In what a sidecar written by hand is not the genuine one.
    #[serde(default)]
    sidecar: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    spec: Value,
}

/// All of them.
pub(super) fn written() -> Vec<Written> {
    let files = [include_str!("pods.yaml"), include_str!("sidecars.yaml")];
    let read = |file| -> Vec<Written> {
        serde_saphyr::from_multiple(file).unwrap_or_else(|error| panic!("{error}"))
    };
    files.into_iter().flat_map(read).collect()
}

/// A pod of `pods.yaml` in which no image of ours is named.
pub(super) fn pod(case: &str) -> Value {
    let found = written().into_iter().find(|it| it.case == case);
    found.unwrap_or_else(|| panic!("{case} is not in pods.yaml")).pod("")
}

impl Written {
    /// As the API has it.
    pub(super) fn pod(self, image: &str) -> Value {
        let Self { case, namespace, asks, generates, mut labels, annotations, sidecar, mut spec } =
            self;
        if asks {
            labels.insert("cambist.dev/inject".to_owned(), json!("true"));
        }
        let name = if generates { "generateName" } else { "name" };
        let mut metadata = json!({ "labels": labels, "annotations": annotations });
        metadata[name] = json!(case);
        metadata["namespace"] = json!(namespace.as_deref().unwrap_or("inject"));
        if let Some(sidecar) = sidecar {
            add_sidecar(&mut spec, sidecar);
        }
        fill(&mut spec, "serviceAccountName", json!("checkout"));
        fill(&mut spec, "securityContext", json!({}));
        fill(&mut spec["securityContext"], "runAsNonRoot", json!(true));
        fill(&mut spec["securityContext"], "seccompProfile", json!({ "type": "RuntimeDefault" }));
        for list in ["initContainers", "containers"] {
            for container in spec[list].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default() {
                fill(container, "image", json!("app.example/app:1"));
                if container["image"] == "@image" {
                    container["image"] = json!(image);
                }
                fill(container, "securityContext", json!({}));
                let context = &mut container["securityContext"];
                fill(context, "allowPrivilegeEscalation", json!(false));
                fill(context, "capabilities", json!({ "drop": ["ALL"] }));
            }
        }
        if spec["initContainers"].is_null() {
            spec.as_object_mut().expect("an object").remove("initContainers");
        }
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })
    }
}

/// A sidecar by hand, after the other init containers, and its token.
fn add_sidecar(spec: &mut Value, differences: serde_json::Map<String, Value>) {
    let mut sidecar = json!({
        "name": "cambist", "image": "@image", "restartPolicy": "Always",
        "volumeMounts": [{ "name": "t", "mountPath": "/var/run/secrets/cambist" }],
    });
    for (key, value) in differences {
        match (&mut sidecar[&key], value) {
            (Value::Array(there), Value::Array(more)) => there.extend(more),
            (there, value) => *there = value,
        }
    }
    fill(spec, "containers", json!([{ "name": "app" }]));
    fill(spec, "initContainers", json!([]));
    fill(spec, "volumes", json!([]));
    if let Some(all) = spec["initContainers"].as_array_mut() {
        all.push(sidecar);
    }
    let token = json!({ "audience": "api://AzureADTokenExchange", "path": "token" });
    if let Some(all) = spec["volumes"].as_array_mut()
        && all.iter().all(|it| it["name"] != "t")
    {
        let sources = json!([{ "serviceAccountToken": token }]);
        all.push(json!({ "name": "t", "projected": { "sources": sources } }));
    }
}

fn fill(object: &mut Value, key: &str, value: Value) {
    if object[key].is_null() {
        object[key] = value;
    }
}

//! Objects as files have them.

use reqwest::Method;
use serde_json::Value;

use crate::kube::Kube;

/// The documents of a YAML text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Makes an object, or puts it in the place of the one that is there; as it then is.
pub(crate) async fn apply(kube: &Kube, mut object: Value) -> Value {
    let at = path(&object, true);
    let there = kube.ask(Method::GET, &at, None).await;
    if there.status == 404 {
        return kube.ask(Method::POST, &path(&object, false), Some(object)).await.json();
    }
    object["metadata"]["resourceVersion"] = there.json()["metadata"]["resourceVersion"].clone();
    kube.ask(Method::PUT, &at, Some(object)).await.json()
}

/// Where an object is, or where those of its kind are.
pub(crate) fn path(object: &Value, itself: bool) -> String {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let plural = match text(&object["kind"]).to_lowercase() {
        kind if kind.ends_with('y') => format!("{}ies", kind.trim_end_matches('y')),
        kind => format!("{kind}s"),
    };
    let version = text(&object["apiVersion"]);
    let root = if version == "v1" { "api" } else { "apis" };
    let within = object["metadata"]["namespace"].as_str();
    let within = within.map(|namespace| format!("namespaces/{namespace}/")).unwrap_or_default();
    let all = format!("/{root}/{version}/{within}{plural}");
    if itself { format!("{all}/{}", text(&object["metadata"]["name"])) } else { all }
}

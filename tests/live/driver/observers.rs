//! The history in a real ConfigMap, by an account that may do no more than that.

use std::sync::Arc;

use futures_util::future::join_all;
use kit::Ended;
use reqwest::Method;
use serde_json::{Value, json};

use crate::case::Stage;
use crate::cluster::{API, Cluster};
use crate::command::{Engineer, report};

/// At once; by far more than a cluster needs.
const WRITERS: usize = 12;
const ROUNDS: usize = 3;

/// Makes an empty ConfigMap, and lets the observer get and update exactly that.
async fn prepare(cluster: &Cluster, name: &str) {
    let kube = cluster.kube();
    let group = "rbac.authorization.k8s.io";
    let rbac = format!("/apis/{group}/v1/namespaces/cambist");
    kube.create("/api/v1/namespaces/cambist/configmaps", json!({ "metadata": { "name": name } }))
        .await;
    let rule = json!({
        "apiGroups": [""], "resources": ["configmaps"],
        "resourceNames": [name], "verbs": ["get", "update"],
    });
    let role = json!({ "metadata": { "name": name }, "rules": [rule] });
    kube.create(&format!("{rbac}/roles"), role).await;
    let binding = json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": group, "kind": "Role", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": "observer", "namespace": "cambist" }],
    });
    kube.create(&format!("{rbac}/rolebindings"), binding).await;
    let token = kube.token("cambist/observer", API).await.unwrap_or_else(|error| panic!("{error}"));
    let path = format!("/api/v1/namespaces/cambist/configmaps/{name}");
    kube.readable(&path, Some(&token)).await;
}

/// How often something was added to the history in a ConfigMap.
async fn sequence(cluster: &Cluster, name: &str) -> u64 {
    let path = format!("/api/v1/namespaces/cambist/configmaps/{name}");
    let map = cluster.kube().ask(Method::GET, &path, None).await.json();
    let text = map["data"]["history.json"].as_str().unwrap_or_else(|| panic!("no history: {map}"));
    let history: Value = serde_json::from_str(text).expect("it is JSON");
    history["history"]["sequence"].as_u64().unwrap_or_else(|| panic!("no sequence: {text}"))
}

async fn observe(engineer: &Engineer<'_>, name: &str) -> Ended {
    let history = format!("cm:cambist/{name}");
    engineer.command("observe").args(&["--history", &history, "-o", "ndjson"]).run().await
}

/// `get` and `update` by name suffice.
pub(crate) async fn least_role(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    prepare(cluster, "least").await;
    let engineer = Engineer::of(&stage, cluster, "cambist/observer").await;
    let mut before = 0;
    for look in 1..=2 {
        let ended = observe(&engineer, "least").await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        let line = report(&ended);
        assert_eq!((&line["recorded"], &line["problems"]), (&json!(true), &json!([])), "{line}");
        let after = sequence(cluster, "least").await;
        assert!(after > before, "look {look}, {before} and {after}: {line}");
        before = after;
    }
    "2 looks recorded with get and update on one ConfigMap".to_owned()
}

/// Without that, it says what is missing and does not say that it recorded anything.
pub(crate) async fn refused(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    prepare(cluster, "guarded").await;
    let engineer = Engineer::of(&stage, cluster, "cambist/stranger").await;
    let ended = observe(&engineer, "guarded").await;
    assert_eq!(ended.code(), Some(3), "{ended:?}");
    assert!(!ended.stdout.contains("\"recorded\":true"), "{ended:?}");
    let told = ended.output();
    assert!(told.contains("403") && told.contains("configmaps"), "{ended:?}");

    // The Role is there, and the ConfigMap is not: nobody may make one by name.
    let path = "/api/v1/namespaces/cambist/configmaps/guarded";
    cluster.kube().ask(Method::DELETE, path, None).await.json();
    let engineer = Engineer::of(&stage, cluster, "cambist/observer").await;
    let ended = observe(&engineer, "guarded").await;
    assert_eq!(ended.code(), Some(3), "{ended:?}");
    assert!(ended.output().contains("create"), "{ended:?}");
    "exit code 3 and the missing right, without a Role and without a ConfigMap".to_owned()
}

/// Of many that write at once, none is lost.
pub(crate) async fn twelve(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    prepare(cluster, "crowd").await;
    let engineer = Engineer::of(&stage, cluster, "cambist/observer").await;
    // What one look adds: the documents, from each place.
    assert_eq!(observe(&engineer, "crowd").await.code(), Some(0));
    let one = sequence(cluster, "crowd").await;
    for round in 1..=ROUNDS {
        let all = join_all((0..WRITERS).map(|_| observe(&engineer, "crowd"))).await;
        for ended in &all {
            let recorded = ended.code() == Some(0) && ended.stdout.contains("\"recorded\":true");
            assert!(recorded, "round {round}: {ended:?}");
        }
        let looks = 1 + (round * WRITERS) as u64;
        assert_eq!(sequence(cluster, "crowd").await, one * looks, "round {round}");
    }
    format!(
        "{ROUNDS} rounds of {WRITERS} writers: {} of {} looks are in it",
        ROUNDS * WRITERS,
        ROUNDS * WRITERS
    )
}

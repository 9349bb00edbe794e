//! Pods that others make: a controller, a policy that comes later, a namespace with a quota.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use super::pods::refusal;
use super::written::pod;
use crate::case::Stage;
use crate::objects::{apply, path};

/// A Job is left alone; its pods, as the controller would make them, are injected.
pub(crate) async fn jobs(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let mut template = pod("plain");
    template["spec"]["restartPolicy"] = json!("Never");
    let metadata = json!({ "labels": template["metadata"]["labels"] });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "once" },
        "spec": { "template": { "metadata": metadata, "spec": template["spec"] } },
    });
    let path = "/apis/batch/v1/namespaces/inject/jobs?dryRun=All";
    let job = world.kube.ask(Method::POST, path, Some(job)).await.json();
    let template = &job["spec"]["template"];
    assert!(template["spec"]["initContainers"].is_null(), "{job}");
    let mut metadata = template["metadata"].clone();
    metadata["generateName"] = json!("once-");
    metadata["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
    metadata["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "Job", "name": "once", "uid": job["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let made = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] });
    let made = world.ask(&made, false).await.json();
    let sidecar = &made["spec"]["initContainers"][0];
    assert_eq!(
        (&sidecar["name"], &sidecar["restartPolicy"]),
        (&json!("cambist"), &json!("Always")),
        "{made}"
    );
    assert_eq!(made["spec"]["restartPolicy"], "Never");
    "the Job is left alone, its pod has the sidecar, which no Job waits for".to_owned()
}

/// A container that another policy adds afterwards has the variables, too.
pub(crate) async fn late_containers(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let mut policy = world.policies.injection();
    let name = json!("zz-adds-a-container");
    policy["metadata"]["name"] = name.clone();
    let spec = &mut policy["spec"];
    spec["matchConstraints"]["objectSelector"] = json!({ "matchLabels": { "late": "true" } });
    spec["variables"] = json!([]);
    let late = r#"object.spec.containers.exists(c, c.name == "late") ? [] : [JSONPatch{op: "add", path: "/spec/containers/-",
        value: Object{name: "late", image: "late.example/late:1", securityContext: Object.securityContext{
            allowPrivilegeEscalation: false, capabilities: Object.securityContext.capabilities{drop: ["ALL"]}}}}]"#;
    spec["mutations"][0]["jsonPatch"]["expression"] = json!(late);
    let mut binding = world.policies.binding();
    binding["metadata"]["name"] = name.clone();
    binding["spec"]["policyName"] = name;
    apply(&world.kube, policy.clone()).await;
    apply(&world.kube, binding.clone()).await;
    let mut asking = pod("plain");
    asking["metadata"]["labels"]["late"] = json!("true");
    let made = kit::eventually("a container that is added late", async || {
        let made = world.ask(&asking, false).await.json();
        (made["spec"]["containers"][1]["name"] == "late").then_some(made)
    })
    .await;
    let spec = &made["spec"];
    let names = |list: &Value| -> Vec<String> {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it["name"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(names(&spec["initContainers"]), ["cambist"], "{made}");
    let variables = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "NO_PROXY", "no_proxy"];
    for container in spec["containers"].as_array().expect("it has containers") {
        assert_eq!(names(&container["env"]), variables, "{container}");
    }
    for object in [&binding, &policy] {
        world.kube.ask(Method::DELETE, &path(object, true), None).await.json();
    }
    "a container of a later policy has the variables, and there is one sidecar".to_owned()
}

/// An expression may cost only so much, and then refuses every pod: a hundred containers with a hundred variables
/// each are more than anybody has.
pub(crate) async fn large(stage: Arc<Stage>) -> String {
    const MANY: usize = 100;
    let world = stage.admission().await;
    let mut asking = pod("plain");
    let variables: Vec<_> =
        (0..MANY).map(|it| json!({ "name": format!("VARIABLE_{it}"), "value": "v" })).collect();
    let containers = (0..MANY).map(|it| {
        let mut container = asking["spec"]["containers"][0].clone();
        container["name"] = json!(format!("app-{it}"));
        container["env"] = json!(variables);
        container
    });
    asking["spec"]["containers"] = containers.collect();
    let made = world.ask(&asking, false).await.json();
    let containers = made["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(containers.len(), MANY);
    for container in containers {
        assert_eq!(container["env"].as_array().map(Vec::len), Some(MANY + 4), "{container}");
    }
    format!("{MANY} containers with {MANY} variables each are injected and admitted")
}

/// A quota on CPU limits admits none but pods that have some, and the sidecar has none.
pub(crate) async fn quota(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let mut asking = pod("plain");
    asking["metadata"]["namespace"] = json!("inject-quota");
    let limits = json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "1", "memory": "1Gi" } });
    asking["spec"]["containers"][0]["resources"] = limits;
    let beside = kit::eventually("a pod within the quota", async || {
        let answer = world.ask(&asking, true).await;
        (answer.status == 201).then_some(answer)
    })
    .await;
    assert!(beside.json()["spec"]["initContainers"].is_null());
    let answer = world.ask(&asking, false).await;
    let told = refusal(&answer.text);
    assert_eq!(answer.status, 403, "{told}");
    assert!(told.contains("must specify limits.cpu for: cambist"), "{told}");
    told
}

//! What changes while pods run, and policies that go and come.

use std::sync::Arc;

use kit::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use super::pods::refusal;
use super::policies::Policies;
use super::world::World;
use super::written::pod;
use crate::case::Stage;

/// A pod like this case that stays, injected; its path.
async fn standing(world: &World, case: &str, name: &str) -> String {
    let mut pod = pod(case);
    pod["metadata"]["name"] = json!(name);
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("inject");
    let all = format!("/api/v1/namespaces/{namespace}/pods");
    world.kube.create(&all, pod).await;
    format!("{all}/{name}")
}

/// Asks by dry-run for the pod at `path` as `change` makes it.
async fn changed(
    world: &World,
    path: &str,
    sub: &str,
    change: impl Fn(&mut Value),
) -> Result<Value, String> {
    let mut pod = world.kube.ask(Method::GET, path, None).await.json();
    change(&mut pod);
    let answer = world.kube.ask(Method::PUT, &format!("{path}{sub}?dryRun=All"), Some(pod)).await;
    if answer.status == 200 { Ok(answer.json()) } else { Err(refusal(&answer.text)) }
}

fn container(name: &str) -> Value {
    let context = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    json!({ "name": name, "image": "debug.example/debug:1", "securityContext": context })
}

/// Asks by dry-run for an ephemeral container in the pod at `path`.
async fn ephemeral(world: &World, path: &str, container: Value) -> Result<Value, String> {
    changed(world, path, "/ephemeralcontainers", |pod| {
        let list = pod["spec"]["ephemeralContainers"].take();
        let mut list = list.as_array().cloned().unwrap_or_default();
        list.push(container.clone());
        pod["spec"]["ephemeralContainers"] = json!(list);
    })
    .await
}

/// Ephemeral containers get neither the token nor the variables.
pub(crate) async fn containers_that_come(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let path = standing(world, "plain", "debugged").await;
    let add = async |container: Value| ephemeral(world, &path, container).await;
    let mut mounting = container("mounting");
    mounting["volumeMounts"] = json!([{ "name": "cambist-token", "mountPath": "/t" }]);
    let refused = add(mounting).await.expect_err("it would have the token");
    assert!(refused.contains("for the sidecar alone, but mounted by mounting"), "{refused}");
    let mut targeting = container("targeting");
    targeting["targetContainerName"] = json!("cambist");
    let refused = add(targeting).await.expect_err("it would see the sidecar's files");
    assert!(refused.contains("targets the sidecar"), "{refused}");
    for (case, volume) in [("header-file", "cambist-header"), ("header-secret", "cambist-callers")]
    {
        let path = standing(world, case, "overheard").await;
        let mut mounting = container("mounting");
        mounting["volumeMounts"] = json!([{ "name": volume, "mountPath": "/h" }]);
        let refused =
            ephemeral(world, &path, mounting).await.expect_err("it would have the header");
        assert!(
            refused.contains("are for the sidecar alone, but mounted by mounting"),
            "{refused}"
        );
        world.kube.ask(Method::DELETE, &format!("{path}?gracePeriodSeconds=0"), None).await.json();
    }
    let mut good = container("good");
    good["targetContainerName"] = json!("app");
    let made = add(good).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(made["spec"]["ephemeralContainers"][0]["env"].is_null(), "{made}");
    world.kube.ask(Method::DELETE, &format!("{path}?gracePeriodSeconds=0"), None).await.json();
    "those that mount the token or the header and the one that targets the sidecar are refused, another is not, and has no variables".to_owned()
}

/// The sidecar's image may not become another; the rest of a pod that runs is nobody's concern.
pub(crate) async fn images_that_change(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let path = standing(world, "plain", "updated").await;
    let refused = changed(world, &path, "", |pod| {
        pod["spec"]["initContainers"][0]["image"] = json!("thief.example/t:1");
    })
    .await
    .expect_err("a thief's image would have the token");
    assert!(
        refused.contains("may become") && refused.contains("not thief.example/t:1"),
        "{refused}"
    );
    changed(world, &path, "", |pod| {
        pod["spec"]["containers"][0]["image"] = json!("app.example/app:2");
        pod["metadata"]["finalizers"] = json!(["example.org/wait"]);
        pod["metadata"]["labels"]["more"] = json!("1");
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    world.kube.ask(Method::DELETE, &format!("{path}?gracePeriodSeconds=0"), None).await.json();
    refused
}

/// Policies that are taken out do nothing, and do it again when they are back, with another image and audience. A pod
/// of the image before goes on, and is guarded on.
pub(crate) async fn made_again(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let older = standing(world, "plain", "older").await;
    for round in 0..2 {
        world.policies.delete(&world.kube).await;
        eventually("a pod that nobody injects or refuses", async || {
            let plain = world.ask(&pod("plain"), false).await;
            let bad = world.ask(&pod("as-default"), false).await;
            let as_it_was = plain.status == 201 && plain.json()["spec"]["initContainers"].is_null();
            (as_it_was && bad.status == 201).then_some(())
        })
        .await;
        let image =
            format!("registry.example:5000/cambist@sha256:{}", format!("{round}c").repeat(32));
        let others = Policies::print(&stage, &["--image", &image, "--audience", "germany"]).await;
        others.apply(&world.kube).await;
        others.in_force(world).await;
        let made = world.ask(&pod("plain"), false).await.json();
        let volumes = made["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let token =
            volumes.iter().find(|it| it["name"] == "cambist-token").expect("there is a token");
        let audience = &token["projected"]["sources"][0]["serviceAccountToken"]["audience"];
        assert_eq!(*audience, "api://AzureADTokenExchangeGermany", "{made}");
        let mut targeting = container("targeting");
        targeting["targetContainerName"] = json!("cambist");
        let refused = ephemeral(world, &older, targeting).await.expect_err("it has a token");
        assert!(refused.contains("targets the sidecar"), "{refused}");
        changed(world, &older, "", |pod| pod["metadata"]["labels"]["more"] = json!("1"))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        // Replaced while they are in force.
        world.policies.apply(&world.kube).await;
        world.policies.in_force(world).await;
    }
    world.kube.ask(Method::DELETE, &format!("{older}?gracePeriodSeconds=0"), None).await.json();
    "twice taken out, made anew with another image and audience, and replaced".to_owned()
}

/// Where a variable cannot be had from a file, the annotation that asks for it is refused in words, and not by
/// an API server that drops the field.
pub(crate) async fn without_env_files(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let mut asking = pod("plain");
    asking["metadata"]["namespace"] = json!("inject-file");
    assert_eq!(world.ask(&asking, false).await.status, 201);
    let earlier =
        Policies::print(&stage, &["--version", "1.34"]).await.with_api_of(&world.policies);
    earlier.apply(&world.kube).await;
    let refused = eventually("the policies of 1.34", async || {
        let answer = world.ask(&asking, false).await;
        (answer.status != 201).then(|| refusal(&answer.text))
    })
    .await;
    assert!(refused.contains("\"file\" needs Kubernetes 1.35 or newer"), "{refused}");
    world.policies.apply(&world.kube).await;
    eventually("the policies of this release", async || {
        let answer = world.ask(&asking, false).await;
        (answer.status == 201).then_some(())
    })
    .await;
    world.policies.in_force(world).await;
    refused
}

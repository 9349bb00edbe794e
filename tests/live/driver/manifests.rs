//! What `sidecar/deploy` renders, as an API server takes it. Nothing here runs a pod: what admission says of
//! each is asked without making it.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::case::Stage;
use crate::cluster::{Cluster, Publishes, policies_are_beta};
use crate::kube::{Answer, Kube};
use crate::objects::path;

mod demo;
mod observer;

/// The namespace that all are rendered for.
const NAMESPACE: &str = "cambist-demo";

/// One rendered manifest, in a namespace of its own.
pub(crate) struct Manifest {
    namespace: String,
    objects: Vec<Value>,
}

impl Manifest {
    /// As `tests/deploy/run` left it.
    pub(crate) fn read(stage: &Stage, name: &str) -> Self {
        let path = stage.manifests().join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| {
            panic!("{}: {error}: `tests/deploy/run render` writes it", path.display())
        });
        let namespace = format!("cambist-of-{name}");
        let objects = serde_json::from_str(&text.replace(NAMESPACE, &namespace));
        Self { namespace, objects: objects.expect("it is JSON") }
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// An object by its kind and name.
    pub(crate) fn object(&self, kind: &str, name: &str) -> &Value {
        let found =
            self.objects.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("{}: no {kind} {name}", self.namespace))
    }

    /// Makes all of it, in its order, and hears no warning.
    pub(crate) async fn apply(&self, kube: &Kube) {
        if !self.objects.iter().any(|it| it["kind"] == "Namespace") && !self.of_the_cluster() {
            // A chart has none: its values.yaml says how to label it.
            let labels = json!({ "cambist.dev/inject": "true", "pod-security.kubernetes.io/enforce": "restricted" });
            let metadata = json!({ "name": self.namespace, "labels": labels });
            kube.create("/api/v1/namespaces", json!({ "metadata": metadata })).await;
        }
        for object in &self.objects {
            let path = path(object, false);
            let answer = kube.ask(Method::POST, &path, Some(object.clone())).await;
            let at = format!("{path}, {}", object["metadata"]["name"]);
            assert_eq!((answer.status, answer.header("warning")), (201, ""), "{at}: {answer:?}");
            if object["kind"] == "ResourceQuota" {
                in_force(kube, &path, &answer.json()).await;
            }
        }
    }

    fn of_the_cluster(&self) -> bool {
        self.objects.iter().all(|it| it["metadata"]["namespace"].is_null())
    }

    /// A pod of each template.
    pub(crate) fn pods(&self) -> Vec<Value> {
        let template = |object: &Value| match object["kind"].as_str() {
            Some("Deployment" | "StatefulSet" | "DaemonSet" | "Job") => {
                Some(object["spec"]["template"].clone())
            }
            Some("CronJob") => Some(object["spec"]["jobTemplate"]["spec"]["template"].clone()),
            _ => None,
        };
        let pods = self.objects.iter().filter_map(|object| {
            let mut pod = template(object)?;
            pod["metadata"]["name"] = object["metadata"]["name"].clone();
            // The controllers of the others leave it to the API server's default.
            if object["kind"] == "DaemonSet" {
                pod["spec"]["restartPolicy"] = json!("Always");
            }
            Some(pod)
        });
        pods.collect()
    }

    /// What admission makes of a pod.
    pub(crate) async fn admit(&self, kube: &Kube, pod: &Value) -> Answer {
        let path = format!("/api/v1/namespaces/{}/pods?dryRun=All", self.namespace);
        kube.ask(Method::POST, &path, Some(pod.clone())).await
    }

    /// A pod of the template of this name, as it is let in.
    async fn admitted(&self, kube: &Kube, name: &str) -> Value {
        let pod = self.pods().into_iter().find(|pod| pod["metadata"]["name"] == name);
        let pod = pod.unwrap_or_else(|| panic!("{}: no pod {name}", self.namespace));
        self.admit(kube, &pod).await.json()
    }
}

/// What the quota controller does, which is not here: until then no pod is let in.
async fn in_force(kube: &Kube, path: &str, quota: &Value) {
    let hard = &quota["spec"]["hard"];
    let none: BTreeMap<_, _> =
        hard.as_object().into_iter().flatten().map(|(name, _)| (name, "0")).collect();
    let mut quota = quota.clone();
    quota["status"] = json!({ "hard": hard, "used": none });
    let path = format!("{path}/{}/status", quota["metadata"]["name"].as_str().unwrap_or_default());
    let answer = kube.ask(Method::PUT, &path, Some(quota)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A cluster of its own with the policies of its version in force.
async fn cluster(stage: &Stage, name: &str) -> Cluster {
    let cluster = Cluster::start(stage, name, Publishes::Itself, 1).await;
    let api = if policies_are_beta(stage.kubernetes()) { "v1beta1" } else { "v1" };
    let policies = Manifest::read(stage, &format!("inject-{api}"));
    policies.apply(cluster.kube()).await;
    cluster
}

/// Waits until pods of an injecting namespace are given the sidecar.
async fn injects(kube: &Kube, manifest: &Manifest) {
    kit::eventually("injected pods", async || {
        let pod = manifest.admitted(kube, "demo").await;
        (first_of(&pod) == "cambist").then_some(())
    })
    .await;
}

fn first_of(pod: &Value) -> &str {
    pod["spec"]["initContainers"][0]["name"].as_str().unwrap_or_default()
}

/// Every overlay and the chart under *restricted*: each object, and a pod of each template, with a sidecar that
/// takes its settings.
pub(crate) async fn admitted(stage: Arc<Stage>) -> String {
    let cluster = cluster(&stage, "manifests").await;
    let kube = cluster.kube();
    let chart = if policies_are_beta(stage.kubernetes()) { "of-ones-own" } else { "everything" };
    let chart = &format!("chart-{chart}");
    let mut seen = Vec::new();
    let mut names = vec!["arc-k3s", "aks", "self-hosted", "jobs", "many", chart];
    if !stage.manifests().join(format!("{chart}.json")).exists() {
        // Without Helm, which tests/deploy/run tells.
        seen.push(format!("no {chart}"));
        names.pop();
    }
    for name in names {
        let mut manifest = Manifest::read(&stage, name);
        // The policies are there already.
        manifest
            .objects
            .retain(|it| !it["metadata"]["namespace"].is_null() || it["kind"] == "Namespace");
        manifest.apply(kube).await;
        if name == "arc-k3s" {
            injects(kube, &manifest).await;
        }
        let mut sidecars = 0;
        let pods = manifest.pods();
        for pod in &pods {
            let answer = manifest.admit(kube, pod).await;
            let at = format!("{name}, {}", pod["metadata"]["name"]);
            assert_eq!((answer.status, answer.header("warning")), (201, ""), "{at}: {answer:?}");
            if first_of(&answer.json()) == "cambist" {
                starts(&stage, &manifest, &answer.json()).await;
                sidecars += 1;
            }
            // Which is *restricted* and no accident.
            let mut worse = pod.clone();
            worse["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] =
                json!(true);
            let answer = manifest.admit(kube, &worse).await;
            let violates = answer.status == 403 && answer.text.contains("violates PodSecurity");
            assert!(violates, "{at}: {answer:?}");
        }
        seen.push(format!(
            "{name} {} objects, {} pods, {sidecars} with a sidecar",
            manifest.objects.len(),
            pods.len()
        ));
    }
    seen.join("; ")
}

/// The sidecar accepts what its container would have as variables.
async fn starts(stage: &Stage, manifest: &Manifest, pod: &Value) {
    let container = &pod["spec"]["initContainers"][0];
    let settings = &manifest.object("ConfigMap", "cambist")["data"];
    let mut program = kit::Program::new(stage.program("cambist-sidecar")).arg("--check-config");
    if pod["metadata"]["labels"]["azure.workload.identity/use"] == "true" {
        // What the webhook adds to each container that it does not skip.
        program = program
            .set("AZURE_TENANT_ID", "00000000-0000-4000-8000-000000000001")
            .set("AZURE_CLIENT_ID", "00000000-0000-4000-8000-000000000003")
            .set("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token")
            .set("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/");
    }
    for (name, value) in settings.as_object().into_iter().flatten() {
        program = program.set(name, value.as_str().unwrap_or_default());
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let from = &variable["valueFrom"];
        let value = match from["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.uid") => json!("5a1f4b3e-0c55-4d6e-9d3e-6f1d2c3b4a59"),
            Some("status.hostIP") => json!("10.0.0.1"),
            Some(_) => json!("10.0.0.7"),
            None if from.is_null() => variable["value"].clone(),
            None => settings[from["configMapKeyRef"]["key"].as_str().unwrap_or_default()].clone(),
        };
        if let Some(value) = value.as_str() {
            program = program.set(variable["name"].as_str().unwrap_or_default(), value);
        }
    }
    let ended = program.run().await;
    assert_eq!(ended.code(), Some(0), "{}: {ended:?}", manifest.namespace);
}

/// What kustomize adds where manifests are built is what the policies add where pods are made, but for the client
/// id of the account, whose name kustomize does not know.
pub(crate) async fn alike(stage: Arc<Stage>) -> String {
    let cluster = cluster(&stage, "manifests-alike").await;
    let kube = cluster.kube();
    let (injected, built) =
        (Manifest::read(&stage, "arc-k3s"), Manifest::read(&stage, "self-hosted"));
    injected.apply(kube).await;
    built.apply(kube).await;
    injects(kube, &injected).await;
    let (mut one, two) =
        (injected.admitted(kube, "demo").await, built.admitted(kube, "demo").await);
    let variables =
        one["spec"]["initContainers"][0]["env"].as_array_mut().expect("it has variables");
    let before = variables.len();
    variables.retain(|it| it["name"] != "AZURE_CLIENT_ID");
    assert_eq!(variables.len() + 1, before, "{one}");
    assert_eq!(one["spec"], two["spec"]);
    assert_eq!(one["metadata"]["labels"], two["metadata"]["labels"]);

    // Whoever goes over to the policies need not leave the component out first: guard and injection let it be.
    let moved = injected.admit(kube, &built.pods()[0]).await.json();
    assert_eq!(moved["spec"], two["spec"]);

    // A container that says nothing of its resources is given a memory limit, and no CPU limit.
    let mut pod = built.pods().remove(0);
    pod["spec"]["containers"][0]["resources"].take();
    let pod = built.admit(kube, &pod).await.json();
    let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits, &json!({ "memory": "256Mi" }), "{pod}");
    let limits = &pod["spec"]["initContainers"][0]["resources"]["limits"];
    assert_eq!(limits, &json!({ "memory": "32Mi" }), "{pod}");
    "the same pod by kustomize and by policy; defaults without a CPU limit".to_owned()
}

/// The observer records with its Role, and can do nothing else.
pub(crate) async fn observer(stage: Arc<Stage>) -> String {
    let cluster = Cluster::start(&stage, "manifests-observer", Publishes::Itself, 1).await;
    let manifest = Manifest::read(&stage, "self-hosted");
    manifest.apply(cluster.kube()).await;
    observer::records_and_no_more(&stage, &cluster, &manifest).await
}

/// The demo's commands, by which somebody sees that it works, do.
pub(crate) async fn demo(stage: Arc<Stage>) -> String {
    demo::gets_tokens(&stage, stage.cluster().await).await
}

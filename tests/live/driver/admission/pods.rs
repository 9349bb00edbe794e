//! Pods in, pods out.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::difference::difference;
use super::policies::{apply, path};
use super::world::World;
use crate::case::Stage;

/// A pod as `pods.yaml` says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    case: String,
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
    spec: Value,
}

fn written() -> Vec<Written> {
    serde_saphyr::from_multiple(include_str!("pods.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

/// A pod of `pods.yaml` in which no image of ours is named.
pub(super) fn pod(case: &str) -> Value {
    let found = written().into_iter().find(|it| it.case == case);
    found.unwrap_or_else(|| panic!("{case} is not in pods.yaml")).pod("")
}

impl Written {
    /// As the API has it.
    fn pod(self, image: &str) -> Value {
        let Self { case, namespace, asks, generates, mut labels, annotations, mut spec } = self;
        if asks {
            labels.insert("cambist.dev/inject".to_owned(), json!("true"));
        }
        let name = if generates { "generateName" } else { "name" };
        let mut metadata = json!({ "labels": labels, "annotations": annotations });
        metadata[name] = json!(case);
        metadata["namespace"] = json!(namespace.as_deref().unwrap_or("inject"));
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

fn fill(object: &mut Value, key: &str, value: Value) {
    if object[key].is_null() {
        object[key] = value;
    }
}

/// Without what the server makes of its own.
fn normal(mut pod: Value) -> Value {
    let metadata = pod["metadata"].as_object_mut().expect("it has metadata");
    for made in ["uid", "creationTimestamp", "managedFields", "namespace", "resourceVersion"] {
        metadata.remove(made);
    }
    if metadata.contains_key("generateName") {
        metadata.remove("name");
    }
    // The volume of the token for the API server ends in something random.
    let mut names = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let random = names.find_map(|it| it["name"].as_str().filter(|it| it.starts_with("kube-api-")));
    let Some(random) = random else { return pod };
    let text = pod.to_string().replace(random, "kube-api-access");
    serde_json::from_str(&text).expect("it was JSON")
}

/// What became of every pod: what the policies changed, or their refusal.
async fn outcomes(world: &World) -> Vec<(String, Result<Vec<String>, String>)> {
    let mut all = Vec::new();
    for written in written() {
        let case = written.case.clone();
        let pod = written.pod(&world.policies.image());
        let answer = world.ask(&pod, false).await;
        let outcome = if answer.status == 201 {
            let beside = world.ask(&pod, true).await.json();
            Ok(difference(&normal(beside), &normal(answer.json())))
        } else {
            Err(refusal(&answer.text))
        };
        all.push((case, outcome));
    }
    all
}

/// A refusal's message.
pub(super) fn refusal(text: &str) -> String {
    let status: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    status["message"].as_str().unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// Compares with a file of this folder, or writes it.
#[expect(clippy::disallowed_methods, reason = "whoever changes the policies has them written")]
fn held(file: &str, seen: &str) {
    let path =
        [env!("CARGO_MANIFEST_DIR"), "live/driver/admission", file].iter().collect::<PathBuf>();
    if std::env::var_os("CAMBIST_WRITE").is_some() {
        std::fs::write(&path, seen).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let changed = difference(
        &json!(expected.lines().collect::<Vec<_>>()),
        &json!(seen.lines().collect::<Vec<_>>()),
    );
    let first = expected.lines().zip(seen.lines()).find(|(expected, seen)| expected != seen);
    assert!(
        expected == seen,
        "{file} differs, first in {first:?}; CAMBIST_WRITE=1 writes it anew. {} lines seen",
        changed.len()
    );
}

/// Every pod that is admitted is exactly what `injected.txt` says.
pub(crate) async fn injected(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let (mut text, mut first, mut pods) = (String::new(), Vec::new(), 0);
    for (case, outcome) in outcomes(world).await {
        let Ok(lines) = outcome else { continue };
        pods += 1;
        writeln!(text, "# {case}").expect("a text grows");
        if lines.is_empty() {
            text.push_str("as it was\n");
        }
        // The sidecar is told once; the others' lines that are the same are left out.
        let same =
            lines.iter().filter(|line| first.contains(*line) && is_the_sidecar(line)).count();
        for line in lines.iter().filter(|line| !(first.contains(*line) && is_the_sidecar(line))) {
            writeln!(text, "{line}").expect("a text grows");
        }
        if same > 0 {
            writeln!(text, "and {same} lines of the sidecar and its token as above")
                .expect("a text grows");
        }
        text.push('\n');
        if first.is_empty() {
            first = lines;
        }
    }
    held("injected.txt", &text);
    format!("{pods} pods are what they are to be")
}

fn is_the_sidecar(line: &str) -> bool {
    ["+ spec.initContainers[cambist]", "+ spec.volumes[cambist-token]"]
        .iter()
        .any(|it| line.starts_with(it))
}

/// Every pod that is refused is told what `refused.txt` says.
pub(crate) async fn refused(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let (mut text, mut pods) = (String::new(), 0);
    for (case, outcome) in outcomes(world).await {
        let Err(message) = outcome else { continue };
        pods += 1;
        writeln!(text, "# {case}\n{message}\n").expect("a text grows");
    }
    held("refused.txt", &text);
    format!("{pods} pods are refused, each in its words")
}

/// What was injected once is injected no more.
pub(crate) async fn idempotent(stage: Arc<Stage>) -> String {
    let world = stage.admission().await;
    let mut pods = 0;
    for written in written() {
        let case = written.case.clone();
        let answer = world.ask(&written.pod(&world.policies.image()), false).await;
        if answer.status != 201 {
            continue;
        }
        let mut once = answer.json();
        once["metadata"].as_object_mut().expect("it has metadata").remove("resourceVersion");
        let twice = world.ask(&once, false).await.json();
        assert_eq!(difference(&normal(once), &normal(twice)), Vec::<String>::new(), "{case}");
        pods += 1;
    }
    format!("{pods} pods go in again and come out the same")
}

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

//! The first token, those of Jobs, and the one after kubelet has renewed the pod's own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::time::{OffsetDateTime, parse_rfc3339};
use serde_json::{Value, json};

use super::LONG;
use super::namespace::Namespace;
use super::pod::{Pod, SIDECAR, app, container_status, errors};
use crate::case::Stage;
use crate::cluster::Cluster;

const VAULT: &str = "https://vault.azure.net";

/// A pod gets tokens through the SDK, soon after it was made.
pub(crate) async fn first(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "first", &[], &[]).await;
    let made = since_1970(OffsetDateTime::now_utc());
    let pod = Pod::start(&namespace, app("first", &["tokens", VAULT, VAULT, VAULT])).await;
    pod.succeeds().await;
    let (sidecar, app) = (pod.lines(SIDECAR), pod.lines("app"));
    let said = pod.said("app");
    assert!(said.len() == 3 && errors(&said).is_empty(), "{}", pod.told());
    // One exchange for all three, of a token that was verified: it enforces.
    let exchanges = namespace.exchanges().await;
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    let (started, first) = (seconds(&sidecar[0].at), seconds(&app[0].at));
    format!(
        "{:.1} s after the pod was made, {:.1} s after the sidecar's first line; one exchange for three",
        first - made,
        first - started
    )
}

/// A Job's pods end when the app has, whatever the sidecar does.
pub(crate) async fn job(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "job", &[], &[]).await;
    let pod = completed(&namespace, app("unnamed", &["tokens", VAULT, VAULT, VAULT])).await;
    let said = pod.said("app");
    assert!(said.len() == 3 && errors(&said).is_empty(), "{}", pod.told());
    let ended = pod.until("the sidecar's end", |status| ended(status, SIDECAR)).await;
    assert_eq!(ended["exitCode"], 0, "{ended}");
    "complete, and the sidecar ended with 0".to_owned()
}

/// `health --tokens --wait` holds a Job's app back until its tokens are there.
pub(crate) async fn waits(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let prefetch = [("CAMBIST_PREFETCH", VAULT)];
    let namespace = Namespace::new(node, "waits", &[], &prefetch).await;
    let mut template = app("unnamed", &["tokens", VAULT]);
    template["spec"]["initContainers"] = json!([{
        "name": "tokens", "image": node.image, "args": ["health", "--tokens", "--wait", "60s"],
        "securityContext": super::pod::confined(),
    }]);
    let pod = completed(&namespace, template).await;
    assert!(errors(&pod.said("app")).is_empty(), "{}", pod.told());
    let waited = pod.until("the end of the waiting", |status| ended(status, "tokens")).await;
    assert_eq!(waited["exitCode"], 0, "{waited}");
    // The one exchange was over before the app asked.
    let exchanges = namespace.exchanges().await;
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    let issued = pod.lines(SIDECAR).into_iter().find(|line| line.json()["message"] == "issued");
    let issued = issued.unwrap_or_else(|| panic!("nothing was issued:\n{}", pod.told()));
    let waited = waited["finishedAt"].as_str().unwrap_or_default().to_owned();
    assert!(seconds(&issued.at) < seconds(&waited) + 1.0, "{issued:?}, {waited}");
    assert!(seconds(&issued.at) < seconds(&pod.lines("app")[0].at), "{issued:?}\n{}", pod.told());
    "the init container ended with 0 once the token was there, and the app asked after it"
        .to_owned()
}

/// Makes a Job with this pod as its template and waits for its completion; the pod.
async fn completed<'a>(namespace: &'a Namespace<'a>, mut template: Value) -> Pod<'a> {
    // The controller names it, and kubelet is to keep its logs.
    let metadata = template["metadata"].as_object_mut().expect("it has metadata");
    metadata.remove("name");
    metadata.insert("finalizers".to_owned(), json!(["cambist.dev/test"]));
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": "job" },
        "spec": { "backoffLimit": 0, "template": { "metadata": metadata, "spec": template["spec"] } },
    });
    namespace.make(job).await;
    pod_of_job(namespace, "job").await
}

/// The only pod of a Job that completes.
pub(super) async fn pod_of_job<'a>(namespace: &'a Namespace<'a>, name: &str) -> Pod<'a> {
    let pod = kit::within(LONG, "the Job's pod", async || {
        let mut pods = namespace.read("/api/v1/NAMESPACE", "pods").await;
        let of_it =
            |pod: &Value| pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == *name;
        pods["items"].as_array_mut()?.iter().find(|pod| of_it(pod)).cloned()
    })
    .await;
    let pod = Pod::of(namespace, &pod);
    pod.succeeds().await;
    kit::within(LONG, "a complete Job", async || {
        let job = namespace.read("/apis/batch/v1/NAMESPACE/jobs", name).await;
        let conditions = job["status"]["conditions"].as_array()?;
        // It is complete once the pod's finalizer of the controller's own is gone.
        conditions.iter().any(|it| it["type"] == "Complete" && it["status"] == "True").then_some(())
    })
    .await;
    pod
}

fn ended(status: &Value, container: &str) -> Option<Value> {
    let state = &container_status(status, container)?["state"]["terminated"];
    state.is_object().then(|| state.clone())
}

/// kubelet renews the token of a pod when four fifths of its life are over, and the next exchange is
/// of the new one.
pub(crate) async fn rotation(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let annotations = [("cambist.dev/token-seconds", "600")];
    let namespace = Namespace::new(node, "rotation", &annotations, &[]).await;
    // Another resource each second, so that each is an exchange.
    let pod = Pod::start(&namespace, app("rotation", &["ask", "api://fresh-%"])).await;
    pod.says(LONG, "app", "three things", |said| (said.len() >= 3).then_some(())).await;
    let file = pod.volume("cambist-token").join("token");
    let old = claims(&file);
    assert_eq!(old["exp"].as_u64().zip(old["iat"].as_u64()).map(|(exp, iat)| exp - iat), Some(600));
    let new = kit::within(Duration::from_secs(620), "another token", async || {
        let now = claims(&file);
        (now["jti"] != old["jti"]).then_some(now)
    })
    .await;
    let swapped = std::fs::symlink_metadata(file.with_file_name("..data"));
    let swapped = swapped.and_then(|it| it.modified()).expect("kubelet swaps a link");
    let swapped = swapped.duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_secs();
    let after = new["iat"].as_u64().zip(old["iat"].as_u64()).map(|(new, old)| new - old);
    let after = after.expect("times are numbers");
    // kubelet adds up to ten seconds to the fifth, and looks about once a minute.
    assert!((470..600).contains(&after), "renewed after {after} s");
    let so_far = pod.said("app").len();
    pod.says(LONG, "app", "ten more things", |said| (said.len() >= so_far + 10).then_some(()))
        .await;
    let said = pod.said("app");
    assert!(errors(&said).is_empty(), "{}", pod.told());
    let exchanges = namespace.exchanges().await;
    let (mut with_old, mut with_new) = (0, 0);
    for exchange in &exchanges {
        let at = exchange["time"].as_u64().unwrap_or_else(|| panic!("no time: {exchange}"));
        let assertion = &exchange["assertion"];
        assert!(*assertion == old["jti"] || *assertion == new["jti"], "{exchange}");
        // One that was on its way when the file changed is of the old one.
        assert!(*assertion == new["jti"] || at <= swapped + 1, "{exchange}, swapped at {swapped}");
        *(if *assertion == new["jti"] { &mut with_new } else { &mut with_old }) += 1;
    }
    assert!(with_old > 100 && with_new >= 9, "{with_old} and {with_new}");
    pod.delete().await;
    format!(
        "renewed after {after} s; {with_old} exchanges with the old token, then {with_new} with the new one; \
         {} requests, 0 failed",
        said.len()
    )
}

/// A token's claims, by the file that it is in.
fn claims(file: &Path) -> Value {
    let token = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    Cluster::parts(&token).1
}

/// Seconds since 1970 of a time in RFC 3339.
pub(super) fn seconds(at: &str) -> f64 {
    since_1970(parse_rfc3339(at).unwrap_or_else(|error| panic!("no time: {at}: {error}")))
}

fn since_1970(time: OffsetDateTime) -> f64 {
    Duration::try_from(time - OffsetDateTime::UNIX_EPOCH).expect("it is later").as_secs_f64()
}

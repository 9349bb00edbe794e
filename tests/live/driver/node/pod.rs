//! A pod on the node: what kubelet says of it, what its containers write, and their processes.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use rustix::process::Pid;
use serde_json::{Value, json};

use super::LONG;
use super::containers::APP;
use super::namespace::{ACCOUNT, Namespace};
use crate::cluster::NODE;

/// The sidecar's container.
pub(super) const SIDECAR: &str = "cambist";

/// What *restricted* asks of a container.
pub(super) fn confined() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    })
}

/// A pod of one container `app`, as somebody writes it who leaves the sidecar to be injected.
pub(super) fn app(name: &str, args: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "cambist.dev/inject": "true" } },
        "spec": {
            // There is no scheduler.
            "nodeName": NODE,
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [container("app", args)],
        },
    })
}

/// A container of the app's image.
pub(super) fn container(name: &str, args: &[&str]) -> Value {
    json!({ "name": name, "image": APP, "args": args, "securityContext": confined() })
}

/// A pod that was made. It stays in the API until the node ends.
#[derive(Debug)]
pub(super) struct Pod<'a> {
    namespace: &'a Namespace<'a>,
    name: String,
    pub(super) uid: String,
}

/// A line that a container wrote.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// When, as the container runtime says, in RFC 3339 with nanoseconds.
    pub(super) at: String,
    pub(super) text: String,
}

impl Line {
    /// What the app said.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl<'a> Pod<'a> {
    /// Makes it.
    pub(super) async fn start(namespace: &'a Namespace<'a>, mut pod: Value) -> Self {
        // Its last status is looked at after its end.
        pod["metadata"]["finalizers"] = json!(["cambist.dev/test"]);
        Self::of(namespace, &namespace.make(pod).await)
    }

    /// One that is there.
    pub(super) fn of(namespace: &'a Namespace<'a>, made: &Value) -> Self {
        let text = |name: &str| made["metadata"][name].as_str().expect("a text").to_owned();
        Self { namespace, name: text("name"), uid: text("uid") }
    }

    fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace.name, self.name)
    }

    /// As it is now.
    pub(super) async fn read(&self) -> Value {
        self.namespace.node.cluster.kube().ask(Method::GET, &self.path(), None).await.json()
    }

    /// Waits until kubelet's status gives what is looked for.
    pub(super) async fn until<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        self.until_in(LONG, what, look).await
    }

    /// The same with a limit.
    pub(super) async fn until_in<T>(
        &self,
        limit: Duration,
        what: &str,
        look: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let mut last = Value::Null;
        let looking = kit::within(limit, what, async || {
            last = self.read().await["status"].take();
            look(&last)
        });
        let result = std::panic::AssertUnwindSafe(looking);
        match futures_util::FutureExt::catch_unwind(result).await {
            Ok(found) => found,
            Err(_) => panic!(
                "{}: {what} is not to be seen within {limit:?}: {last}\n{}",
                self.name,
                self.told()
            ),
        }
    }

    /// Waits for the end of all its containers; it was a good one.
    pub(super) async fn succeeds(&self) {
        let phase = self
            .until("its end", |status| {
                let phase = status["phase"].as_str()?;
                matches!(phase, "Succeeded" | "Failed").then(|| phase.to_owned())
            })
            .await;
        assert_eq!(phase, "Succeeded", "{}: {}", self.name, self.told());
    }

    /// Waits until a container runs; its status.
    pub(super) async fn runs(&self, container: &str) -> Value {
        let what = format!("{container} running");
        self.until(&what, |status| {
            let found = container_status(status, container)?;
            (found["started"] == true).then(|| found.clone())
        })
        .await
    }

    /// Asks for its end.
    pub(super) async fn delete(&self) {
        let path = format!("{}?gracePeriodSeconds=30", self.path());
        self.namespace.node.cluster.kube().ask(Method::DELETE, &path, None).await.json();
    }

    /// Where a container's log is, one file for each of its starts.
    fn logs(&self, container: &str) -> Vec<PathBuf> {
        let pod = format!("{}_{}_{}", self.namespace.name, self.name, self.uid);
        let dir = PathBuf::from("/var/log/pods").join(pod).join(container);
        let files = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u32>().ok();
        let mut files: Vec<_> = files.map(|it| it.path()).collect();
        files.sort_by_key(number);
        files
    }

    /// What a container wrote, from its first start on.
    pub(super) fn lines(&self, container: &str) -> Vec<Line> {
        let files = self.logs(container);
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        lines(&texts.collect::<String>())
    }

    /// The log of a container that has started once, for the time when kubelet has removed it.
    pub(super) fn keep(&self, container: &str) -> File {
        let file = self.logs(container).pop().expect("it has started");
        File::open(file).expect("it can be read")
    }

    /// What the app said in a container, thing by thing.
    pub(super) fn said(&self, container: &str) -> Vec<Value> {
        self.lines(container).iter().map(Line::json).collect()
    }

    /// Waits until the app has said something.
    pub(super) async fn says<T>(
        &self,
        limit: Duration,
        container: &str,
        what: &str,
        look: impl Fn(&[Value]) -> Option<T>,
    ) -> T {
        let looking = kit::within(limit, what, async || look(&self.said(container)));
        match futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(looking)).await {
            Ok(found) => found,
            Err(_) => panic!("{}: {container} has not said {what}:\n{}", self.name, self.told()),
        }
    }

    /// All that its containers wrote, for a failure's message.
    pub(super) fn told(&self) -> String {
        let pod = format!("{}_{}_{}", self.namespace.name, self.name, self.uid);
        let dirs =
            std::fs::read_dir(PathBuf::from("/var/log/pods").join(pod)).into_iter().flatten();
        let names = dirs.flatten().filter_map(|it| it.file_name().into_string().ok());
        let last = |name: String| {
            let lines = self.lines(&name);
            let texts: Vec<_> =
                lines.iter().rev().take(20).rev().map(|it| it.text.clone()).collect();
            format!("{name}:\n{}", texts.join("\n"))
        };
        names.map(last).collect::<Vec<_>>().join("\n")
    }

    /// The first process of a container.
    pub(super) async fn process(&self, container: &str) -> Pid {
        let status = self.runs(container).await;
        let id = status["containerID"].as_str().and_then(|id| id.strip_prefix("containerd://"));
        let id = id.unwrap_or_else(|| panic!("no id: {status}")).to_owned();
        let processes = std::fs::read_dir("/proc").expect("there are processes").flatten();
        let mut of_it: Vec<i32> = processes
            .filter_map(|it| it.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
                cgroups.is_ok_and(|cgroups| cgroups.contains(&id))
            })
            .collect();
        of_it.sort_unstable();
        let first = of_it.first().copied().and_then(Pid::from_raw);
        first.unwrap_or_else(|| panic!("{container} has no process: {status}"))
    }

    /// A projected volume of the pod, on the node.
    pub(super) fn volume(&self, name: &str) -> PathBuf {
        let dir = format!("/var/lib/kubelet/pods/{}/volumes/kubernetes.io~projected", self.uid);
        PathBuf::from(dir).join(name)
    }
}

/// What a kept log says.
pub(super) fn kept(mut log: File) -> Vec<Line> {
    let mut text = String::new();
    log.read_to_string(&mut text).expect("it can be read");
    lines(&text)
}

/// The lines of a log: TIME STREAM F TEXT; none of ours is long enough to be cut.
fn lines(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let mut parts = line.splitn(4, ' ');
        let at = parts.next()?.to_owned();
        Some(Line { at, text: parts.nth(2)?.to_owned() })
    };
    text.lines().filter_map(line).collect()
}

/// The status of one container.
pub(super) fn container_status<'v>(status: &'v Value, container: &str) -> Option<&'v Value> {
    ["initContainerStatuses", "containerStatuses"]
        .iter()
        .filter_map(|kind| status[*kind].as_array())
        .flatten()
        .find(|it| it["name"] == container)
}

/// How an app's answers were: how many, and the errors.
pub(super) fn errors(said: &[Value]) -> Vec<&Value> {
    said.iter().filter(|it| !it["error"].is_null()).collect()
}

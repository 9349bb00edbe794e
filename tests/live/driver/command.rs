//! The command, as a platform engineer runs it against a real cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kit::{Ended, Program};
use serde_json::{Value, json};

use crate::case::Stage;
use crate::cluster::{API, Cluster};
use crate::keys::write_private;
use crate::pods::Kubelet;

/// Whoever runs the command: an account, and a kubeconfig for it.
pub(crate) struct Engineer<'a> {
    stage: &'a Stage,
    cluster: &'a Cluster,
    kubeconfig: PathBuf,
}

impl<'a> Engineer<'a> {
    /// With an account's token; `account` is NAMESPACE/NAME.
    pub(crate) async fn of(stage: &'a Stage, cluster: &'a Cluster, account: &str) -> Self {
        let token = cluster.kube().token(account, API).await;
        let token = token.unwrap_or_else(|error| panic!("{error}"));
        let file =
            |ending: &str| cluster.dir().join(format!("{}.{ending}", account.replace('/', "-")));
        write_private(&file("token"), &token);
        let server = format!("https://localhost:{}", cluster.port());
        let user = json!({ "tokenFile": file("token") });
        let config = crate::kube::kubeconfig(&server, &cluster.ca_file(), &user);
        let kubeconfig = file("kubeconfig");
        write_private(&kubeconfig, &config.to_string());
        Self { stage, cluster, kubeconfig }
    }

    /// `cambist issuer COMMAND`, knowing the issuer, whom to trust, and the API server.
    pub(crate) fn command(&self, command: &str) -> Program {
        Program::new(self.stage.program("cambist"))
            .args(&["issuer", command, "--issuer", self.cluster.issuer(), "--ca-file"])
            .arg(self.cluster.issuer_ca_file().display().to_string())
            .args(&["--compare-api", "--kubeconfig"])
            .arg(self.kubeconfig.display().to_string())
    }
}

/// A report in JSON, of a command that did not fail to run.
pub(crate) fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The ids of a report's findings.
pub(crate) fn findings(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|finding| Some(finding["id"].as_str()?.to_owned())).collect()
}

/// A first look sees both key sets and nothing that is wrong.
pub(crate) async fn check(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    let kubelet = Kubelet::start(cluster, "pod-check").await;
    let engineer = Engineer::of(&stage, cluster, "cambist/stranger").await;
    let token_file = kubelet.token_file().display().to_string();
    let check = engineer.command("check").args(&["--token-file", &token_file, "-o", "json"]);
    let ended = check.run().await;
    let report = report(&ended);
    assert_eq!((ended.code(), &report["verdict"]), (Some(3), &json!("UNKNOWN")), "{ended:?}");
    let kid = Cluster::kid(&kubelet.current()[0]);
    let findings = findings(&report);
    assert!(ended.stdout.contains(&kid), "{ended:?}");
    for bad in ["K102", "K202", "K401", "K406", "K407", "K408"] {
        assert!(!findings.iter().any(|it| it == bad), "{bad}: {ended:?}");
    }
    format!(
        "UNKNOWN as a first look is, exit code 3, both sets read, findings {}",
        findings.join(" ")
    )
}

/// A token that the API server does not accept is told from a right that is missing.
pub(crate) async fn turned_away(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    let engineer = Engineer::of(&stage, cluster, "cambist/stranger").await;
    let token = cluster.kube().token("cambist/stranger", "https://another.example").await;
    let file = cluster.dir().join("another-audience");
    write_private(&file, &token.unwrap_or_else(|error| panic!("{error}")));
    let diff = engineer.command("diff").args(&["--api-token-file", &shown(&file)]);
    let ended = diff.run().await;
    assert_eq!(ended.code(), Some(3), "{ended:?}");
    for words in ["401", "does not accept the token"] {
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
    assert!(!ended.stderr.contains("ClusterRole"), "{ended:?}");
    "exit code 3; 401 is told as a token that is not accepted".to_owned()
}

/// The start of the API server is evidence that its keys are at least as old.
pub(crate) async fn start(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    let metrics = cluster.dir().join("metrics");
    let text = cluster.kube().raw("/metrics").await;
    std::fs::write(&metrics, &text).expect("a file can be written");
    let engineer = Engineer::of(&stage, cluster, "cambist/stranger").await;
    let check =
        engineer.command("check").args(&["--apiserver-metrics", &shown(&metrics), "-o", "json"]);
    let ended = check.run().await;
    let started = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "));
    let started: f64 = started.and_then(|value| value.parse().ok()).expect("it tells its start");
    let report = report(&ended);
    let keys = report["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!keys.is_empty(), "{ended:?}");
    for key in keys {
        let evidence = key["evidence"].as_array().map(Vec::as_slice).unwrap_or_default();
        let start = evidence.iter().find(|fact| fact["source"] == "E9");
        let there = start.and_then(|fact| fact["notAfter"].as_f64());
        assert_eq!(there, Some(started.floor()), "{ended:?}");
    }
    format!("{} key is known to have been there when the server started", keys.len())
}

/// The published set and the API server's are the same.
pub(crate) async fn diff(stage: Arc<Stage>) -> String {
    let cluster = stage.cluster().await;
    let engineer = Engineer::of(&stage, cluster, "cambist/stranger").await;
    let ended = engineer.command("diff").args(&["-o", "json"]).run().await;
    let report = report(&ended);
    let both = report["both"].as_array().map_or(0, Vec::len);
    assert_eq!((ended.code(), both), (Some(0), 1), "{ended:?}");
    format!("exit code 0, {both} key in both")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

//! What the containers of the demo run, beside a sidecar.

use kit::Program;
use rustix::process::Signal;
use serde_json::Value;

use super::Manifest;
use crate::case::Stage;
use crate::cluster::Cluster;
use crate::pods::Kubelet;

/// Each command gets a token, and fails with another secret; the app ends when it is told to.
pub(super) async fn gets_tokens(stage: &Stage, cluster: &Cluster) -> String {
    cluster.publish().await;
    let kubelet = Kubelet::start(cluster, "pod-demo").await;
    let sidecar = kubelet.sidecar(stage, cluster, "public").await;
    let run = |command: Vec<String>, header: &str| {
        let program =
            command.iter().skip(1).fold(Program::new(&command[0]), |it, word| it.arg(word));
        program
            .set("PATH", "/usr/local/bin:/usr/bin:/bin")
            .set("IDENTITY_ENDPOINT", format!("http://{}/msi/token", sidecar.tokens()))
            .set("IDENTITY_HEADER", header)
    };
    let right = cluster.entra("IDENTITY_HEADER");
    let app = &Manifest::read(stage, "aks").pods()[0]["spec"]["containers"][0];
    let probe = words(&app["readinessProbe"]["exec"]["command"]);
    let mut ending = vec![probe];
    for pod in Manifest::read(stage, "jobs").pods() {
        let container = &pod["spec"]["containers"][0];
        ending.push([words(&container["command"]), words(&container["args"])].concat());
    }
    for command in &ending {
        let ended = run(command.clone(), right).run().await;
        assert_eq!(ended.code(), Some(0), "{command:?}: {ended:?}\n{}", sidecar.log());
        let ended = run(command.clone(), "another-secret-than-that").run().await;
        assert_ne!(ended.code(), Some(0), "{command:?}: {ended:?}");
    }
    let running = run([words(&app["command"]), words(&app["args"])].concat(), right).spawn();
    running.line("a token", |line| line.contains("asked for a token: 200").then_some(())).await;
    running.signal(Signal::TERM);
    let ended = running.ended().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    sidecar.stop().await;
    format!(
        "{} commands that end and one that goes on: 200, refused with another secret",
        ending.len()
    )
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
}

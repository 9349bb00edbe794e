//! The sidecar's end, in order and out of order.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tokio::time::Instant;

use super::LONG;
use super::namespace::Namespace;
use super::pod::{Line, Pod, SIDECAR, app, container, container_status, errors, kept};
use super::tokens::seconds;
use crate::case::Stage;

/// At a pod's end its apps get tokens until their own, and the sidecar goes after the last of them.
pub(crate) async fn last(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "ends-last", &[], &[]).await;
    // Each is for another resource: a held token would say nothing of the sidecar's way to Entra.
    let mut pod = app("ends-last", &["ask", "api://until-%"]);
    let containers = pod["spec"]["containers"].as_array_mut().expect("it has some");
    containers.push(container("other", &["ask", "api://other-%"]));
    let pod = Pod::start(&namespace, pod).await;
    for name in ["app", "other"] {
        pod.says(LONG, name, "two things", |said| (said.len() >= 2).then_some(())).await;
    }
    let logs = ["app", "other", SIDECAR].map(|container| pod.keep(container));
    pod.delete().await;
    let state = pod
        .until("the sidecar's end", |status| {
            let state = &container_status(status, SIDECAR)?["state"]["terminated"];
            state.is_object().then(|| state.clone())
        })
        .await;
    assert_eq!(state["exitCode"], 0, "{state}");
    let [one, other, sidecar] = logs.map(kept);
    let mut apps_end: f64 = 0.0;
    for app in [&one, &other] {
        let said: Vec<_> = app.iter().map(Line::json).collect();
        assert!(errors(&said).is_empty(), "{said:?}");
        let end = app.iter().find(|line| line.json()["ends"] == true);
        let end = end.unwrap_or_else(|| panic!("the app was cut off: {said:?}"));
        assert_eq!(said.iter().filter(|it| it["ending"] == true).count(), 3, "{said:?}");
        apps_end = apps_end.max(seconds(&end.at));
    }
    let told = |message: &str| {
        let of_it = |it: &Value| it["message"].as_str().is_some_and(|it| it.starts_with(message));
        let found = sidecar.iter().find(|line| of_it(&line.json()));
        seconds(&found.unwrap_or_else(|| panic!("no {message:?}: {sidecar:?}")).at)
    };
    let (drains, ends) = (told("draining"), told("ended"));
    assert!(apps_end < drains && drains <= ends, "{one:?}\n{other:?}\n{sidecar:?}");
    format!(
        "3 of 3 tokens for each of two apps after their SIGTERM; the sidecar has its own {:.2} s after the \
         last one's end, and ends within {:.0} ms",
        drains - apps_end,
        (ends - drains) * 1000.0
    )
}

/// Killed with -9 while an app asks once a second: the app notices nothing, and it is back at once.
pub(crate) async fn killed(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "killed", &[], &[]).await;
    let pod = Pod::start(&namespace, app("killed", &["ask"])).await;
    pod.says(LONG, "app", "five things", |said| (said.len() >= 5).then_some(())).await;
    let (back, before) = kill(&pod, 1).await;
    pod.says(LONG, "app", "ten more things", |said| (said.len() >= before + 10).then_some(()))
        .await;
    let said = pod.said("app");
    assert!(errors(&said).is_empty(), "{}", pod.told());
    pod.delete().await;
    format!("back after {back:.1} s; {} requests, 0 failed", said.len())
}

/// Kills the sidecar for this time; after how long it runs again, and how much the app had said.
pub(super) async fn kill(pod: &Pod<'_>, time: u64) -> (f64, usize) {
    let process = pod.process(SIDECAR).await;
    let (started, before) = (Instant::now(), pod.said("app").len());
    kill_process(process, Signal::KILL).expect("it can be killed");
    let limit = Duration::from_secs(60);
    let status = pod
        .until_in(limit, "a sidecar that runs anew", |status| {
            let sidecar = container_status(status, SIDECAR)?;
            let anew = sidecar["restartCount"] == time && sidecar["started"] == true;
            anew.then(|| sidecar.clone())
        })
        .await;
    let last: &Value = &status["lastState"]["terminated"];
    assert_eq!(last["exitCode"], 137, "{status}");
    (started.elapsed().as_secs_f64(), before)
}

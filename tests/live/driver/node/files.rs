//! The token's file, as kubelet makes it for pods of different kinds.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::namespace::Namespace;
use super::pod::{Pod, app, container, errors};
use crate::case::Stage;

const VAULT: &str = "https://vault.azure.net";

/// Whoever the app runs as, the sidecar can read the token, and the app has no such file.
pub(crate) async fn modes(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let namespace = Namespace::new(node, "file-modes", &[], &[]).await;
    let mut seen = Vec::new();
    for (name, change, expected) in [
        ("one-user", json!({ "runAsUser": 65532, "runAsGroup": 65532 }), (0o600, 65532, None)),
        ("two-users", json!({}), (0o644, 0, None)),
        ("fs-group", json!({ "fsGroup": 2000 }), (0o640, 0, Some(2000))),
    ] {
        let mut pod = app(name, &["tokens", VAULT]);
        let context = pod["spec"]["securityContext"].as_object_mut().expect("it has one");
        context.extend(change.as_object().cloned().unwrap_or_default());
        let look =
            container("look", &["look", "/var/run/secrets", "/var/run/secrets/cambist/token"]);
        // It goes on, so that kubelet keeps the volume until it was looked at.
        let stay = container("stay", &["ask"]);
        pod["spec"]["containers"].as_array_mut().expect("it has some").extend([look, stay]);
        let pod = Pod::start(&namespace, pod).await;
        pod.says(super::LONG, "stay", "a thing", |said| (!said.is_empty()).then_some(())).await;
        pod.says(super::LONG, "look", "two things", |said| (said.len() == 2).then_some(())).await;
        pod.says(super::LONG, "app", "a thing", |said| (said.len() == 1).then_some(())).await;
        for name in ["app", "stay"] {
            assert!(errors(&pod.said(name)).is_empty(), "{}", pod.told());
        }
        let gone = |it: &Value| it["error"].as_str().is_some_and(|it| it.contains("no such file"));
        assert!(pod.said("look").iter().all(gone), "{}", pod.told());
        let token = std::fs::metadata(pod.volume("cambist-token").join("token"));
        let token = token.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mode, user, group) = (token.mode() & 0o777, token.uid(), token.gid());
        let (expected_mode, expected_user, expected_group) = expected;
        assert_eq!((mode, user), (expected_mode, expected_user), "{name}: group {group}");
        assert!(expected_group.is_none_or(|it| it == group), "{name}: group {group}");
        seen.push(format!("{name} {mode:04o} {user}:{group}"));
        pod.delete().await;
    }
    format!("{}; read by the sidecar, and not there for the app", seen.join(", "))
}

//! Pods in, pods out.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::difference::difference;
use super::world::World;
use super::written::written;
use crate::case::Stage;

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
    let first = expected.lines().zip(seen.lines()).find(|(expected, seen)| expected != seen);
    let lengths = [expected.lines().count(), seen.lines().count()];
    assert!(
        expected == seen,
        "{file} has {lengths:?} lines and differs, first in {first:?}; CAMBIST_WRITE=1 writes it anew"
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

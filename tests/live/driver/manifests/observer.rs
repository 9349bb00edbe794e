//! The CronJob's observer, with a token of its own account.

use kit::Program;
use reqwest::Method;
use serde_json::{Value, json};

use super::Manifest;
use crate::case::Stage;
use crate::cluster::{API, Cluster};
use crate::keys::write_private;

const NAME: &str = "cambist-observer";
const HISTORY: &str = "cambist-issuer-history";

/// Runs the CronJob's command twice, and tries what its account is not for.
pub(super) async fn records_and_no_more(
    stage: &Stage,
    cluster: &Cluster,
    manifest: &Manifest,
) -> String {
    let kube = cluster.kube();
    let namespace = manifest.namespace();
    let token = kube.token(&format!("{namespace}/{NAME}"), API).await;
    let token = token.unwrap_or_else(|error| panic!("{error}"));
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    let history = format!("{maps}/{HISTORY}");
    kube.readable(&history, Some(&token)).await;

    for look in 1..=2 {
        let ended = command(stage, cluster, manifest, &token).run().await;
        assert_eq!(ended.code(), Some(0), "look {look}: {ended:?}");
        assert!(ended.stdout.contains("\"recorded\":true"), "look {look}: {ended:?}");
    }
    let kept = kube.ask(Method::GET, &history, None).await.json();
    let text =
        kept["data"]["history.json"].as_str().unwrap_or_else(|| panic!("no history: {kept}"));
    let kid = Cluster::kid(&token);
    assert!(text.contains(&kid), "{kid} is not in {text}");

    // What it may do, by its own account: get and update this one, and what everybody may.
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace },
    });
    let review = ask(
        cluster,
        &token,
        Method::POST,
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        review,
    );
    let review: Value = review.await.1;
    let rules = review["status"]["resourceRules"].as_array().cloned().unwrap_or_default();
    let beyond: Vec<_> = rules.into_iter().filter(|it| !everybodys(it)).collect();
    let expected = json!([{
        "verbs": ["get", "update"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [HISTORY],
    }]);
    assert_eq!(json!(beyond), expected, "{review}");

    let other = json!({ "metadata": { "name": "another" } });
    let mut refused = 0;
    for (method, path, body) in [
        (Method::GET, maps.clone(), Value::Null),
        (Method::POST, maps.clone(), other),
        (Method::GET, format!("{maps}/cambist"), Value::Null),
        (Method::PUT, format!("{maps}/cambist"), json!({ "metadata": { "name": "cambist" } })),
        (Method::DELETE, history.clone(), Value::Null),
        (Method::GET, format!("/api/v1/namespaces/{namespace}/secrets"), Value::Null),
        (Method::GET, format!("/api/v1/namespaces/{namespace}/pods"), Value::Null),
        (
            Method::POST,
            format!("/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}/token"),
            json!({}),
        ),
        (Method::GET, format!("/api/v1/namespaces/default/configmaps/{HISTORY}"), Value::Null),
        (Method::GET, "/api/v1/nodes".to_owned(), Value::Null),
    ] {
        let (status, answer) = ask(cluster, &token, method.clone(), &path, body).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
        refused += 1;
    }
    format!(
        "2 looks recorded by the CronJob's command; get and update on one ConfigMap alone, {refused} others refused"
    )
}

/// Of what each account may do by Kubernetes' own roles: to ask about itself.
fn everybodys(rule: &Value) -> bool {
    let groups = [json!(["authentication.k8s.io"]), json!(["authorization.k8s.io"])];
    rule["verbs"] == json!(["create"]) && groups.contains(&rule["apiGroups"])
}

async fn ask(
    cluster: &Cluster,
    token: &str,
    method: Method,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let body = (!body.is_null()).then_some(body);
    let answer = cluster.kube().try_ask(method, path, Some(token), None, body).await;
    let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
    (answer.status, serde_json::from_str(&answer.text).unwrap_or_default())
}

/// The CronJob's command, where there is no pod: the API server and the token are given by files.
fn command(stage: &Stage, cluster: &Cluster, manifest: &Manifest, token: &str) -> Program {
    let pod = &manifest.object("CronJob", NAME)["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let words = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
    };
    let command = words(&container["command"]);
    assert_eq!(command[0], "cambist", "{container}");
    let file = |ending: &str| cluster.dir().join(format!("observer.{ending}"));
    write_private(&file("token"), token);
    let config = json!({
        "clusters": [{ "name": "live", "cluster": {
            "server": format!("https://localhost:{}", cluster.port()), "certificate-authority": cluster.ca_file(),
        } }],
        "users": [{ "name": "live", "user": { "tokenFile": file("token") } }],
        "contexts": [{ "name": "live", "context": { "cluster": "live", "user": "live" } }],
        "current-context": "live",
    });
    write_private(&file("kubeconfig"), &config.to_string());
    let mut program = Program::new(stage.program("cambist"))
        .set("CAMBIST_ISSUER", cluster.issuer())
        .set("CAMBIST_ISSUER_CA_FILE", cluster.issuer_ca_file().display().to_string());
    for word in command.iter().skip(1).cloned().chain(words(&container["args"])) {
        let word = word.replace("$(NAMESPACE)", manifest.namespace());
        program = match word.as_str() {
            "--in-cluster" => {
                program.arg("--kubeconfig").arg(file("kubeconfig").display().to_string())
            }
            "--token-file=/var/run/secrets/kubernetes.io/serviceaccount/token" => {
                program.arg("--token-file").arg(file("token").display().to_string())
            }
            _ => program.arg(word),
        };
    }
    program
}

//! Which issuer is meant, where nobody names it or not everybody names the same one.

use serde_json::{Value, json};

use crate::testing::{CA, Pod, TOKEN, ids, write};

const ISSUER: &str = "https://issuer.sim.test/";

/// A pod that is told nothing.
fn unnamed() -> Pod {
    let mut pod = Pod::new();
    pod.env.remove("CAMBIST_ISSUER");
    let ca = pod.path("ca.crt");
    write(&ca, std::str::from_utf8(CA).unwrap());
    write(
        pod.path("kubeconfig"),
        "current-context: c\n\
         contexts: [{name: c, context: {cluster: k, user: u}}]\n\
         clusters: [{name: k, cluster: {server: 'https://api.test:6443', certificate-authority: ca.crt}}]\n\
         users: [{name: u, user: {token: \"the-account's-token\"}}]\n",
    );
    pod
}

#[tokio::test(start_paused = true)]
async fn the_api_server_names_the_issuer_where_nobody_else_does() {
    let pod = unnamed();
    // The example of `observe --help`.
    let observe = "issuer observe --in-cluster --compare-api --history cm:cambist/issuer-history";
    let outcome = pod.run(&format!("{observe} -o ndjson")).await;
    let line: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((outcome.code, &line["recorded"]), (0, &json!(true)), "{line:#}");
    let by = "the API server https://api.test:6443";
    assert_eq!((&line["issuer"], &line["issuerNamedBy"]), (&json!(ISSUER), &json!(by)));
    for access in ["--in-cluster", "--kubeconfig {dir}/kubeconfig"] {
        let report = pod.json(&format!("issuer check {access}")).await;
        assert_eq!((&report["issuer"], &report["problems"]), (&json!(ISSUER), &json!([])));
        let table = pod.run(&format!("issuer check {access}")).await.out;
        assert!(table.starts_with(&format!("issuer    {ISSUER}  (by {by})\n")), "{table}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_flag_goes_before_the_variable_the_token_and_the_api_server() {
    let mut pod = unnamed();
    let named = async |pod: &Pod, more: &str| {
        let report = pod.json(&format!("issuer check --in-cluster {more}")).await;
        (report["issuerNamedBy"].as_str().unwrap().to_owned(), report)
    };
    assert_eq!(named(&pod, "--severity low").await.0, "the API server https://api.test:6443");
    let token = format!("the token {}", pod.path("tokens/token"));
    assert_eq!(named(&pod, TOKEN).await.0, token);
    pod.env.insert("CAMBIST_ISSUER".to_owned(), ISSUER.to_owned());
    assert_eq!(named(&pod, TOKEN).await.0, "CAMBIST_ISSUER");
    let (by, report) = named(&pod, &format!("{TOKEN} --issuer {ISSUER}")).await;
    assert_eq!(by, "--issuer");
    assert!(!ids(&report).contains(&"K401"), "{report:#}");
    // A token that cannot be read is no reason not to ask.
    pod.env.remove("CAMBIST_ISSUER");
    let (by, report) = named(&pod, "--token-file {dir}/none").await;
    assert_eq!(by, "the API server https://api.test:6443");
    assert_eq!(report["problems"][0]["place"], "token", "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_the_api_server_calls_otherwise_is_found() {
    let pod = unnamed();
    pod.api.with(|state| state.issuer = Some("https://moved.test/".to_owned()));
    for named in [format!("--issuer {ISSUER}"), TOKEN.to_owned()] {
        for access in ["--in-cluster", "--kubeconfig {dir}/kubeconfig", "--compare-api"] {
            let report = pod.json(&format!("issuer check {access} {named}")).await;
            let found = report["findings"].as_array().unwrap();
            let found = found.iter().find(|found| found["id"] == "K401").unwrap();
            let evidence = found["evidence"].to_string();
            assert!(evidence.contains("the API server: "), "{evidence}");
            assert!(evidence.contains("moved.test") && evidence.contains(ISSUER), "{evidence}");
        }
    }
    let unasked = pod.json(&format!("issuer check {TOKEN}")).await;
    assert!(!ids(&unasked).contains(&"K401"), "{unasked:#}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_tell_is_told_of() {
    let pod = unnamed();
    pod.api.with(|state| state.refuse = Some(http::StatusCode::FORBIDDEN));
    let outcome = pod.run("issuer check --in-cluster").await;
    assert_eq!(outcome.code, 3, "{outcome:?}");
    for words in ["https://api.test:6443", "bind the ClusterRole", "give --issuer URL"] {
        assert!(outcome.err.contains(words), "{outcome:?}");
    }
    // Where the issuer is known all the same, the rest is looked at.
    let report = pod.json(&format!("issuer check --in-cluster {TOKEN}")).await;
    assert_eq!(report["issuer"], ISSUER);
    assert_eq!(report["problems"][0]["place"], "api", "{report:#}");
    let nobody = pod.run("issuer check").await;
    assert_eq!(nobody.code, 64);
    for words in ["--issuer", "--token-file", "--in-cluster", "--kubeconfig"] {
        assert!(nobody.err.contains(words), "{nobody:?}");
    }
}

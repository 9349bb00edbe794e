//! One-shot evidence, and what the flags make of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cambist::transport::PeerCertificate;
use cambist_core::clock::Clock as _;
use cambist_sim::keys::KeySource;
use serde_json::{Value, json};

use crate::testing::{HISTORY, Pod, ids, write};

/// What a node's files tell, which is not to be had on Windows.
#[cfg(unix)]
mod nodes;

const DAY: Duration = Duration::from_secs(24 * 3600);
const CHECK: &str = "issuer check --token-file {dir}/tokens/token";

fn fact<'a>(report: &'a Value, source: &str) -> Option<&'a Value> {
    report["facts"].as_array().unwrap().iter().find(|fact| fact["source"] == source)
}

/// Publishes the key of a certificate that `openssl` made, with these members besides.
fn publish(pod: &Pod, members: Value) {
    let pem = include_str!("../../testdata/rsa.crt.pem");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(&base64).unwrap();
    // The modulus: 257 bytes after the INTEGER's header, the exponent after it.
    let start = der.windows(4).position(|w| w == [0x02, 0x82, 0x01, 0x01]).unwrap() + 5;
    let mut jwk = json!({
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "certified", "e": "AQAB",
        "n": URL_SAFE_NO_PAD.encode(&der[start..start + 256]), "x5c": [base64],
    });
    jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    pod.sim.issuer().hide(pod.sim.issuer().signer().kid());
    pod.sim.issuer().publish_raw(jwk);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_over_the_key_makes_it_old_at_first_sight() {
    let pod = Pod::new();
    publish(&pod, json!({}));
    pod.sim.clock().advance(100 * DAY);
    let report = pod.json("issuer check").await;
    assert_eq!(fact(&report, "E4").unwrap()["grade"], "asserted", "{report:#}");
    assert_eq!(report["verdict"], "OVERDUE", "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_over_another_key_says_nothing() {
    let pod = Pod::new();
    let other = KeySource::Pool.take(5).unwrap().jwk();
    publish(&pod, json!({ "n": other["n"] }));
    assert_eq!(fact(&pod.json("issuer check").await, "E4"), None);
}

#[tokio::test(start_paused = true)]
async fn a_jwk_s_own_date_is_a_fact_and_gives_way_to_what_was_seen() {
    let pod = Pod::new();
    let now = pod.sim.clock().wall();
    publish(&pod, json!({ "iat": now.as_secs() - 60 * 24 * 3600, "x5c": null }));
    let report = pod.json("issuer check").await;
    assert_eq!(report["verdict"], "DUE", "{report:#}");
    let liar = Pod::new();
    publish(&liar, json!({ "iat": now.as_secs() + 20 * 24 * 3600, "x5c": null }));
    liar.run(&format!("issuer observe {HISTORY}")).await;
    liar.sim.clock().advance(30 * DAY);
    let report = liar.json(&format!("issuer check {HISTORY}")).await;
    let findings = report["findings"].as_array().unwrap();
    let told = findings.iter().find(|finding| finding["id"] == "K005").unwrap();
    assert_eq!(told["severity"], "info", "{report:#}");
    assert_eq!(report["verdict"], "UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn an_assumption_proves_youth_only_where_it_was_accepted_and_then_it_is_said() {
    let pod = Pod::new();
    let assume = format!("{CHECK} --assume cluster-created=2026-11-20");
    assert_eq!(pod.json(&assume).await["verdict"], "UNKNOWN");
    let accepted = pod.run(&format!("{assume} --accept-assumed")).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(accepted.out.contains("K006") && accepted.out.contains("--accept-assumed"));
}

#[tokio::test(start_paused = true)]
async fn a_platform_with_a_schedule_of_its_own_is_told_and_not_judged() {
    let pod = Pod::new();
    let eks = pod.json(&format!("{CHECK} --platform eks")).await;
    assert_eq!((&eks["verdict"], &eks["informsOnly"]), (&json!("OK"), &json!(true)));
    assert!(ids(&eks).contains(&"K220"), "{eks:#}");
    let asked = pod.json(&format!("{CHECK} --platform eks --rotate-after 14d")).await;
    assert_eq!(asked["verdict"], "UNKNOWN");
    let wrong = pod.run(&format!("{CHECK} --rotate-after 90d --expire-after 45d")).await;
    assert_eq!(wrong.code, 64, "{wrong:?}");
}

#[tokio::test(start_paused = true)]
async fn the_trust_in_a_history_can_be_lowered_until_it_proves_no_youth() {
    let pod = Pod::new();
    pod.days(2).await;
    pod.sim.issuer().rotate(false).unwrap();
    pod.days(4).await;
    let check = format!("{CHECK} {HISTORY}");
    assert_eq!(pod.json(&check).await["verdict"], "OK");
    let doubted = pod.json(&format!("{check} --history-trust asserted")).await;
    assert_eq!(doubted["verdict"], "UNKNOWN", "{doubted:#}");
}

#[tokio::test(start_paused = true)]
async fn a_history_of_the_future_is_not_believed_and_not_written_to() {
    let pod = Pod::new();
    pod.days(3).await;
    let check = format!("{CHECK} {HISTORY} --now 2026-11-24");
    let before = std::fs::read(pod.path("history.json")).unwrap();
    let report = pod.json(&check).await;
    assert!(ids(&report).contains(&"K190"), "{report:#}");
    assert_eq!(std::fs::read(pod.path("history.json")).unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn a_forged_token_and_a_secret_in_the_set_are_suspect() {
    let pod = Pod::new();
    let forger = KeySource::Pool.take(6).unwrap();
    let spec = pod.sim.token_spec().header("kid", pod.sim.issuer().signer().kid());
    pod.kubelet.write(spec.sign(&forger).unwrap().as_bytes()).unwrap();
    let report = pod.json(CHECK).await;
    assert!(ids(&report).contains(&"K104"), "{report:#}");
    pod.kubelet.project().unwrap();
    let mut private = pod.sim.issuer().signer().jwk();
    private["d"] = "c2VjcmV0".into();
    pod.sim.issuer().publish_raw(private);
    let report = pod.json(CHECK).await;
    assert!(ids(&report).contains(&"K101") && !report.to_string().contains("c2VjcmV0"));
    assert_eq!(report["exitCode"], 2);
    pod.run("issuer observe --bundle {dir}/bundle.json").await;
    assert!(!std::fs::read_to_string(pod.path("bundle.json")).unwrap().contains("c2VjcmV0"));
    let judged = pod.json("issuer check --offline {dir}/bundle.json").await;
    assert!(ids(&judged).contains(&"K101"), "{judged:#}");
}

#[tokio::test(start_paused = true)]
async fn how_the_issuer_answers_is_checked_and_told() {
    use cambist_sim::fault::{Fault, Target};
    let with = async |target, fault| {
        let pod = Pod::new();
        pod.sim.faults().inject(target, fault);
        pod.json(CHECK).await
    };
    let moved = Fault::Redirect { location: "https://elsewhere.test/keys".to_owned() };
    let redirect = with(Target::Jwks, moved).await;
    assert!(ids(&redirect).contains(&"K403"), "{redirect:#}");
    assert_eq!(redirect["exitCode"], 3);
    let skewed = with(Target::Jwks, Fault::DateSkew(7200)).await;
    assert!(ids(&skewed).contains(&"K405"), "{skewed:#}");
    assert_eq!(skewed["clockErrorSeconds"], 7200);
    let body = Fault::Body {
        status: http::StatusCode::OK,
        content_type: "application/json".to_owned(),
        body: r#"{"issuer":"https://issuer.sim.test","jwks_uri":"https://issuer.sim.test/k"}"#
            .to_owned(),
    };
    let slash = with(Target::Discovery, body).await;
    assert!(ids(&slash).contains(&"K401"), "{slash:#}");
    assert!(slash["problems"][0]["detail"].as_str().unwrap().contains("trailing slash"));
    let healthy = Pod::new().json(CHECK).await;
    for id in ["K401", "K403", "K405", "K406", "K407", "K408"] {
        assert!(!ids(&healthy).contains(&id), "{id}: {healthy:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_ends_soon_is_told_once_a_host() {
    let mut pod = Pod::new();
    // It ends on 2036-11-20.
    let pem = include_str!("../../testdata/rsa.crt.pem");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    pod.certificate = Some(PeerCertificate(STANDARD.decode(&base64).unwrap().into()));
    let report = pod.json("issuer check --now 2036-11-10").await;
    let told: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["id"] == "K409")
        .map(|finding| &finding["evidence"])
        .collect();
    let expected = json!(["the certificate ends at 2036-11-20T07:09:17Z", "at issuer.sim.test"]);
    assert_eq!(told, [&expected]);
    assert!(!ids(&pod.json("issuer check --now 2036-11-01").await).contains(&"K409"));
}

#[tokio::test(start_paused = true)]
async fn bundles_are_of_one_issuer_and_each_is_a_look() {
    let pod = Pod::new();
    pod.run("issuer observe --token-file {dir}/tokens/token --bundle {dir}/1.json").await;
    pod.sim.clock().advance(100 * DAY);
    pod.run("issuer observe --bundle {dir}/2.json").await;
    // In whichever order they are named.
    for bundles in [
        "--offline {dir}/2.json --offline {dir}/1.json",
        "--offline {dir}/1.json --offline {dir}/2.json",
    ] {
        let report = pod.json(&format!("issuer check {bundles}")).await;
        assert_eq!(report["verdict"], "OVERDUE", "{report:#}");
        // The earlier one's token counts; it is too old to say who signs today.
        assert_eq!(report["signer"]["key"], report["keys"][0]["key"], "{report:#}");
        let said = (&report["signer"]["current"], &report["keys"][0]["role"]);
        assert_eq!(said, (&json!(false), &json!("unknown")));
    }
    let text = std::fs::read_to_string(pod.path("2.json")).unwrap();
    write(pod.path("2.json"), &text.replace("issuer.sim.test", "else.test"));
    let mixed = pod.run("issuer check --offline {dir}/1.json --offline {dir}/2.json").await;
    assert!(mixed.code == 3 && mixed.err.contains("another bundle"), "{mixed:?}");
}

#[tokio::test(start_paused = true)]
async fn the_start_of_one_server_says_nothing_of_another_s_keys() {
    let pod = Pod::new();
    let look = "issuer observe --in-cluster --compare-api --history file:{dir}/history.json";
    pod.run(look).await;
    pod.sim.clock().advance(DAY);
    // Behind the balancer another one, with a key of today.
    let new = KeySource::Pool.take(4).unwrap();
    pod.api.with(|state| state.jwks = Some(json!({ "keys": [new.jwk()] })));
    pod.sim.issuer().publish(&new);
    let started = (pod.sim.clock().wall() - 100 * DAY).as_secs();
    write(pod.path("metrics"), &format!("process_start_time_seconds {started}\n"));
    let check = look.replace("observe", "check") + " --apiserver-metrics {dir}/metrics";
    let report = pod.json(&check).await;
    assert_eq!(fact(&report, "E9"), None, "{report:#}");
    assert_ne!(report["verdict"], "OVERDUE");
}

#[tokio::test(start_paused = true)]
async fn the_api_servers_metrics_date_its_start_and_an_external_signer() {
    let pod = Pod::new();
    let now = pod.sim.clock().wall();
    let metrics = |lines: &str| write(pod.path("metrics"), &format!("apiserver_x 1\n{lines}"));
    let check = "issuer check --compare-api --in-cluster --apiserver-metrics {dir}/metrics";
    let check = format!("{check} --now {now}");
    let started = (now - 60 * DAY).as_secs();
    metrics(&format!("process_start_time_seconds {started}.25\n"));
    let report = pod.json(&check).await;
    assert_eq!(report["verdict"], "DUE", "{report:#}");
    assert_eq!(fact(&report, "E9").unwrap()["grade"], "asserted");
    let external = |age: i64| {
        let data = now.as_secs() - age;
        format!(
            "process_start_time_seconds {started}\napiserver_externaljwt_fetch_keys_data_timestamp {data}\n"
        )
    };
    for (age, flag, stale) in
        [(3 * 3600, "", false), (3 * 3600 + 1, "", true), (200, " --signer-refresh 1m", true)]
    {
        metrics(&external(age));
        let report = pod.json(&format!("{check}{flag}")).await;
        assert_eq!(ids(&report).contains(&"K209"), stale, "{age} {flag}");
        assert_eq!(fact(&report, "E9"), None, "its keys come when it likes");
    }
    write(pod.path("metrics"), "node_x 1\n");
    let report = pod.json(&check).await;
    assert_eq!(report["problems"][0]["place"], "metrics", "{report:#}");
}

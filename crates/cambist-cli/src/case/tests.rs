//! One-shot evidence, and what the flags make of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cambist::transport::PeerCertificate;
use cambist_core::clock::{Clock as _, UnixTime};
use cambist_key_age::{Grade, History};
use cambist_sim::keys::KeySource;
use serde_json::{Value, json};

use crate::collect::Look;
use crate::testing::{HISTORY, Pod, ids, write};

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
async fn a_nodes_files_and_flags_are_evidence_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let pod = Pod::new();
    publish(&pod, json!({ "x5c": null }));
    let root = pod.dir.path().join("host");
    let pki = root.join("etc/kubernetes/pki");
    std::fs::create_dir_all(&pki).unwrap();
    std::fs::create_dir_all(root.join("etc/kubernetes/manifests")).unwrap();
    write(pki.join("sa.pub"), include_str!("../../testdata/rsa.pub.pem"));
    write(pki.join("sa.key"), "secret");
    std::fs::set_permissions(pki.join("sa.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let manifest = "spec: {containers: [{command: [kube-apiserver, --service-account-key-file=/etc/kubernetes/pki/sa.pub]}]}";
    write(root.join("etc/kubernetes/manifests/kube-apiserver.yaml"), manifest);
    // The files are of this machine's present, so that is the time to look from.
    let changed = {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(pki.join("sa.pub")).unwrap().ctime()
    };
    let now = changed + 60 * 24 * 3600;
    let report = pod.json(&format!("issuer check --node-root {{dir}}/host --now {now}")).await;
    assert_eq!(fact(&report, "E8").unwrap()["notAfter"], changed, "{report:#}");
    assert_eq!(report["verdict"], "DUE", "{report:#}");
    for id in ["K501", "K503", "K504"] {
        assert!(ids(&report).contains(&id), "{id}: {:?}", ids(&report));
    }
    assert!(!report.to_string().contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn the_live_key_is_judged_by_its_name_in_the_flags_and_never_called_a_copy() {
    use std::os::unix::fs::PermissionsExt as _;
    let pod = Pod::new();
    let root = pod.dir.path().join("host");
    for dir in ["etc/kubernetes/pki", "etc/kubernetes/manifests"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    let write_with = |path: &str, text: &str, mode: u32| {
        write(root.join(path), text);
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(root.join(path), mode).unwrap();
    };
    write_with("etc/kubernetes/pki/signer-2026.key", "secret", 0o644);
    write_with("etc/kubernetes/pki/sa-new.key", "secret", 0o644);
    let run = async |signing: &str| {
        let flag = format!("--service-account-signing-key-file=/etc/kubernetes/pki/{signing}");
        let manifest = format!("spec: {{containers: [{{command: [kube-apiserver, {flag}]}}]}}");
        write(root.join("etc/kubernetes/manifests/kube-apiserver.yaml"), &manifest);
        let report = pod.json("issuer check --node-root {dir}/host").await;
        let findings = report["findings"].as_array().unwrap().clone();
        let told = |id: &str| {
            let found = findings.iter().filter(|finding| finding["id"] == id);
            found.map(|finding| finding["evidence"].to_string()).collect::<String>()
        };
        (told("K501"), told("K505"))
    };
    let (loose, copies) = run("signer-2026.key").await;
    assert!(loose.contains("signer-2026.key") && copies.contains("sa-new.key"), "{loose} {copies}");
    let (loose, copies) = run("sa-new.key").await;
    assert!(loose.contains("sa-new.key") && copies.is_empty(), "{loose} {copies}");
}

#[tokio::test(start_paused = true)]
async fn a_private_key_s_times_count_for_the_public_half_of_its_own_name() {
    let pod = Pod::new();
    let pki = pod.dir.path().join("host/etc/kubernetes/pki");
    std::fs::create_dir_all(&pki).unwrap();
    write(pki.join("next.pub"), include_str!("../../testdata/rsa.pub.pem"));
    write(pki.join("sa.key"), "another key's");
    write(
        pod.path("m.yaml"),
        "spec: {containers: [{command: [kube-apiserver, --service-account-key-file=/etc/kubernetes/pki/next.pub]}]}",
    );
    let of = async |pod: &Pod| {
        let observe = "issuer observe --node-root {dir}/host --manifest {dir}/m.yaml";
        pod.run(&format!("{observe} --bundle {{dir}}/b.json")).await;
        let bundle = std::fs::read(pod.path("b.json")).unwrap();
        let look: Look = serde_json::from_slice(&bundle).unwrap();
        let look = Look { at: UnixTime::from_secs(i64::MAX), ..look };
        let facts =
            super::evidence::facts(&look, &History::new(&look.issuer), None, None, Grade::Proven);
        facts.iter().map(ToString::to_string).collect::<String>()
    };
    let told = of(&pod).await;
    assert!(told.contains("next.pub") && !told.contains("sa.key"), "{told}");
    std::fs::rename(pki.join("sa.key"), pki.join("next.key")).unwrap();
    write(
        pod.path("m.yaml"),
        "spec: {containers: [{command: [kube-apiserver, --service-account-signing-key-file=/etc/kubernetes/pki/next.key, --service-account-key-file=/etc/kubernetes/pki/next.pub]}]}",
    );
    let told = of(&pod).await;
    assert!(told.contains("next.pub") && told.contains("next.key"), "{told}");
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
async fn nodes_are_compared_by_the_files_that_their_flags_name_wherever_these_are() {
    let pod = Pod::new();
    let node = |name: &str, files: &[(&str, &str)]| {
        for (path, text) in files {
            let path = pod.dir.path().join(name).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write(path, text);
        }
        format!(" --node-root {{dir}}/{name}")
    };
    let (key, other) =
        (include_str!("../../testdata/rsa.pub.pem"), include_str!("../../testdata/ec.pub.pem"));
    let unit =
        "[Service]\nExecStart=/usr/bin/kube-apiserver --service-account-key-file /srv/sa.pem\n";
    let passed_on = "kube-apiserver-arg: [service-account-key-file=/keys/sa.pub]\n";
    let systemd =
        node("a", &[("etc/systemd/system/kube-apiserver.service", unit), ("srv/sa.pem", key)]);
    let k3s = [
        ("etc/rancher/k3s/config.yaml", passed_on),
        ("var/lib/rancher/k3s/server/tls/service.key", ""),
        ("keys/sa.pub", key),
        // What no flag names.
        ("etc/kubernetes/pki/sa.pub", other),
    ];
    let k3s = node("b", &k3s);
    let rke2 = [
        ("etc/rancher/rke2/config.yaml", passed_on),
        ("var/lib/rancher/rke2/server/tls/service.key", ""),
        ("keys/sa.pub", other),
    ];
    let rke2 = node("c", &rke2);
    let alike = pod.json(&format!("issuer check{systemd}{k3s}")).await;
    assert!(!ids(&alike).contains(&"K506"), "{alike:#}");
    let report = pod.json(&format!("issuer check{systemd}{k3s}{rke2}")).await;
    let found = report["findings"].as_array().unwrap().iter().find(|it| it["id"] == "K506");
    let evidence = found.unwrap()["evidence"].to_string();
    assert!(evidence.contains("/c"), "{evidence}");
    assert_eq!(report["problems"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn nodes_with_other_keys_are_told_live_and_by_their_bundles() {
    let pod = Pod::new();
    let node = |name: &str, pem: &str| {
        let pki = pod.dir.path().join(name).join("etc/kubernetes/pki");
        std::fs::create_dir_all(&pki).unwrap();
        write(pki.join("sa.pub"), pem);
    };
    let (rsa, ec) =
        (include_str!("../../testdata/rsa.pub.pem"), include_str!("../../testdata/ec.pub.pem"));
    for (name, pem) in [("cp-1", rsa), ("cp-2", rsa), ("cp-3", ec)] {
        node(name, pem);
        let bundle = format!(
            "issuer observe --in-cluster --compare-api --node-root {{dir}}/{name} --bundle {{dir}}/{name}.json"
        );
        assert_eq!(pod.run(&bundle).await.code, 0);
    }
    let evidence = async |arguments: &str| {
        let report = pod.json(&format!("issuer check {arguments}")).await;
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().filter(|finding| finding["id"] == "K506");
        found.map(|finding| finding["evidence"].to_string()).collect::<Vec<_>>()
    };
    assert!(evidence("--node-root {dir}/cp-1 --node-root {dir}/cp-2").await.is_empty());
    let live = evidence("--node-root {dir}/cp-1 --node-root {dir}/cp-3").await;
    assert!(live.len() == 1 && live[0].contains("cp-3: RkeGLhEkkl77"), "{live:?}");
    assert!(evidence("--offline {dir}/cp-1.json --offline {dir}/cp-2.json").await.is_empty());
    let all = "--offline {dir}/cp-1.json --offline {dir}/cp-2.json --offline {dir}/cp-3.json";
    let carried = evidence(all).await;
    assert!(carried.len() == 1 && carried[0].contains("cp-3.json: "), "{carried:?}");
    // The API servers, too: one was not restarted.
    let other = KeySource::Pool.take(4).unwrap().jwk();
    pod.api.with(|state| state.jwks = Some(json!({ "keys": [other] })));
    pod.run("issuer observe --in-cluster --compare-api --bundle {dir}/cp-4.json").await;
    let servers = evidence("--offline {dir}/cp-1.json --offline {dir}/cp-4.json").await;
    assert!(servers.len() == 1 && servers[0].contains("/openid/v1/jwks in look 2"), "{servers:?}");
    // A day later that is a rotation that went on.
    pod.sim.clock().advance(2 * DAY);
    pod.run("issuer observe --in-cluster --compare-api --bundle {dir}/cp-5.json").await;
    assert!(evidence("--offline {dir}/cp-1.json --offline {dir}/cp-5.json").await.is_empty());
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

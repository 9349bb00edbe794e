use cambist_core::clock::UnixTime;
use cambist_key_age::{Grade, History};

use super::*;
use crate::collect::Look;

#[tokio::test(start_paused = true)]
async fn a_nodes_files_and_flags_are_evidence_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let pod = Pod::new();
    publish(&pod, json!({ "x5c": null }));
    let root = pod.dir.path().join("host");
    let pki = root.join("etc/kubernetes/pki");
    std::fs::create_dir_all(&pki).unwrap();
    std::fs::create_dir_all(root.join("etc/kubernetes/manifests")).unwrap();
    write(pki.join("sa.pub"), include_str!("../../../testdata/rsa.pub.pem"));
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
    write(pki.join("next.pub"), include_str!("../../../testdata/rsa.pub.pem"));
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
        let facts = crate::case::evidence::facts(
            &look,
            &History::new(&look.issuer),
            None,
            None,
            Grade::Proven,
        );
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
    let (key, other) = (
        include_str!("../../../testdata/rsa.pub.pem"),
        include_str!("../../../testdata/ec.pub.pem"),
    );
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
    let (rsa, ec) = (
        include_str!("../../../testdata/rsa.pub.pem"),
        include_str!("../../../testdata/ec.pub.pem"),
    );
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

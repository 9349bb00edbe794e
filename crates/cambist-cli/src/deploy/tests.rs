//! What is printed, and that it can be nothing else; what an API server makes of it is tried in `tests/live`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

fn printed(image: &str, version: &str, to: &str) -> String {
    inject(&image.parse().unwrap(), version.parse().unwrap(), &audience(to).unwrap())
}

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// A policy's variables, by their names.
fn variables(policy: &Value) -> BTreeMap<&str, &str> {
    let all = policy["spec"]["variables"].as_array().unwrap().iter();
    all.map(|it| (it["name"].as_str().unwrap(), it["expression"].as_str().unwrap())).collect()
}

#[test]
fn both_policies_hold_the_same_image_and_audience() {
    let digest = format!("localhost:5000/cambist/sidecar@sha256:{}", "0a".repeat(32));
    for (image, to, uri) in [
        (USUAL_IMAGE, "public", "api://AzureADTokenExchange"),
        (&*digest, "germany", "api://AzureADTokenExchangeGermany"),
        (USUAL_IMAGE, "aks-identity-binding", "api://AKSIdentityBinding"),
        (USUAL_IMAGE, "https://tokens.example/a?b=<audience>", ""),
        (USUAL_IMAGE, "urn:of-our-own:@audience", "urn:of-our-own:@audience"),
    ] {
        if uri.is_empty() {
            assert!(audience(to).is_err());
            continue;
        }
        let documents = documents(&printed(image, "1.36", to));
        for policy in [&documents[0], &documents[2]] {
            let variables = variables(policy);
            assert_eq!(variables["image"], format!("\"{image}\""));
            assert_eq!(variables["usualAudience"], format!("\"{uri}\""));
        }
    }
}

#[test]
fn each_release_has_its_api() {
    for (version, api, files) in [
        ("1.34", "v1beta1", "false"),
        ("v1.34.9-gke.100", "v1beta1", "false"),
        ("1.35.4", "v1beta1", "true"),
        ("1.36", "v1", "true"),
        ("1.36+", "v1", "true"),
        ("v1.40.0+k3s1", "v1", "true"),
    ] {
        let text = printed(USUAL_IMAGE, version, "public");
        assert!(!text.contains("<api>") && !text.contains("<files>"), "{text}");
        assert_eq!(text.contains("--feature-gates=MutatingAdmissionPolicy=true"), api == "v1beta1");
        let documents = documents(&text);
        let told: Vec<_> = documents
            .iter()
            .map(|it| {
                let version = it["apiVersion"].as_str().unwrap();
                let group = version.strip_prefix("admissionregistration.k8s.io/").unwrap();
                (group, it["kind"].as_str().unwrap())
            })
            .collect();
        let expected = [
            (api, "MutatingAdmissionPolicy"),
            (api, "MutatingAdmissionPolicyBinding"),
            ("v1", "ValidatingAdmissionPolicy"),
            ("v1", "ValidatingAdmissionPolicyBinding"),
        ];
        assert_eq!(told, expected, "{version}");
        assert!(variables(&documents[0])["header"].contains(&format!("{files} &&")), "{version}");
    }
    for (version, words) in [
        ("1.33", "kustomize component `sidecar`"),
        ("1.28.3", "came with 1.34"),
        ("2.0", "expected the cluster's version"),
        ("36", "expected the cluster's version"),
        ("1.36++", "expected the cluster's version"),
        ("latest", "expected the cluster's version"),
    ] {
        let refused = version.parse::<Release>().unwrap_err();
        assert!(refused.contains(words), "{version}: {refused}");
    }
}

#[test]
fn no_image_ends_the_quotes_that_it_stands_in() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    for good in [
        "cambist:1",
        "localhost/cambist-sidecar:0.1.0",
        "a/b__c/d.e/f---g:v1.0_x-Y",
        "registry.example:5000/a/b:20261126",
        "a/b:1234",
        &format!("a/b:latest@{digest}"),
        &format!("ghcr.io/cambist/cambist-sidecar@{digest}"),
        &format!("ghcr.io/cambist/cambist-sidecar:0.1.0@{digest}"),
    ] {
        assert_eq!(good.parse::<Image>().unwrap().to_string(), good);
    }
    for bad in [
        "",
        ":1",
        "cambist",
        "ghcr.io/cambist/cambist-sidecar",
        "registry.example:5000/cambist",
        "ghcr.io/cambist/cambist-sidecar:latest",
        "registry:5000",
        "-:/:a",
        "Cambist:1",
        "a//b:1",
        "a/-b:1",
        "a..b:1",
        "a___b:1",
        "ghcr.io:0/a:1",
        "ghcr..io/a:1",
        "a:1 ",
        "a:1\n",
        "a:1\"",
        "a:1'",
        "a:1\\",
        "a:1\" || true || \"",
        "a:<image>",
        "a:",
        "a:-1",
        "a@sha256:12",
        "a@md5:0123",
        &format!("a@{digest}\""),
        &format!("a@{}", digest.to_uppercase()),
        &format!("a:{}", "1".repeat(129)),
    ] {
        assert!(bad.parse::<Image>().is_err(), "{bad:?}");
    }
}

#[test]
fn an_audience_is_a_clouds_or_a_uri() {
    assert!(Cloud::all().all(|cloud| WORDS.iter().any(|(_, known)| *known == cloud)));
    for bad in
        ["", "publik", "api://a b", "api://a\"", "api://a'", "api://a\\", "api://a\n", "api://é"]
    {
        assert!(audience(bad).is_err(), "{bad:?}");
    }
    assert!(audience(&format!("api:{}", "a".repeat(600))).is_err());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever changes the policies has them written")]
fn what_is_written_is_what_is_printed() {
    for (folder, version) in [("v1", "1.36"), ("v1beta1", "1.35")] {
        let path = format!(
            "{}/../../sidecar/deploy/inject/{folder}/policies.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let printed = printed(USUAL_IMAGE, version, "public");
        if std::env::var_os("CAMBIST_WRITE").is_some() {
            std::fs::write(&path, &printed).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written == printed, "{path} differs: run this test with CAMBIST_WRITE=1");
    }
}

use std::collections::BTreeMap;

use cambist_core::issuer::IssuerUrl;

use super::*;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::testing::SECRET;

const TOKEN: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

fn read(extra: &[(&str, &str)]) -> Config {
    let usual = [
        ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
        ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
        ("AZURE_FEDERATED_TOKEN_FILE", TOKEN),
        ("IDENTITY_HEADER", SECRET),
    ];
    let all = usual.iter().chain(extra);
    let env: BTreeMap<_, _> =
        all.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Config::read(&Settings::of_env(&env)).unwrap()
}

fn needs(extra: &[(&str, &str)]) -> Needs {
    Needs::of(&read(extra), &Found::default())
}

fn paths(needs: &Needs, why: &str) -> Vec<PathBuf> {
    let reads = needs.reads.iter().filter(|read| read.why == why);
    reads.map(|read| read.path.clone()).collect()
}

fn ports(ports: &Ports) -> Vec<u16> {
    match ports {
        Ports::Any(_) => Vec::new(),
        Ports::These(ports) => ports.keys().copied().collect(),
    }
}

#[test]
fn what_is_usual_needs_little() {
    let needs = needs(&[]);
    assert_eq!(ports(&needs.listens), [8421, 8422]);
    assert_eq!(ports(&needs.connects), [53, 443]);
    assert_eq!(paths(&needs, "the projected token"), [Path::new(TOKEN)]);
    assert!(paths(&needs, "names").contains(&"/etc/resolv.conf".into()));
    let told = needs.to_string();
    for line in [
        "writes           nothing, once it runs",
        "listens on       TCP 8421 (tokens), 8422 (admin)",
        "connects to      TCP 53 (names), 443 (authority, issuer)",
    ] {
        assert!(told.lines().any(|told| told == line), "{line:?} is not in\n{told}");
    }
    let libraries = needs.reads.iter().any(|read| read.path == Path::new("/usr/lib"));
    assert_eq!(libraries, !cfg!(target_feature = "crt-static"), "a static program loads none");
}

/// Every file that a configuration can name is read, and every peer reached.
#[test]
fn each_setting_brings_what_it_needs() {
    for (settings, why, place) in [
        (&[("CAMBIST_ENTRA_CA_FILE", "/ca/entra.pem")][..], "Entra's CAs", "/ca/entra.pem"),
        (&[("CAMBIST_ISSUER_CA_FILE", "/ca/i.pem")], "the issuer's CAs", "/ca/i.pem"),
        (&[("CAMBIST_CA_FILE", "/etc/ca.pem")], "Entra's CAs", "/etc/ca.pem"),
        (&[("CAMBIST_KEYS", "file:/keys/k.json")], "the issuer's keys", "/keys/k.json"),
        (&[("CAMBIST_HISTORY", "/history/h.json")], "the key history", "/history/h.json"),
        (&API, "the API server's token", "/api/token"),
        (&API, "the API server's CA", "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"),
        (&PROXY, "the token proxy's CAs", "/proxy/ca.pem"),
    ] {
        assert_eq!(paths(&needs(settings), why), [Path::new(place)], "{settings:?}");
    }
    assert_eq!(ports(&needs(&[("CAMBIST_LISTEN", "[::1]:9000")]).listens), [8422, 9000]);
    assert_eq!(ports(&needs(&[("CAMBIST_ADMIN_LISTEN", "off")]).listens), [8421]);
    assert_eq!(needs(&[("CAMBIST_LISTEN", "0")]).listens.to_string()[..3], *"any");
    for (settings, expected) in [
        (&[("CAMBIST_ISSUER", "https://issuer.example:8443/a")][..], &[53, 443, 8443][..]),
        (&[("HTTPS_PROXY", "http://edge.example:3128")], &[53, 443, 3128]),
        (&[("HTTPS_PROXY", "edge.example")], &[53, 80, 443]),
        (&API, &[53, 443, 6443]),
        // Neither Entra nor an issuer is asked.
        (&PROXY, &[53, 7443]),
    ] {
        assert_eq!(ports(&needs(settings).connects), expected, "{settings:?}");
    }
}

const API: [(&str, &str); 4] = [
    ("CAMBIST_KEYS", "api"),
    ("CAMBIST_API_TOKEN_FILE", "/api/token"),
    ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ("KUBERNETES_SERVICE_PORT", "6443"),
];

const PROXY: [(&str, &str); 3] = [
    ("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example:7443/binding"),
    ("AZURE_KUBERNETES_CA_FILE", "/proxy/ca.pem"),
    ("CAMBIST_KEYS", "file:/keys/k.json"),
];

/// A changed file may name an authority only if that was allowed beforehand.
#[test]
fn a_file_may_come_to_use_whatever_was_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identities.yaml");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let text = format!(
        "version: 1\nidentities:\n  - name: a\n    client_id: 00000000-0000-0000-0000-000000000002\n    \
         token_file: /tokens/a/token\ncallers:\n  - name: app\n    secret_files: [{}]\n    \
         may: [{{identity: a, resources: ['*']}}]\n",
        secret.display()
    );
    std::fs::write(&file, text).unwrap();
    let needs = needs(&[
        ("CAMBIST_CONFIG", file.to_str().unwrap()),
        ("CAMBIST_ALLOW_AUTHORITY", "https://stack.example:9443"),
    ]);
    assert_eq!(ports(&needs.connects), [53, 443, 9443]);
    assert_eq!(paths(&needs, "the identities"), [&*file]);
    assert_eq!(paths(&needs, "a header secret"), [&*secret]);
    assert_eq!(paths(&needs, "the projected token"), [Path::new("/tokens/a/token")]);
}

#[test]
fn what_was_found_is_needed_where_it_is_asked_for() {
    let found = Found {
        certificates: vec!["/etc/ssl/certs/ca-certificates.crt".into()],
        certificate_dirs: vec!["/etc/ssl/certs".into()],
        issuers: vec![IssuerUrl::parse("https://127.0.0.1:7000").unwrap()],
    };
    let of = |extra: &[_]| Needs::of(&read(extra), &found);
    assert_eq!(ports(&of(&[]).connects), [53, 443, 7000]);
    assert_eq!(ports(&of(&[("CAMBIST_ISSUER", "https://i.example")]).connects), [53, 443]);
    let cas = paths(&of(&[]), "the platform's CAs");
    assert_eq!(cas[..2], [&found.certificates[0], &found.certificate_dirs[0]].map(PathBuf::clone));
    assert!(paths(&of(&PROXY), "the platform's CAs").is_empty(), "nobody needs them");
}

mod granted;

#[test]
fn each_version_of_landlock_has_its_parts() {
    use Part::{Connect, Devices, Files, Listen, Signals, Sockets, Truncate};
    let lacking = |abi: i32| {
        Part::ALL.into_iter().filter(|part| part.lacking(abi).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(lacking(0), [Files, Truncate, Devices, Listen, Connect, Signals, Sockets]);
    assert_eq!(lacking(2), [Truncate, Devices, Listen, Connect, Signals, Sockets]);
    assert_eq!(lacking(3), [Devices, Listen, Connect, Signals, Sockets]);
    assert_eq!(lacking(4), [Devices, Signals, Sockets]);
    assert_eq!(lacking(5), [Signals, Sockets]);
    assert_eq!(lacking(NEWEST), []);
    assert!(Connect.lacking(3).unwrap().contains("is version 3; it takes 4, as Linux 6.7 has"));
}

#[test]
fn what_lacks_is_told_in_metric_status_and_words() {
    let why = Part::Connect.lacking(3).unwrap();
    let lacks = vec![(Part::Connect, why)];
    let some = Confinement { mode: Confine::Require, lacks, missing: Vec::new(), granted: None };
    let problem = some.problem().unwrap();
    assert!(problem.contains("connect (this kernel's landlock is version 3"), "{problem}");
    let auto = Confinement { mode: Confine::Auto, ..some };
    assert_eq!(auto.problem(), None);
    let status = serde_json::json!(auto.status());
    assert_eq!(
        (&status["parts"]["connect"], &status["parts"]["files"]),
        (&false.into(), &true.into())
    );
    assert_eq!(status["lacks"][0]["part"], "connect");
    let metrics = Metrics::of(&[&auto]).text();
    for line in ["cambist_confined{part=\"connect\"} 0", "cambist_confined{part=\"files\"} 1"] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[test]
fn how_it_is_asked_for() {
    assert_eq!(read(&[]).confine, Confine::Auto);
    assert_eq!(read(&[("CAMBIST_CONFINE", "require")]).confine, Confine::Require);
    assert!("on".parse::<Confine>().unwrap_err().contains("off, auto, require"));
}

#[cfg(feature = "developer")]
#[test]
fn a_developers_own_sign_in_gives_up_dumps_alone() {
    let config = read(&[("CAMBIST_SOURCE", "developer"), ("CAMBIST_CONFINE", "require")]);
    let needs = Needs::of(&config, &Found::default());
    let confinement = Confinement::begin(&config, &needs, Ok(()));
    let held = Part::ALL.into_iter().filter(|part| confinement.has(*part)).collect::<Vec<_>>();
    assert_eq!(held, [Part::Dumps]);
    assert!(confinement.problem().unwrap().contains("developer runs other programs"));
    assert!(std::fs::read("/etc/passwd").is_ok());
}

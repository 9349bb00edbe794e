use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::access::Proof;

const SECRET: &str = "0123456789abcdef-hunter2";

fn env(extra: &[(&str, &str)]) -> BTreeMap<String, String> {
    let base = [
        ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
        ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"),
        ("IDENTITY_HEADER", SECRET),
    ];
    base.iter().chain(extra).map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect()
}

fn read(env: &BTreeMap<String, String>) -> Result<Config, ConfigErrors> {
    Config::read(&Settings::of_env(env))
}

/// The names of the faults that these settings have.
fn faults(extra: &[(&str, &str)]) -> Vec<String> {
    let errors = read(&env(extra)).expect_err("these settings have faults");
    errors.faults().iter().map(|fault| fault.name.to_string()).collect()
}

#[test]
fn the_webhooks_variables_and_a_secret_are_enough() {
    let config = read(&env(&[])).unwrap();
    assert_eq!(config.listen, Listen::Both(8421));
    assert_eq!(config.admin, Some("127.0.0.1:8422".parse().unwrap()));
    assert_eq!(config.policy.protocols(), [Protocol::AppService, Protocol::Native]);
    assert!(config.warnings.is_empty());
    let text = format!("{config}{config:?}");
    assert!(!text.contains(SECRET) && text.contains("header secret    set"), "{text}");
}

#[test]
fn a_resource_of_another_cloud_is_worth_a_warning() {
    let prefetch = ("CAMBIST_PREFETCH", "https://vault.azure.cn,https://vault.azure.net,api://own");
    let china = ("AZURE_AUTHORITY_HOST", "https://login.chinacloudapi.cn");
    for (extra, wrong, authority) in [
        (&[prefetch][..], "https://vault.azure.cn ", "https://login.partner.microsoftonline.cn/"),
        (&[prefetch, china], "https://vault.azure.net ", "https://login.microsoftonline.com/"),
    ] {
        let warnings = read(&env(extra)).unwrap().warnings;
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(warning.starts_with("CAMBIST_PREFETCH: "), "{warning}");
        assert!(warning.contains(wrong) && warning.ends_with(authority), "{warning}");
    }
}

#[test]
fn an_audience_that_fits_no_token_proxy_is_worth_a_warning() {
    let proxy = ("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example");
    let [own, binding] = [
        ("CAMBIST_AUDIENCE", "api://AzureADTokenExchange"),
        ("CAMBIST_AUDIENCE", "api://AKSIdentityBinding"),
    ];
    for (extra, warned) in [
        (&[][..], false),
        (&[proxy], false),
        (&[proxy, binding], false),
        (&[proxy, own], true),
        (&[own], false),
        (&[binding], true),
    ] {
        let config = read(&env(extra)).unwrap();
        let warnings = &config.warnings;
        assert_eq!(warnings.len(), usize::from(warned), "{extra:?}: {warnings:?}");
        assert!(warnings.iter().all(|it| it.starts_with("CAMBIST_AUDIENCE: ")), "{warnings:?}");
        let shown = config.to_string().contains("token proxy      https://proxy.example\n");
        assert_eq!(shown, extra.contains(&proxy), "{config}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let found = faults(&[
        ("AZURE_TENANT_ID", ""),
        ("CAMBIST_LISTEN", "0.0.0.0:8421"),
        ("CAMBIST_ADMIN_LISTEN", "nowhere"),
        ("CAMBIST_ADMIN_HOSTS", "cambist.svc,*.svc"),
        ("CAMBIST_PROTOCOLS", "app-service,imap"),
        ("CAMBIST_PREFETCH", "https://a,b c"),
        ("CAMBIST_LOG", "x=loud"),
        ("CAMBIST_LISTENER", "1"),
        ("IDENTITY_HEADER", "short"),
    ]);
    for name in [
        "AZURE_TENANT_ID",
        "CAMBIST_LISTEN",
        "CAMBIST_ADMIN_LISTEN",
        "CAMBIST_ADMIN_HOSTS",
        "CAMBIST_PROTOCOLS",
        "CAMBIST_PREFETCH",
        "CAMBIST_LOG",
        "CAMBIST_LISTENER",
        "IDENTITY_HEADER",
    ] {
        assert_eq!(found.iter().filter(|f| *f == name).count(), 1, "{name} in {found:?}");
    }
}

#[test]
fn a_bad_secret_is_refused_and_not_repeated() {
    for bad in ["short", "sixteen blanks \u{e9}!!", "with a blank in it...", &"x".repeat(257)] {
        let errors = read(&env(&[("IDENTITY_HEADER", bad)])).unwrap_err();
        assert_eq!(errors.faults().len(), 1, "{errors}");
        assert!(!errors.to_string().contains(bad), "{errors}");
    }
    let both = [("CAMBIST_IDENTITY_HEADER_FILE", "/nowhere")];
    assert_eq!(faults(&both), ["CAMBIST_IDENTITY_HEADER_FILE"]);
}

#[test]
fn the_secret_may_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    let from = |path: &Path| {
        let path = path.to_str().unwrap();
        read(&env(&[("IDENTITY_HEADER", ""), ("CAMBIST_IDENTITY_HEADER_FILE", path)]))
    };
    let policied = from(&path).unwrap().policied;
    let [Proof::Secrets(secrets)] = &*policied.proofs else { panic!("{policied:?}") };
    assert!(secrets[0].matches(SECRET.as_bytes()) && secrets.len() == 1);
    assert!(from(dir.path()).is_err());
    assert!(from(&dir.path().join("none")).is_err());
    std::fs::write(&path, vec![b'x'; 5000]).unwrap();
    let long = from(&path).unwrap_err().to_string();
    assert!(long.contains("5000 bytes") && long.contains("4096"), "{long}");
}

#[test]
fn something_must_be_open() {
    assert_eq!(faults(&[("IDENTITY_HEADER", "")]), ["IDENTITY_HEADER"]);
    assert_eq!(faults(&[("CAMBIST_PROTOCOLS", ",")]), ["CAMBIST_PROTOCOLS"]);
    let open = [("IDENTITY_HEADER", ""), ("CAMBIST_PROTOCOLS", "app-service, imds")];
    let config = read(&env(&open)).unwrap();
    assert_eq!(config.served().collect::<Vec<_>>(), [Protocol::Imds]);
    assert_eq!(config.warnings.len(), 2);
}

#[test]
fn host_network_is_refused_where_it_can_be_seen() {
    let host = [("CAMBIST_POD_IP", "10.0.0.4"), ("CAMBIST_HOST_IP", "10.0.0.4")];
    assert_eq!(faults(&host), ["CAMBIST_POD_IP"]);
    let allowed = [host[0], host[1], ("CAMBIST_ALLOW_HOST_NETWORK", "true")];
    assert_eq!(read(&env(&allowed)).unwrap().warnings.len(), 1);
    assert!(read(&env(&[host[0], ("CAMBIST_HOST_IP", "10.0.0.5")])).is_ok());
    assert!(read(&env(&host[..1])).is_ok());
    // The same address in another spelling.
    let spelt = [("CAMBIST_POD_IP", "fd00::4"), ("CAMBIST_HOST_IP", "FD00:0::4")];
    assert_eq!(faults(&spelt), ["CAMBIST_POD_IP"]);
    assert_eq!(faults(&[("CAMBIST_HOST_IP", "node-1")]), ["CAMBIST_HOST_IP"]);
}

#[test]
fn prefetch_takes_resources_and_scopes() {
    let list = "https://vault.azure.net, https://vault.azure.net/.default,https://a/";
    let config = read(&env(&[("CAMBIST_PREFETCH", list)])).unwrap();
    let scopes: Vec<_> =
        config.policied.identities.identities[0].prefetch.iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["https://vault.azure.net/.default", "https://a//.default"]);
}

#[cfg(not(feature = "developer"))]
#[test]
fn a_build_without_the_developer_source_says_so() {
    let errors = read(&env(&[("CAMBIST_SOURCE", "developer")])).unwrap_err();
    assert!(errors.to_string().contains("--features developer"), "{errors}");
    assert_eq!(faults(&[("CAMBIST_SOURCE", "vault")]), ["CAMBIST_SOURCE"]);
}

/// A file with this content, named by these settings beside the usual ones.
fn of_file(content: &str, extra: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identities.yaml");
    std::fs::write(&path, content).unwrap();
    let mut all = vec![("CAMBIST_CONFIG", path.to_str().unwrap())];
    all.extend(extra);
    read(&env(&all))
}

const ONE: &str = "\
version: 1
identities:
  - name: identity
    client_id: 00000000-0000-0000-0000-000000000002
    object_id: 00000000-0000-0000-0000-00000000000a
    resource_id: /subscriptions/s/x
    prefetch: [https://vault.azure.net]
callers:
  - name: app
    secret_variable: IDENTITY_HEADER
    may: [{identity: identity, resources: ['*']}]
  - name: anonymous
    anonymous: true
    may: [{identity: identity, resources: ['*']}]
";

#[test]
fn variables_mean_the_same_as_a_file_of_one_identity() {
    let protocols = ("CAMBIST_PROTOCOLS", "app-service,imds");
    let by_variables = read(&env(&[
        protocols,
        ("CAMBIST_OBJECT_ID", "00000000-0000-0000-0000-00000000000a"),
        ("CAMBIST_RESOURCE_ID", "/subscriptions/s/x"),
        ("CAMBIST_PREFETCH", "https://vault.azure.net"),
    ]));
    let (by_variables, by_file) = (by_variables.unwrap(), of_file(ONE, &[protocols]).unwrap());
    assert!(by_variables.policied.is_same(&by_file.policied), "{by_variables:?}\n{by_file:?}");
    assert_eq!(by_variables.warnings, by_file.warnings);
    let others = ONE.replace("['*']", "[api://a]");
    let other = of_file(&others, &[protocols]).unwrap();
    assert!(!by_variables.policied.is_same(&other.policied), "the comparison can fail");
}

#[test]
fn what_a_file_says_is_not_said_by_a_variable_too() {
    let extra = [
        ("CAMBIST_PREFETCH", "https://vault.azure.net"),
        ("CAMBIST_OBJECT_ID", "x"),
        ("CAMBIST_RESOURCE_ID", "x"),
        ("CAMBIST_IDENTITY_HEADER_FILE", "/x"),
    ];
    let told = of_file(ONE, &extra).unwrap_err();
    let names: Vec<_> = told.faults().iter().map(|fault| &*fault.name).collect();
    assert_eq!(names, [extra[3].0, extra[0].0, extra[1].0, extra[2].0], "{told}");
}

#[test]
fn a_file_is_told_of_with_its_path_and_places() {
    let told = of_file("version: 1\nidentites: []\ncallers: []\n", &[]).unwrap_err().to_string();
    let line = "identities.yaml: line 2, column 1: there is no \"identites\" here (did you mean identities?)";
    assert!(told.starts_with("CAMBIST_CONFIG: /") && told.contains(line), "{told}");
    let told = read(&env(&[("CAMBIST_CONFIG", "/nowhere")])).unwrap_err().to_string();
    assert!(told.contains("CAMBIST_CONFIG: /nowhere does not exist"), "{told}");
    let unset = ONE.replace("IDENTITY_HEADER", "IDENTITY_HEADER_NONE");
    let told = of_file(&unset, &[]).unwrap_err().to_string();
    assert!(
        told.contains("the secret of the caller app: IDENTITY_HEADER_NONE is not set"),
        "{told}"
    );
    let twice = ONE.replace("anonymous: true", "secret_variable: IDENTITY_HEADER_TWO");
    let told = of_file(&twice, &[("IDENTITY_HEADER_TWO", SECRET)]).unwrap_err().to_string();
    assert!(told.contains("two callers have the same secret") && !told.contains(SECRET), "{told}");
    let nobody = ONE.replace("secret_variable: IDENTITY_HEADER\n", "anonymous: true\n");
    let nobody = nobody.replacen("- name: anonymous\n    anonymous: true\n    may: [{identity: identity, resources: ['*']}]\n", "", 1);
    let told = of_file(&nobody, &[]).unwrap_err().to_string();
    assert!(told.contains("no caller of its file has a secret"), "{told}");
}

#[test]
fn what_a_file_leaves_unused_is_worth_a_warning() {
    let other =
        ONE.replace("00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000003");
    let other =
        other.replace("secret_variable: IDENTITY_HEADER", "secret_variable: IDENTITY_HEADER_APP");
    let config = of_file(&other, &[("IDENTITY_HEADER_APP", "another-secret-of-some-length")]);
    let warnings = config.unwrap().warnings.join("\n");
    for words in ["IDENTITY_HEADER is set, and nobody", "AZURE_CLIENT_ID is", "imds is not open"] {
        assert!(warnings.contains(words), "{words:?} is not in {warnings}");
    }
}

#[test]
fn the_effective_policy_is_told_as_a_table() {
    let two = ONE.replace("callers:", "  - {name: b, tenant: contoso.com, client_id: 00000000-0000-0000-0000-000000000003, resources: [api://a, api://b]}\ncallers:");
    let text = of_file(&(two + "default: b\nmode: audit\n"), &[]).unwrap().to_string();
    assert!(text.contains("policy           audit\n\nidentity"), "{text}");
    assert!(text.contains("\n\ncaller "), "the tables stand apart: {text}");
    let row = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    for (start, words) in [
        ("identity ", "for at most"),
        ("b (default)", "contoso.com"),
        ("b (default)", "api://a, api://b"),
        ("app ", "the secret in IDENTITY_HEADER  identity            anything"),
        ("anonymous ", "nothing: whoever asks by imds"),
    ] {
        assert!(row(start).contains(words), "{start:?} {words:?} in\n{text}");
    }
    let by_variables = read(&env(&[])).unwrap().to_string();
    assert!(by_variables.ends_with("identity            anything"), "{by_variables}");
}

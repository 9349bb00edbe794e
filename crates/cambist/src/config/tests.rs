use std::collections::BTreeMap;

use cambist_core::admission::Mode;
use cambist_core::scope::Audience;

use super::*;
use crate::exchange::Cloud;
use crate::transport::TokenProxyTrust;

const GUID: &str = "00000000-0000-0000-0000-00000000000a";

fn env(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let base = [
        ("AZURE_TENANT_ID", GUID),
        ("AZURE_CLIENT_ID", GUID),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token"),
    ];
    let all = base.iter().chain(more);
    all.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn faulty(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let errors = Config::from_env(&env(more)).unwrap_err();
    errors.faults().iter().map(|f| (f.name.to_string(), f.problem.clone())).collect()
}

#[test]
fn the_webhooks_variables_are_enough() {
    let config = Config::from_env(&env(&[])).unwrap();
    assert_eq!(config.identity.authority.host(), "login.microsoftonline.com");
    assert_eq!(config.identity.audience, Audience::entra());
    assert_eq!(
        (config.trust.mode, config.trust.keys.as_slice()),
        (Mode::Audit, &[KeyPlace::Public][..])
    );
    assert!(config.trust.issuer.is_none() && config.trust.proxy.is_none());
}

#[test]
fn a_sovereign_cloud_brings_its_audience() {
    let gov = [("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")];
    let config = Config::from_env(&env(&gov)).unwrap();
    assert_eq!(config.identity.audience, Audience::entra_us_gov());
}

#[test]
fn another_clouds_audience_is_a_fault_with_both_ways_out() {
    for asked in Cloud::all() {
        for meant in Cloud::all() {
            let authority = asked.authority();
            let audience = meant.audience().to_string();
            let pair = [("AZURE_AUTHORITY_HOST", &*authority), ("CAMBIST_AUDIENCE", &*audience)];
            if asked == meant {
                assert_eq!(
                    Config::from_env(&env(&pair)).unwrap().identity.audience,
                    meant.audience()
                );
                continue;
            }
            let faults = faulty(&pair);
            let [(name, problem)] = faults.as_slice() else { panic!("{pair:?}: {faults:?}") };
            assert_eq!(name, "CAMBIST_AUDIENCE");
            let fixes = [
                format!("set CAMBIST_AUDIENCE={}, or", asked.audience()),
                format!("AZURE_AUTHORITY_HOST={}", meant.authority()),
            ];
            for words in [&asked.to_string(), &meant.to_string(), &fixes[0], &fixes[1]] {
                assert!(problem.contains(words), "{words} is not in {problem}");
            }
        }
    }
}

#[test]
fn an_audience_that_is_nearly_a_known_one_is_a_fault_with_the_right_spelling() {
    for (audience, right) in [
        ("api://AzureADTokenExchangechina", "api://AzureADTokenExchangeChina"),
        ("api://AzureADTokenExchange/", "api://AzureADTokenExchange"),
        ("api://aksidentitybinding", "api://AKSIdentityBinding"),
    ] {
        let faults = faulty(&[("CAMBIST_AUDIENCE", audience)]);
        let [(name, problem)] = faults.as_slice() else { panic!("{audience}: {faults:?}") };
        assert_eq!(name, "CAMBIST_AUDIENCE");
        assert!(problem.starts_with(&format!("{audience} is not {right}, ")), "{problem}");
    }
}

#[test]
fn with_a_token_proxy_another_authority_is_no_way_out() {
    let faults = faulty(&[
        ("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example"),
        ("CAMBIST_AUDIENCE", "api://AzureADTokenExchangeUSGov"),
    ]);
    let [(_, problem)] = faults.as_slice() else { panic!("{faults:?}") };
    assert!(problem.ends_with("set CAMBIST_AUDIENCE=api://AKSIdentityBinding"), "{problem}");
}

#[test]
fn an_audience_of_somebodys_own_and_an_allowed_host_are_paired_with_anything() {
    let login = "https://login.example";
    for (authority, audience) in [
        ("https://login.microsoftonline.us", "api://contoso"),
        ("https://login.microsoftonline.de", "api://AzureADTokenExchangeChina"),
        (login, "api://AzureADTokenExchangeUSGov"),
    ] {
        let pair = [
            ("AZURE_AUTHORITY_HOST", authority),
            ("CAMBIST_ALLOW_AUTHORITY", login),
            ("CAMBIST_AUDIENCE", audience),
        ];
        let config = Config::from_env(&env(&pair)).unwrap();
        assert_eq!(config.identity.audience.as_str(), audience);
    }
}

const PROXY: (&str, &str) = ("AZURE_KUBERNETES_TOKEN_PROXY", "https://10.0.0.1:6443/x/");

#[test]
fn a_token_proxy_brings_its_audience_and_its_own_trust() {
    let config = Config::from_env(&env(&[])).unwrap();
    assert!(config.trust.token_proxy.is_none());
    let file = ("AZURE_KUBERNETES_CA_FILE", "/nowhere/ca.crt");
    let sni_name = ("AZURE_KUBERNETES_SNI_NAME", "a.ests.aks");
    let config = Config::from_env(&env(&[PROXY, sni_name, file])).unwrap();
    let proxy = config.trust.token_proxy.clone().unwrap();
    assert_eq!(proxy.to_string(), "https://10.0.0.1:6443/x (as a.ests.aks)");
    assert_eq!(proxy.trust, TokenProxyTrust::File("/nowhere/ca.crt".into()));
    assert_eq!(config.identity.audience, Audience::aks_identity_binding());

    let own = ("CAMBIST_AUDIENCE", "api://AzureADTokenExchange");
    let config = Config::from_env(&env(&[PROXY, own])).unwrap();
    assert_eq!(config.identity.audience, Audience::entra());
    assert_eq!(config.trust.token_proxy.unwrap().trust, TokenProxyTrust::Platform);

    let gov = ("CAMBIST_AUDIENCE", "api://AzureADTokenExchangeUSGov");
    let (_, problem) = faulty(&[PROXY, gov]).remove(0);
    assert!(problem.contains("set CAMBIST_AUDIENCE=api://AKSIdentityBinding"), "{problem}");
}

#[test]
fn only_the_token_proxys_own_files_are_read_for_it() {
    let context = || crate::Context::system("pod");
    let file = ("AZURE_KUBERNETES_CA_FILE", "/nowhere/ca.crt");
    let entra = ("CAMBIST_ENTRA_CA_FILE", "/nowhere/entra.pem");
    let errors = Config::from_env(&env(&[PROXY, file, entra])).unwrap();
    let errors = errors.credential(context()).unwrap_err();
    let [fault] = errors.faults() else { panic!("{errors}") };
    assert_eq!(fault.name, "AZURE_KUBERNETES_CA_FILE");
    assert!(fault.problem.contains("/nowhere/ca.crt"), "{errors}");
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let data = ("AZURE_KUBERNETES_CA_DATA", &*ca);
    let config = Config::from_env(&env(&[PROXY, data, entra])).unwrap();
    assert!(config.credential(context()).is_ok());
    assert!(!format!("{config:?}").contains("BEGIN"));
}

#[test]
fn a_token_proxys_variables_belong_together() {
    let [sni_name, file, data] = [
        ("AZURE_KUBERNETES_SNI_NAME", "a.ests.aks"),
        ("AZURE_KUBERNETES_CA_FILE", "/ca.crt"),
        ("AZURE_KUBERNETES_CA_DATA", "not PEM"),
    ];
    let names = |more: &[_]| -> Vec<_> { faulty(more).into_iter().map(|(name, _)| name).collect() };
    assert_eq!(names(&[data, sni_name, file]), [sni_name.0, file.0, data.0]);
    for (name, problem) in faulty(&[sni_name, file]) {
        assert!(problem.contains("AZURE_KUBERNETES_TOKEN_PROXY"), "{name}: {problem}");
    }
    assert_eq!(names(&[PROXY, file, data]), [data.0]);
    assert_eq!(names(&[PROXY, data]), [data.0]);
    let bad = ("AZURE_KUBERNETES_TOKEN_PROXY", "https://user:s3cret@proxy/?x");
    let address = ("AZURE_KUBERNETES_SNI_NAME", "10.0.0.1");
    let faults = faulty(&[bad, address, data]);
    assert_eq!(names(&[bad, address, data]), [bad.0, address.0, data.0]);
    assert!(!format!("{faults:?}").contains("s3cret"), "{faults:?}");
}

#[test]
fn all_faults_come_at_once_each_with_its_place() {
    let errors = Config::from_env(&BTreeMap::new()).unwrap_err();
    let names: Vec<_> = errors.faults().iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"]);
    assert_eq!(errors.to_string().lines().count(), 3);
    for (name, text, word) in [
        ("AZURE_TENANT_ID", "../common", "../common"),
        ("AZURE_CLIENT_ID", "my-app", "GUID"),
        ("AZURE_AUTHORITY_HOST", "https://login.evil.example", "CAMBIST_ALLOW_AUTHORITY"),
        ("AZURE_AUTHORITY_HOST", "http://login.microsoftonline.com", "https"),
        ("CAMBIST_ISSUER", "http://issuer", "https://"),
        ("CAMBIST_AUDIENCE", "two words", "blank"),
        ("CAMBIST_KEYS", "public,disk", "disk"),
        ("CAMBIST_KEYS", "file:", "file:PATH"),
        ("CAMBIST_KEY_AGE", "strict", "enforce"),
        ("CAMBIST_JWKS_ANY_HOST", "yes", "true or false"),
        ("CAMBIST_LEEWAY", "-5s", "no duration"),
        ("CAMBIST_LEEWAY", "45", "45 has no unit: write 45s, 45m, 45h, 45d or 45w"),
        ("CAMBIST_LEDGER", "/l", "CAMBIST_HISTORY now"),
        ("CAMBIST_LEDGER_TRUST", "asserted", "CAMBIST_HISTORY_TRUST now"),
        ("CAMBIST_ROTATE_AFTER", "99999w", "longer than a century"),
        ("CAMBIST_MAX_TOKEN_LIFETIME", "a day", "72h"),
        ("CAMBIST_ALLOW_DEFAULT_ACCOUNT", "default", "system:serviceaccount"),
        ("HTTPS_PROXY", "socks5://proxy:1080", "socks5"),
    ] {
        let faults = faulty(&[(name, text)]);
        let [(at, problem)] = faults.as_slice() else { panic!("{name}={text}: {faults:?}") };
        assert_eq!(at, name);
        assert!(problem.contains(word), "{name}={text}: {problem}");
    }
}

#[test]
fn enforcing_needs_a_pinned_issuer() {
    let faults = faulty(&[("CAMBIST_KEY_AGE", "enforce")]);
    assert_eq!(faults[0].0, "CAMBIST_ISSUER");
    let pinned = [("CAMBIST_KEY_AGE", "enforce"), ("CAMBIST_ISSUER", "https://issuer/")];
    assert_eq!(Config::from_env(&env(&pinned)).unwrap().trust.mode, Mode::Enforce);
}

#[test]
fn the_api_server_is_found_as_in_every_pod() {
    let api = [
        ("CAMBIST_KEYS", "api, public, file:/keys/jwks.json"),
        ("KUBERNETES_SERVICE_HOST", "fd00::1"),
        ("KUBERNETES_SERVICE_PORT", "6443"),
        ("CAMBIST_API_TOKEN_FILE", "/var/run/secrets/api/token"),
    ];
    let config = Config::from_env(&env(&api)).unwrap();
    let [KeyPlace::Api { server, .. }, KeyPlace::Public, KeyPlace::File(path)] =
        config.trust.keys.as_slice()
    else {
        panic!("{:?}", config.trust.keys)
    };
    assert_eq!(server, "https://[fd00::1]:6443");
    assert_eq!(path, &PathBuf::from("/keys/jwks.json"));
    let names: Vec<_> = faulty(&api[..1]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["KUBERNETES_SERVICE_HOST"]);
}

#[test]
fn the_proxys_password_is_not_shown() {
    let proxy = [("https_proxy", "http://user:hunter2@proxy:3128"), ("NO_PROXY", "10.0.0.0/8")];
    let config = Config::from_env(&env(&proxy)).unwrap();
    assert!(config.trust.proxy.is_some());
    assert!(!format!("{config:?}").contains("hunter2"));
    let bad = faulty(&[("HTTPS_PROXY", "ftp://user:hunter2@proxy")]);
    assert!(!format!("{bad:?}").contains("hunter2"), "{bad:?}");
}

#[test]
fn a_ca_file_that_is_none_is_named() {
    let missing = env(&[("CAMBIST_ENTRA_CA_FILE", "/nowhere/ca.pem")]);
    let config = Config::from_env(&missing).unwrap();
    let clock = std::sync::Arc::new(crate::SystemClock);
    let observer = std::sync::Arc::new(crate::observer::Unobserved);
    let jitter = cambist_core::refresh::Jitter::of(b"");
    let errors = config.credential(Context { clock, observer, jitter }).unwrap_err();
    assert_eq!(errors.faults()[0].name, "CAMBIST_ENTRA_CA_FILE");
    assert!(errors.to_string().contains("/nowhere/ca.pem"), "{errors}");
}

#[test]
fn blank_counts_as_absent_and_every_variable_read_is_in_the_table() {
    #[derive(Debug)]
    struct Noting(BTreeMap<String, String>, std::cell::RefCell<Vec<String>>);
    impl Env for Noting {
        fn get(&self, name: &str) -> Option<String> {
            self.1.borrow_mut().push(name.to_owned());
            Env::get(&self.0, name)
        }
        fn names(&self) -> Vec<String> {
            self.0.names()
        }
    }
    let api = [
        ("CAMBIST_KEYS", "api"),
        ("KUBERNETES_SERVICE_HOST", "h"),
        ("CAMBIST_ISSUER", " "),
        ("CAMBIST_API_TOKEN_FILE", "/t"),
        ("HTTPS_PROXY", "http://p"),
        ("AZURE_KUBERNETES_TOKEN_PROXY", "https://p"),
    ];
    let noting = Noting(env(&api), std::cell::RefCell::default());
    assert!(Config::from_env(&noting).unwrap().trust.issuer.is_none());
    let of_the_cluster = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];
    for name in noting.1.into_inner() {
        let listed = VARIABLES.iter().any(|v| v.name == name.to_uppercase());
        let by_its_old_name = RENAMED.iter().any(|(old, _)| *old == name);
        let other = by_its_old_name || of_the_cluster.contains(&name.as_str());
        assert!(listed || other, "{name} is not in VARIABLES");
    }
}

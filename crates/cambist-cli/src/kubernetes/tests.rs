use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const CA: &str = include_str!("../../testdata/rsa.crt.pem");

struct Place {
    dir: tempfile::TempDir,
    config: PathBuf,
}

fn config(cluster: &str, user: &str) -> Place {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.crt"), CA).unwrap();
    std::fs::write(dir.path().join("token"), "from-a-file\n").unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- {{name: c, context: {{cluster: k, user: u}}}}\n\
         clusters:\n- name: k\n  cluster: {cluster}\nusers:\n- name: u\n  user: {user}\n"
    );
    let config = dir.path().join("config");
    std::fs::write(&config, text).unwrap();
    Place { dir, config }
}

fn find(place: &Place, token: Option<&str>) -> Result<ApiServer, AccessError> {
    let token = token.map(|name| place.dir.path().join(name));
    let access =
        Access { kubeconfig: Some(&place.config), token_file: token.as_deref(), mount: None };
    ApiServer::find(&access, &BTreeMap::new(), &|options| {
        // The cluster's authority alone, and never a proxy.
        let HttpsOptions { roots, platform_roots, proxy, .. } = options;
        assert!(!platform_roots && proxy.is_none() && roots.len() == 1);
        Ok(nowhere())
    })
}

fn nowhere() -> Transport {
    Transport::from_service(tower::service_fn(|_| async {
        Err::<http::Response<bytes::Bytes>, _>(std::io::Error::other("no network"))
    }))
}

const FILES: &str = "{server: 'https://api.test:6443/', certificate-authority: ca.crt}";

#[test]
fn a_kubeconfig_gives_server_authority_and_token() {
    let data = STANDARD.encode(CA);
    let inline = format!("{{server: 'https://api.test:6443', certificate-authority-data: {data}}}");
    for cluster in [FILES, &inline] {
        for user in ["{token: secret}", "{tokenFile: token}", "{}"] {
            let server = find(&config(cluster, user), None).unwrap();
            assert_eq!(server.url(), "https://api.test:6443");
            assert_eq!(server.bearer().is_some(), user != "{}");
            assert!(!format!("{server:?}").contains("secret"));
        }
    }
}

#[test]
fn what_cannot_be_used_is_told_with_a_line_to_paste_and_a_token_file_helps_out() {
    for (user, words) in [
        ("{exec: {command: aws}}", "a program (exec)"),
        ("{auth-provider: {name: oidc}}", "a plugin (auth-provider)"),
        ("{client-certificate-data: eA==}", "a client certificate"),
        ("{client-certificate: me.crt, client-key: me.key}", "a client certificate"),
        ("{username: me, password: secret}", "a password"),
        // Without this, what somebody else may do would be done as oneself.
        ("{token: secret, as: somebody}", "impersonation"),
    ] {
        let place = config(FILES, user);
        let error = find(&place, None).unwrap_err().to_string();
        let paste = format!("kubectl --kubeconfig {} create token", place.config.display());
        for words in [words, &paste, "--api-token-file api-token"] {
            assert!(error.contains(words) && !error.contains("secret"), "{error}");
        }
        assert!(find(&place, Some("token")).unwrap().bearer().is_some());
    }
    let odd = config(FILES, "{exec: {}}");
    let path = odd.dir.path().join("it's mine");
    std::fs::rename(&odd.config, &path).unwrap();
    let error = find(&Place { config: path, ..odd }, None).unwrap_err().to_string();
    assert!(error.contains(r"/it'\''s mine' create"), "{error}");
    for (cluster, words) in [
        ("{server: 'https://a.test'}", "no certificate authority"),
        ("{server: 'https://a.test', insecure-skip-tls-verify: true}", "refused"),
        ("{server: 'http://a.test', certificate-authority: ca.crt}", "no https URL"),
        ("{server: 'https://a.test', certificate-authority: token}", "no certificate"),
        ("{server: 'https://a.test', certificate-authority: none.crt}", "none.crt"),
        ("{server: 'https://a.test', certificate-authority-data: '*'}", "not base64"),
        (
            "{server: 'https://a.test', certificate-authority: ca.crt, proxy-url: 'http://p'}",
            "a detour (proxy-url)",
        ),
        (
            "{server: 'https://a.test', certificate-authority: ca.crt, tls-server-name: k}",
            "a detour (tls-server-name)",
        ),
    ] {
        let error = find(&config(cluster, "{token: secret}"), None).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn what_is_empty_is_not_there_and_the_token_s_file_goes_before_its_text() {
    let cluster =
        "{server: 'https://a.test', certificate-authority: ca.crt, certificate-authority-data: ''}";
    assert!(find(&config(cluster, "{token: ''}"), None).unwrap().bearer().is_none());
    let both = find(&config(cluster, "{token: '', tokenFile: token}"), None).unwrap();
    assert!(both.bearer().is_some());
    let gone = find(&config(cluster, "{token: secret, tokenFile: gone}"), None).unwrap_err();
    assert!(gone.to_string().contains("gone: does not exist"), "{gone}");
}

#[test]
fn of_many_contexts_the_current_one_counts() {
    let place = config(FILES, "{token: secret}");
    let with = |current: &str| {
        let text = format!(
            "{current}\ncontexts:\n- {{name: a, context: {{cluster: k1, user: u}}}}\n\
             - {{name: b, context: {{cluster: k2, user: ghost}}}}\n\
             clusters:\n\
             - {{name: k1, cluster: {{server: 'https://1.test', certificate-authority: ca.crt}}}}\n\
             - {{name: k2, cluster: {{server: 'https://2.test', certificate-authority: ./ca.crt}}}}\n\
             users: [{{name: u, user: {{token: secret}}}}]\n"
        );
        std::fs::write(&place.config, text).unwrap();
    };
    with("current-context: a");
    assert_eq!(find(&place, None).unwrap().url(), "https://1.test");
    with("current-context: b");
    let ghost = find(&place, None).unwrap_err().to_string();
    assert!(ghost.contains("context's user does not exist"), "{ghost}");
    assert_eq!(find(&place, Some("token")).unwrap().url(), "https://2.test");
    for none in ["", "current-context: ''", "current-context: c"] {
        with(none);
        let error = find(&place, None).unwrap_err().to_string();
        assert!(error.contains("it has \"a\", \"b\""), "{error}");
    }
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_named_and_nobody_waits_for_it() {
    let place = config(FILES, "{}");
    let device = if cfg!(windows) { "NUL" } else { "/dev/zero" };
    for (path, words) in
        [(device, "not a regular file"), ("/", "not a regular file"), ("/none", "not exist")]
    {
        let config = PathBuf::from(path);
        let access = Access { kubeconfig: Some(&config), ..Access::default() };
        let error = ApiServer::find(&access, &BTreeMap::new(), &|_| Ok(nowhere())).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    std::fs::write(&place.config, [0xff, 0xfe]).unwrap();
    assert!(find(&place, None).unwrap_err().to_string().contains("it is not text"));
    std::fs::write(&place.config, vec![b'#'; 2 << 20]).unwrap();
    assert!(find(&place, None).unwrap_err().to_string().contains("is it the right file?"));
}

#[test]
fn a_broken_kubeconfig_is_not_repeated() {
    let place = config(FILES, "{token: secret}");
    std::fs::write(&place.config, "users: [{user: {token: secret").unwrap();
    let error = find(&place, None).unwrap_err().to_string();
    assert!(error.contains("not readable") && !error.contains("secret"), "{error}");
}

#[test]
fn outside_of_a_pod_there_is_no_cluster() {
    let none = Access::default();
    let error = ApiServer::find(&none, &BTreeMap::new(), &|_| Ok(nowhere())).unwrap_err();
    assert!(matches!(error, AccessError::NoPod));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.crt"), CA).unwrap();
    std::fs::write(dir.path().join("token"), "t").unwrap();
    let env = [("KUBERNETES_SERVICE_HOST".to_owned(), "fd00::1".to_owned())].into();
    let env: BTreeMap<String, String> = env;
    let pod = Access { mount: Some(dir.path()), ..none };
    let server = ApiServer::find(&pod, &env, &|_| Ok(nowhere())).unwrap();
    assert_eq!(server.url(), "https://[fd00::1]:443");
}

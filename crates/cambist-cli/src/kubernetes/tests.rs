use std::collections::BTreeMap;

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
fn what_cannot_be_used_is_told_and_a_token_file_helps_out() {
    for (user, words) in [
        ("{exec: {command: aws}}", "a program (exec)"),
        ("{client-certificate-data: eA==}", "a client certificate"),
    ] {
        let place = config(FILES, user);
        assert!(find(&place, None).unwrap_err().to_string().contains(words));
        assert!(find(&place, Some("token")).unwrap().bearer().is_some());
    }
    for (cluster, words) in [
        ("{server: 'https://a.test'}", "no certificate authority"),
        ("{server: 'https://a.test', insecure-skip-tls-verify: true}", "refused"),
        ("{server: 'http://a.test', certificate-authority: ca.crt}", "no https URL"),
        ("{server: 'https://a.test', certificate-authority: token}", "no certificate"),
        ("{server: 'https://a.test', certificate-authority-data: '*'}", "not base64"),
    ] {
        let error = find(&config(cluster, "{token: secret}"), None).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{error}");
    }
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

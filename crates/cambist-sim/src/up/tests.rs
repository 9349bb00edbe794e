use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::ServiceExt as _;

use super::*;
use crate::keys::KeySource;
use crate::reply::{Request, Response};

mod identities;
mod key_age;

/// A world that is up, and a pod in it that has only what `env` says.
struct World {
    running: Running,
    pod: HttpsClient,
    _dir: tempfile::TempDir,
}

async fn up(change: impl FnOnce(&mut Options)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("sim"));
    options.keys = KeySource::Pool;
    change(&mut options);
    let running = start(options).await.unwrap();
    let pod = HttpsClient::new(Arc::new(trusting(&running.env()["CAMBIST_CA_FILE"])), By::Pod);
    World { running, pod, _dir: dir }
}

fn trusting(ca_file: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

impl World {
    fn env(&self, name: &str) -> &str {
        &self.running.env()[name]
    }

    async fn send(&self, request: Request) -> Result<Response, BoxError> {
        self.pod.clone().oneshot(request).await
    }

    async fn discovery(&self) -> Result<Response, BoxError> {
        let url = format!("{}.well-known/openid-configuration", self.env("CAMBIST_ISSUER"));
        self.send(http::Request::get(url).body(Bytes::new()).unwrap()).await
    }

    async fn exchange(&self) -> (StatusCode, Value) {
        self.exchange_of(self).await
    }

    /// Exchanges the token of another world's pod.
    async fn exchange_of(&self, other: &World) -> (StatusCode, Value) {
        self.exchange_for("https://vault.azure.net", other).await
    }

    async fn exchange_for(&self, resource: &str, other: &World) -> (StatusCode, Value) {
        let assertion = fs::read_to_string(other.env("AZURE_FEDERATED_TOKEN_FILE")).unwrap();
        let (authority, tenant) = (self.env("AZURE_AUTHORITY_HOST"), self.env("AZURE_TENANT_ID"));
        let url = format!("{authority}{tenant}/oauth2/v2.0/token");
        let client = self.env("AZURE_CLIENT_ID");
        self.exchange_as(&url, client, &assertion, &[("scope", &format!("{resource}/.default"))])
            .await
    }

    async fn exchange_as(
        &self,
        url: &str,
        client: &str,
        assertion: &str,
        more: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_assertion", assertion)
            .append_pair("client_assertion_type", kind)
            .append_pair("client_id", client)
            .append_pair("grant_type", "client_credentials")
            .extend_pairs(more)
            .finish();
        let request = http::Request::post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(body));
        let response = self.send(request.unwrap()).await.unwrap();
        (response.status(), serde_json::from_slice(response.body()).unwrap())
    }

    /// Asks the admin API; without a body it is a GET.
    async fn admin(&self, path: &str, body: Option<&str>) -> (StatusCode, Value) {
        let at = self.env("SIM_ADMIN").strip_prefix("http://").unwrap();
        let stream = TokioIo::new(TcpStream::connect(at).await.unwrap());
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let request = http::Request::builder()
            .method(if body.is_some() { "POST" } else { "GET" })
            .uri(path)
            .header("host", at)
            .body(Full::new(Bytes::from(body.unwrap_or_default().to_owned())));
        let response = sender.send_request(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        driver.abort();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

#[tokio::test]
async fn another_address_of_the_machine_serves_all_but_who_is_in_charge() {
    let world = up(|options| options.listen = [127, 0, 0, 2].into()).await;
    for name in ["CAMBIST_ISSUER", "AZURE_AUTHORITY_HOST"] {
        assert!(world.env(name).starts_with("https://127.0.0.2:"), "{}", world.env(name));
    }
    assert_eq!(world.env("KUBERNETES_SERVICE_HOST"), "127.0.0.2");
    assert!(world.env("SIM_ADMIN").starts_with("http://127.0.0.1:"));
    let (status, body) = world.exchange().await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn a_pod_with_nothing_but_the_env_gets_a_token_and_follows_a_rotation() {
    let world = up(|options| options.entra_keeps = Duration::ZERO).await;
    let (status, body) = world.exchange().await;
    assert_eq!((status, &body["token_type"]), (StatusCode::OK, &json!("Bearer")), "{body}");

    let before = fs::read(world.env("AZURE_FEDERATED_TOKEN_FILE")).unwrap();
    let (status, body) = world.admin("/sim/rotate", Some(r#"{"overlap":false}"#)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["published"], json!([body["kid"]]));
    assert_ne!(fs::read(world.env("AZURE_FEDERATED_TOKEN_FILE")).unwrap(), before);
    assert_eq!(world.exchange().await.0, StatusCode::OK);

    let (_, body) = world.admin("/sim/requests", None).await;
    assert_eq!(body["counts"], json!({ "entra": 2, "discovery": 0, "jwks": 0, "api": 0 }));
    let by: Vec<_> = body["requests"].as_array().unwrap().iter().map(|it| &it["by"]).collect();
    assert_eq!(by, ["pod", "entra", "entra", "pod", "entra", "entra"]);
    world.running.shutdown().await;
}

#[tokio::test]
async fn resources_are_made_known_at_the_start_and_later() {
    let world = up(|options| options.resources = vec!["api://orders".to_owned()]).await;
    let code = async |resource| {
        let (_, body) = world.exchange_for(resource, &world).await;
        body["error_codes"][0].as_i64().unwrap_or_default()
    };
    let tell = async |body: &str| world.admin("/sim/resource", Some(body)).await;
    assert_eq!((code("api://orders").await, code("api://bills").await), (0, 500_011));
    assert_eq!(tell(r#"{"resource":"api://bills"}"#).await.0, StatusCode::OK);
    let vault = r#"{"resource":"https://vault.azure.net","known":false}"#;
    assert_eq!(tell(vault).await.0, StatusCode::OK);
    assert_eq!((code("api://bills").await, code("https://vault.azure.net").await), (0, 500_011));
    let (status, refused) = tell(r#"{"resource":"bills"}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(refused["error"].as_str().unwrap().contains("a URI"), "{refused}");
}

#[tokio::test]
async fn entra_reads_an_issuer_elsewhere_if_it_trusts_its_authority() {
    let elsewhere = up(|_| ()).await;
    let issuer = Some(elsewhere.env("CAMBIST_ISSUER").to_owned());
    let trust = vec![Trust { issuer, ..Trust::default() }];
    let stranger = up(|options| options.federated_credentials.clone_from(&trust)).await;
    let (status, body) = stranger.exchange_of(&elsewhere).await;
    assert_eq!(
        (status, &body["error_codes"]),
        (StatusCode::BAD_REQUEST, &json!([90_061])),
        "{body}"
    );

    let world = up(|options| {
        options.federated_credentials = trust;
        options.ca_files = vec![elsewhere.env("CAMBIST_CA_FILE").into()];
    })
    .await;
    let (status, body) = world.exchange_of(&elsewhere).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("further-ca.pem");
    for content in [None, Some("no certificate")] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let mut options = Options::new(dir.path().join("sim"));
        options.ca_files = vec![file.clone()];
        let error = start(options).await.unwrap_err().to_string();
        assert!(error.contains("further-ca.pem"), "{error}");
    }
}

#[tokio::test]
async fn env_is_a_private_file_that_a_shell_sources() {
    let world = up(|_| ()).await;
    let file = world.running.dir().join("env");
    let said = fs::read_to_string(file).unwrap();
    for name in [
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
        "CAMBIST_ALLOW_AUTHORITY",
        "CAMBIST_ISSUER",
        "CAMBIST_CA_FILE",
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
        "CAMBIST_API_TOKEN_FILE",
        "CAMBIST_API_CA_FILE",
        "IDENTITY_HEADER",
        "SIM_ADMIN",
    ] {
        let line = format!("export {name}='{}'\n", world.env(name));
        assert!(said.contains(&line), "{line}");
    }
    for name in ["CAMBIST_PROTOCOLS", "HTTPS_PROXY"] {
        assert!(!said.contains(name), "{said}");
    }
    assert!(!format!("{:?}", world.running).contains(world.env("IDENTITY_HEADER")));
}

#[tokio::test]
async fn what_asks_for_no_secret_is_opened_where_that_is_wanted() {
    let world = up(|options| options.imds = true).await;
    assert_eq!(world.env("CAMBIST_PROTOCOLS"), "app-service,native,imds");
}

#[tokio::test]
async fn files_with_the_secret_end_with_the_world() {
    let world = up(|_| ()).await;
    let dir = world.running.dir().to_owned();
    let there = || ["env", "app.env", "ca.pem"].map(|name| dir.join(name).exists());
    assert_eq!(there(), [true; 3]);
    world.running.shutdown().await;
    assert_eq!(there(), [false, false, true]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_others_may_write_to_is_refused_and_nothing_written() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let sim = dir.path().join("sim");
    fs::create_dir(&sim).unwrap();
    for mode in [0o1777, 0o775, 0o702] {
        fs::set_permissions(&sim, fs::Permissions::from_mode(mode)).unwrap();
        let told = start(Options::new(&sim)).await.unwrap_err().to_string();
        for words in [sim.to_str().unwrap(), &format!("{mode:04o}"), "a directory of your own"] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert_eq!(
            told.contains("chmod go-w"),
            mode < 0o1000,
            "of /tmp it would be a trap: {told}"
        );
        assert_eq!(fs::read_dir(&sim).unwrap().count(), 0, "{mode:o}");
    }
    fs::set_permissions(&sim, fs::Permissions::from_mode(0o755)).unwrap();
    start(Options::new(&sim)).await.unwrap();
    let made = dir.path().join("made");
    let running = start(Options::new(&made)).await.unwrap();
    assert_eq!(fs::metadata(running.dir()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_of_somebody_else_is_refused_and_so_is_a_link_of_theirs() {
    use std::os::unix::fs::{chown, lchown, symlink};

    let dir = tempfile::tempdir().unwrap();
    let [own, theirs, link] = ["own", "theirs", "link"].map(|name| dir.path().join(name));
    fs::create_dir(&own).unwrap();
    fs::create_dir(&theirs).unwrap();
    symlink(&own, &link).unwrap();
    start(Options::new(&link)).await.unwrap();
    // Only root gives things away; to everybody else the root directory is somebody's.
    let refused = match chown(&theirs, Some(12345), None) {
        Ok(()) => {
            lchown(&link, Some(12345), None).unwrap();
            vec![theirs, link.join(""), link]
        }
        Err(_) => vec!["/".into()],
    };
    for dir in refused {
        let told = start(Options::new(&dir)).await.unwrap_err().to_string();
        assert!(told.contains("belongs to user"), "{told}");
        assert!(told.contains("a directory of your own"), "{told}");
    }
}

#[tokio::test]
async fn faults_reach_the_wire() {
    let world = up(|_| ()).await;
    let fault = async |json| {
        let (status, body) = world.admin("/sim/fault", Some(json)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    };
    assert_eq!(world.discovery().await.unwrap().status(), 200);

    fault(r#"{"target":"discovery","kind":"status","status":429,"retry_after":7,"count":1}"#).await;
    let got = world.discovery().await.unwrap();
    assert_eq!(
        (got.status().as_u16(), &got.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );

    fault(r#"{"target":"discovery","kind":"truncate","count":1}"#).await;
    let error = world.discovery().await.unwrap_err();
    assert_eq!(io_kind(&*error), Some(io::ErrorKind::UnexpectedEof), "{error:?}");
    assert!(!format!("{error:?}").contains("close_notify"), "{error:?}");

    fault(r#"{"target":"discovery","kind":"reset","count":1}"#).await;
    let error = world.discovery().await.unwrap_err();
    assert_eq!(io_kind(&*error), Some(io::ErrorKind::ConnectionReset), "{error:?}");

    fault(r#"{"target":"entra","kind":"aadsts","code":90055,"retry_after":"60"}"#).await;
    assert_eq!(world.exchange().await.0, StatusCode::TOO_MANY_REQUESTS);
    world.admin("/sim/clear", Some("")).await;
    assert_eq!(world.exchange().await.0, StatusCode::OK);
    let (_, body) = world.admin("/sim/requests", None).await;
    assert_eq!(body["counts"], json!({ "entra": 2, "discovery": 4, "jwks": 0, "api": 0 }));
    world.admin("/sim/clear", Some(r#"{"requests":true}"#)).await;
    let (_, body) = world.admin("/sim/requests", None).await;
    assert_eq!(body["requests"], json!([]));
}

#[tokio::test]
async fn a_request_too_large_is_refused_and_the_server_goes_on() {
    let world = up(|_| ()).await;
    let url = format!("{}t/oauth2/v2.0/token", world.env("AZURE_AUTHORITY_HOST"));
    let body = Bytes::from(vec![b'a'; 70 * 1024]);
    let response = world.send(http::Request::post(url).body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.exchange().await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_admin_api_refuses_junk_and_keeps_time() {
    let world = up(|_| ()).await;
    for (path, body, want) in [
        ("/sim/fault", Some("{"), 400),
        ("/sim/fault", Some(r#"{"target":"entra","kind":"latency"}"#), 400),
        ("/sim/rotate", Some(r#"{"overlap":"yes"}"#), 400),
        ("/sim/advance", Some(r#"{"seconds":-1}"#), 400),
        ("/sim/nothing", None, 404),
    ] {
        let (status, body) = world.admin(path, body).await;
        assert_eq!(status, want, "{path}");
        assert!(body["error"].is_string(), "{body}");
    }
    let wrong = r#"{"machine":"issuer","seconds":-8640000}"#;
    let (_, now) = world.admin("/sim/clock", Some(wrong)).await;
    let machines = &now["machines"];
    assert!(machines["issuer"].as_str() < machines["entra"].as_str(), "{now}");
    let (_, before) = world.admin("/sim/now", None).await;
    let (_, after) = world.admin("/sim/advance", Some(r#"{"seconds":86400}"#)).await;
    assert!(after["unix"].as_i64().unwrap() - before["unix"].as_i64().unwrap() >= 86_400);
}

#[tokio::test]
async fn a_federated_credential_for_somebody_else_is_refused_with_its_code() {
    let subject = "system:serviceaccount:shop:billing".to_owned();
    let trust = Trust { subject: Some(subject), ..Trust::default() };
    let world = up(|options| options.federated_credentials = vec![trust]).await;
    let (status, body) = world.exchange().await;
    assert_eq!((status, &body["error_codes"]), (StatusCode::UNAUTHORIZED, &json!([700_213])));
}

#[tokio::test]
async fn the_proxy_wants_a_password_and_tunnels_to_loopback_only() {
    use base64::Engine as _;
    let world = up(|options| options.proxy = true).await;
    let (user, at) = world.env("HTTPS_PROXY")["http://".len()..].split_once('@').unwrap();
    let user = base64::engine::general_purpose::STANDARD.encode(user);
    let known = format!("proxy-authorization: Basic {user}\r\n");
    let entra = world.env("AZURE_AUTHORITY_HOST");
    let entra = entra.strip_prefix("https://").unwrap().trim_end_matches('/');
    let connect = async |to: &str, extra: &str| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{extra}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        String::from_utf8(status[9..].to_vec()).unwrap()
    };
    assert_eq!(connect(entra, "").await, "407");
    assert_eq!(connect(entra, "proxy-authorization: Basic c2ltOnNpbQ==\r\n").await, "407");
    assert_eq!(connect("192.0.2.1:443", &known).await, "403");
    assert_eq!(connect(entra, &known).await, "200");
    let counts = world.running.proxy_counts().unwrap();
    assert_eq!(counts, ProxyCounts { opened: 1, refused: 3 });
    world.running.shutdown().await;
}

/// What the token proxy answers to a request for this path and host, or why there is no answer.
async fn proxied(world: &World, sni_name: &str, path: &str, host: &str) -> Result<u16, BoxError> {
    let at = world.env("AZURE_KUBERNETES_TOKEN_PROXY").strip_prefix("https://").unwrap();
    let (at, base) = at.split_once('/').unwrap();
    let config = Arc::new(trusting(world.env("AZURE_KUBERNETES_CA_FILE")));
    let name = ServerName::try_from(sni_name.to_owned()).unwrap();
    let tcp = TcpStream::connect(at).await?;
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
    tokio::spawn(connection);
    let host = if host.is_empty() { at } else { host };
    let request = http::Request::post(format!("/{base}{path}")).header("host", host);
    let response = sender.send_request(request.body(Full::new(Bytes::new())).unwrap()).await?;
    Ok(response.status().as_u16())
}

#[tokio::test]
async fn the_token_proxy_goes_by_another_name_and_another_authority() {
    let world = up(|options| options.token_proxy = true).await;
    let sni_name = world.env("AZURE_KUBERNETES_SNI_NAME").to_owned();
    assert!(sni_name.ends_with(".ests.aks"), "{sni_name}");
    assert_eq!(world.running.sim().settings().audience, "api://AKSIdentityBinding");
    let path = format!("/{}/oauth2/v2.0/token", world.env("AZURE_TENANT_ID"));
    // A request without a form, passed on to Entra: that is what it finds fault with.
    assert_eq!(proxied(&world, &sni_name, &path, "").await.unwrap(), 400);
    assert_eq!(proxied(&world, &sni_name, &path, "login.microsoftonline.com").await.unwrap(), 421);
    assert_eq!(proxied(&world, &sni_name, "/else", "").await.unwrap(), 404);
    assert!(proxied(&world, "other.ests.aks", &path, "").await.is_err());
    assert!(proxied(&world, "127.0.0.1", &path, "").await.is_err());

    let rotate = async |body| world.admin("/sim/token-proxy-ca", Some(body)).await.0;
    assert_eq!(rotate(r#"{"write":false}"#).await, 200);
    let error = proxied(&world, &sni_name, &path, "").await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    assert_eq!(rotate("").await, 200);
    assert_eq!(proxied(&world, &sni_name, &path, "").await.unwrap(), 400);

    let (status, body) = world.exchange().await;
    assert_eq!((status, &body["error_codes"]), (StatusCode::UNAUTHORIZED, &json!([700_211])));
    let plain = up(|_| ()).await;
    assert_eq!(plain.admin("/sim/token-proxy-ca", Some("")).await.0, 400);
    assert!(!plain.running.env().contains_key("AZURE_KUBERNETES_TOKEN_PROXY"));
}

#[tokio::test]
async fn an_audience_that_is_given_stays() {
    let own = "api://AzureADTokenExchange";
    let world = up(|options| {
        options.token_proxy = true;
        options.audience = Some(own.to_owned());
    });
    assert_eq!(world.await.running.sim().settings().audience, own);
}

#[tokio::test(start_paused = true)]
async fn rotating_for_ever_publishes_only_the_keys_still_needed() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::new().unwrap();
    let kubelet = Arc::new(Kubelet::new(sim.clone(), dir.path()));
    let admin = Admin { sim: sim.clone(), kubelet, proxy: None, token_proxy: None };
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let first = sim.issuer().signer();
    let rotating = keep_rotating(admin, hours(1));
    assert!(tokio::time::timeout(hours(4) + hours(1) / 2, rotating).await.is_err());
    let published = sim.issuer().published();
    assert_eq!(published.len(), 4, "the next, the signer, the one before, and one to spare");
    assert_eq!(published[2], sim.issuer().signer().kid());
    assert!(!published.contains(&first.kid().to_owned()));
}

/// The kind of the first I/O error among an error and its causes.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

#[tokio::test]
async fn a_rotation_by_the_clock_is_known_to_entra_before_it_signs() {
    let every = Duration::from_millis(200);
    // Entra is asked to keep documents for half an hour, and rotations come faster.
    let world = up(|options| options.rotate_every = Some(every)).await;
    let signer = || world.running.sim().issuer().signer().kid().to_owned();
    let mut signers = vec![signer()];
    let rotated = async {
        while signers.len() < 4 {
            let (status, answer) = world.exchange().await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            if !signers.contains(&signer()) {
                signers.push(signer());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), rotated).await.unwrap();
}

#[tokio::test]
async fn each_api_server_is_at_an_address_of_its_own_and_takes_keys_of_its_own() {
    let world = up(|options| options.api_servers = 2).await;
    let sim = world.running.sim();
    let new = sim.issuer().prepare().unwrap();
    let body = json!({ "number": 1, "accept": [new.kid()] }).to_string();
    let (status, answer) = world.admin("/sim/api-server", Some(&body)).await;
    assert_eq!((status, &answer["servers"]), (StatusCode::OK, &json!(1)), "{answer}");
    let token = fs::read_to_string(world.env("CAMBIST_API_TOKEN_FILE")).unwrap();
    let settings = sim.settings();
    for (server, status) in [(&settings.api_server, 200), (&settings.more_api_servers[0], 401)] {
        let request = http::Request::get(format!("{server}/openid/v1/jwks"))
            .header("authorization", format!("Bearer {token}"));
        let response = world.send(request.body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{server}");
    }
    let body = json!({ "number": 2 }).to_string();
    assert_eq!(world.admin("/sim/api-server", Some(&body)).await.0, StatusCode::BAD_REQUEST);
    let body = json!({ "sign": "made-up" }).to_string();
    assert_eq!(world.admin("/sim/api-server", Some(&body)).await.0, StatusCode::BAD_REQUEST);
}

//! The one request shape of each protocol, and exactly what it yields.

use std::time::{Duration, UNIX_EPOCH};

use kit::sidecar::VAULT;
use kit::{Program, Reply, Secrets, World, http};

use crate::{SIDECAR, SIM, sidecar};

const FIELDS: [&str; 8] = [
    "access_token",
    "client_id",
    "expires_in",
    "expires_on",
    "ext_expires_in",
    "not_before",
    "resource",
    "token_type",
];

/// Holds a success to every byte of it, except those that only the reply itself can tell.
fn assert_granted(reply: &Reply, client_id: &str, resource: &str) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(reply.header("content-length"), Some(&*reply.body.len().to_string()));
    assert_eq!(reply.header("transfer-encoding"), None);
    assert_eq!(reply.header("location"), None);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control")));
    let [token, _, expires_in, expires_on, _, not_before, _, _] =
        FIELDS.map(|field| reply.member(field));
    let body = format!(
        "{{\"access_token\":\"{token}\",\"client_id\":\"{client_id}\",\"expires_in\":\"{expires_in}\",\
         \"expires_on\":\"{expires_on}\",\"ext_expires_in\":\"{expires_in}\",\
         \"not_before\":\"{not_before}\",\"resource\":\"{resource}\",\"token_type\":\"Bearer\"}}"
    );
    assert_eq!(reply.text(), body);
    assert_eq!(token.split('.').count(), 3);
    let number = |text: &str| text.parse::<u64>().unwrap();
    assert!((3500..=3599).contains(&number(&expires_in)), "{expires_in}");
    assert_eq!(number(&expires_on) - number(&not_before), 3599);
}

#[tokio::test]
async fn each_protocol_grants_the_eight_fields_and_then_answers_from_the_cache() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let client_id = &world.env()["AZURE_CLIENT_ID"];
    let mut tokens = Vec::new();
    for request in [sidecar.app_service(VAULT), sidecar.imds(VAULT), sidecar.native(VAULT)] {
        for _ in 0..2 {
            let reply = sidecar.send(&request).await;
            assert_granted(&reply, client_id, VAULT);
            tokens.push(reply.member("access_token"));
        }
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "one scope has one token, whoever asks by whichever protocol");
    let counts = world.counts().await;
    assert_eq!((counts.entra, counts.discovery, counts.jwks), (1, 1, 1));
    assert_eq!(sidecar.served("hit").await, 5);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_resource_is_echoed_byte_for_byte() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let client_id = &world.env()["AZURE_CLIENT_ID"];
    for (written, meant) in [
        ("https://vault.azure.net", "https://vault.azure.net"),
        ("https%3A%2F%2Fvault.azure.net", "https://vault.azure.net"),
        ("https://management.azure.com/", "https://management.azure.com/"),
        ("https%3a%2f%2fmanagement.azure.com%2F", "https://management.azure.com/"),
        ("https://Storage.Azure.com", "https://Storage.Azure.com"),
        ("api://my-app", "api://my-app"),
        ("00000003-0000-0000-c000-000000000000", "00000003-0000-0000-c000-000000000000"),
    ] {
        for request in [sidecar.app_service(written), sidecar.imds(written)] {
            assert_granted(&sidecar.send(&request).await, client_id, meant);
        }
    }
    // A slash at the end belongs to the resource: the scope has two then.
    let scopes = world.requests().await["requests"].to_string();
    assert!(scopes.contains("\"https://management.azure.com//.default\""), "{scopes}");
    assert!(!scopes.contains("\"https://management.azure.com/.default\""), "{scopes}");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_sdks_write_differently_is_understood() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let client_id = &world.env()["AZURE_CLIENT_ID"];
    let query = format!("?api-version=2018-02-01&resource={VAULT}");
    let good = sidecar.imds(VAULT);
    for path in [
        "//metadata/identity/oauth2/token",
        "/metadata/identity/oauth2/token/",
        "/METADATA/identity/oauth2/token",
        "//Metadata/identity/oauth2/token/",
    ] {
        let request = good.clone().target(format!("{path}{query}"));
        assert_granted(&sidecar.send(&request).await, client_id, VAULT);
    }
    let good = sidecar.app_service(VAULT);
    for request in [
        good.clone().header("Content-Type", "application/x-www-form-urlencoded"),
        good.clone().header("Content-Length", "0"),
        good.clone().header("Metadata", "true").header("x-client-SKU", "MSAL.JS"),
        good.clone().header("X-MS-CLIENT-REQUEST-ID", "1").header("Accept", "*/*"),
        good.clone().more("&xms_cc=cp1&token_sha256_to_refresh=00"),
        good.clone().more(&format!("&client_id={client_id}")),
        good.clone().more(&format!("&clientid={}", client_id.to_uppercase())),
        good.clone().with("Host", format!("LOCALHOST:{}", sidecar.tokens().port())),
    ] {
        assert_granted(&sidecar.send(&request).await, client_id, VAULT);
    }
    for version in ["2017-09-01", "2019-07-01-preview", "2020-06-01", "2021-02-01"] {
        let target = format!("/msi/token?resource={VAULT}&api-version={version}");
        assert_granted(&sidecar.send(&good.clone().target(target)).await, client_id, VAULT);
    }
    // The clients before the SDKs: another header, and a slash at the end.
    let header = &world.env()["IDENTITY_HEADER"];
    for target in ["/msi/token", "/msi/token/"] {
        let target =
            format!("{target}?api-version=2017-09-01&resource={VAULT}&clientid={client_id}");
        let request = sidecar.request(target).header("Secret", header).header("Metadata", "true");
        assert_granted(&sidecar.send(&request).await, client_id, VAULT);
    }
    assert_eq!(world.counts().await.entra, 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn both_loopback_families_are_served_on_one_port() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let port = sidecar.tokens().port();
    for at in sidecar.addresses() {
        assert!(at.ip().is_loopback() && at.port() == port, "{at}");
        let request = sidecar.app_service(VAULT).with("Host", at.to_string());
        let reply = http::send(*at, &request.bytes()).await.unwrap();
        assert_eq!(reply.status, 200, "{at}: {reply:?}");
        world.secrets().add(&reply.member("access_token"));
    }
    if !sidecar.addresses().iter().any(std::net::SocketAddr::is_ipv6) {
        println!("skipped: this machine has no ::1");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let request = sidecar.app_service(VAULT).bytes();
    let mut connection = http::Connection::open(sidecar.tokens()).await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        connection.send(&request).await;
        tokens.push(connection.receive().await.unwrap().member("access_token"));
    }
    // Two requests at once are answered in order.
    connection.send(&[request.clone(), request].concat()).await;
    for _ in 0..2 {
        tokens.push(connection.receive().await.unwrap().member("access_token"));
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn least_lifetimes_are_honoured_by_the_native_protocol() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let good = sidecar.native(VAULT);
    assert_eq!(sidecar.send(&good).await.status, 200);
    // A new token would hardly live longer than the one that is held.
    let reply = sidecar.send(&good.clone().more("&min_ttl=3598")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(world.counts().await.entra, 1);
    let reply = sidecar.send(&good.more("&min_ttl=soon")).await;
    assert_eq!((reply.status, reply.reason()), (400, "min_ttl"));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_protocol_that_is_closed_says_so_and_yields_nothing() {
    let world = World::start().await;
    let sidecar = crate::sidecar_with(&world, |it| it.unset("CAMBIST_PROTOCOLS")).await;
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    assert_eq!(sidecar.send(&sidecar.native(VAULT)).await.status, 200);
    let closed = sidecar.send(&sidecar.imds(VAULT)).await;
    assert_eq!((closed.status, closed.reason()), (403, "protocol_closed"), "{closed:?}");
    assert!(closed.member("message").contains("CAMBIST_PROTOCOLS"), "{closed:?}");
    sidecar.stop().await;

    let sidecar = crate::sidecar_with(&world, |it| it.unset("IDENTITY_HEADER")).await;
    assert_eq!(sidecar.send(&sidecar.imds(VAULT)).await.status, 200);
    for closed in [sidecar.app_service(VAULT), sidecar.native(VAULT)] {
        let closed = sidecar.send(&closed).await;
        assert_eq!((closed.status, closed.reason()), (403, "protocol_closed"), "{closed:?}");
        assert!(closed.member("message").contains("IDENTITY_HEADER"), "{closed:?}");
    }
    sidecar.stop().await;
}

/// `cambist-sim up`, `. D/env`, `cambist-sidecar`, and then what `curl` would send.
#[tokio::test]
async fn the_two_programs_and_a_shell_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let sim = Program::new(SIM).args(&["up", "--dir", at]).spawn();
    sim.line("the simulator's words", |line| line.contains("env").then_some(())).await;
    let path = std::path::PathBuf::from(at).join("env");
    let env = kit::eventually("the file to source", async || {
        std::fs::read_to_string(&path).ok().filter(|text| text.contains("SIM_ADMIN"))
    })
    .await;
    let value = |name: &str| {
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='")));
        line.unwrap_or_else(|| panic!("no {name} in {env}")).trim_end_matches('\'').to_owned()
    };

    let script = ". \"$1/env\" && exec \"$2\"";
    let shell = Program::new("/bin/sh").args(&["-c", script, "sh", at, SIDECAR]);
    let shell = shell.set("CAMBIST_LISTEN", "0").set("CAMBIST_ADMIN_LISTEN", "0").spawn();
    let at = shell
        .line("where it serves", |line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            line["tokens"].as_str()?.split(',').next()?.parse::<std::net::SocketAddr>().ok()
        })
        .await;
    let head = format!("Host: {at}\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n");
    let asked = format!(
        "GET /msi/token?api-version=2019-08-01&resource={VAULT} HTTP/1.1\r\n{head}\
         X-IDENTITY-HEADER: {}\r\n\r\n",
        value("IDENTITY_HEADER")
    );
    let secrets = Secrets::default();
    let reply = http::send(at, asked.as_bytes()).await.unwrap();
    assert_granted(&reply, &value("AZURE_CLIENT_ID"), VAULT);
    secrets.add(&reply.member("access_token"));
    let without_secret = format!(
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource={VAULT} \
         HTTP/1.1\r\n{head}Metadata: true\r\n\r\n"
    );
    let closed = http::send(at, without_secret.as_bytes()).await.unwrap();
    assert_eq!(closed.reason(), "protocol_closed", "{closed:?}");
    let misspelt = format!(
        "GET /msi/token?api-version=2019-08-01&resource=https://vault.azure.com HTTP/1.1\r\n{head}\
         X-IDENTITY-HEADER: {}\r\n\r\n",
        value("IDENTITY_HEADER")
    );
    let refused = http::send(at, misspelt.as_bytes()).await.unwrap();
    assert_eq!(refused.reason(), "entra_resource_unknown", "{refused:?}");
    let remedy = "start with --resource \"https://vault.azure.com\"";
    sim.line("how to make it known", |line| line.contains(remedy).then_some(())).await;
    shell.signal(rustix::process::Signal::TERM);
    let ended = shell.ended().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(!ended.output().contains("imds is open"), "{ended:?}");
    secrets.add(&value("IDENTITY_HEADER"));
    secrets.assert_absent("the sidecar's output", &ended.output());
    sim.signal(rustix::process::Signal::TERM);
    assert_eq!(sim.ended().await.code(), Some(0));
    for name in ["env", "app.env"] {
        assert!(!dir.path().join(name).exists(), "{name} has the secret");
    }
}

/// Times are told by the wall clock of the machine, which is the app's, too.
#[tokio::test]
async fn times_are_those_of_the_machine() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let reply = sidecar.token(VAULT).await;
    let number = |field| reply.member(field).parse::<u64>().unwrap();
    let file = world.dir().join("now");
    std::fs::write(&file, "").unwrap();
    let now = std::fs::metadata(&file).unwrap().modified().unwrap();
    let now = now.duration_since(UNIX_EPOCH).unwrap();
    let told = Duration::from_secs(number("not_before"));
    assert!(now.abs_diff(told) < Duration::from_secs(30), "{told:?} but it is {now:?}");
    sidecar.stop().await;
}

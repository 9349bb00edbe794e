//! The way to a cluster's token proxy, over real sockets on the loopback.

use std::fs;
use std::path::Path;

use super::network::{OK, Server, nobody};
use super::*;

const NAME: &str = "0123.ests.aks";
const ENTRA: &str = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token?x=y";

fn options(at: impl std::fmt::Display, trust: TokenProxyTrust) -> TokenProxyOptions {
    trusting(TokenProxyOptions::parse(&format!("https://{at}/binding")).unwrap(), trust)
}

fn trusting(mut options: TokenProxyOptions, trust: TokenProxyTrust) -> TokenProxyOptions {
    options.trust = trust;
    options
}

fn named(server: &Server) -> TokenProxyOptions {
    let trust = TokenProxyTrust::Bundle(server.ca.clone());
    options(server.address, trust).with_sni_name(NAME).unwrap()
}

async fn send(
    transport: &Transport,
    options: &TokenProxyOptions,
) -> Result<Response<Bytes>, TransportError> {
    let limits = AnswerLimits { max_body: 64, timeout: Duration::from_secs(20) };
    let url = options.url(&ENTRA.parse().unwrap());
    transport.send(Request::post(url).body(Bytes::new()).unwrap(), limits).await
}

async fn ask(options: TokenProxyOptions) -> Result<Response<Bytes>, TransportError> {
    send(&Transport::token_proxy(options.clone()).unwrap(), &options).await
}

#[tokio::test]
async fn a_request_carries_both_names_and_both_paths() {
    let mut server = Server::named(NAME, OK).await;
    assert_eq!(ask(named(&server)).await.unwrap().body(), "ok");
    let heard = server.heard.recv().await.unwrap();
    assert_eq!(heard.sni.as_deref(), Some(NAME));
    let head = heard.head.to_ascii_lowercase();
    assert!(head.starts_with("post /binding/tenant/oauth2/v2.0/token?x=y http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", server.address)), "{head}");
    assert_eq!(head.matches("host:").count(), 1, "{head}");
    assert!(!head.contains(NAME), "{head}");
}

#[tokio::test]
async fn without_a_name_of_its_own_it_goes_by_its_host() {
    let mut server = Server::named("localhost", OK).await;
    let at = format!("localhost:{}", server.address.port());
    let trust = TokenProxyTrust::Bundle(server.ca.clone());
    assert_eq!(ask(options(&at, trust)).await.unwrap().status(), 200);
    let heard = server.heard.recv().await.unwrap();
    assert_eq!(heard.sni.as_deref(), Some("localhost"));
    assert!(heard.head.to_ascii_lowercase().contains(&format!("\r\nhost: {at}\r\n")));
}

#[tokio::test]
async fn whatever_a_request_names_it_goes_to_the_proxy() {
    let mut server = Server::named("localhost", OK).await;
    let at = format!("localhost:{}", server.address.port());
    let trust = TokenProxyTrust::Bundle(server.ca.clone());
    let transport = Transport::token_proxy(options(&at, trust)).unwrap();
    let limits = AnswerLimits { max_body: 64, timeout: Duration::from_secs(20) };
    let request = Request::post("https://elsewhere.invalid/path").body(Bytes::new()).unwrap();
    assert_eq!(transport.send(request, limits).await.unwrap().status(), 200);
    let heard = server.heard.recv().await.unwrap();
    assert!(heard.head.to_ascii_lowercase().contains(&format!("\r\nhost: {at}\r\n")));
}

#[tokio::test]
async fn a_host_is_looked_up_though_the_handshake_names_another() {
    let server = Server::named(NAME, OK).await;
    let at = format!("localhost:{}", server.address.port());
    let trust = TokenProxyTrust::Bundle(server.ca.clone());
    let options = options(at, trust).with_sni_name(NAME).unwrap();
    assert_eq!(ask(options).await.unwrap().status(), 200);
}

#[tokio::test]
async fn another_name_and_another_authority_are_refused_each_with_its_fix() {
    let server = Server::named("other.ests.aks", OK).await;
    let error = ask(named(&server)).await.unwrap_err();
    assert_eq!(error.reason().as_str(), "token_proxy_tls", "{error}");
    for word in [&server.address.to_string(), "AZURE_KUBERNETES_SNI_NAME", NAME, "other.ests.aks"] {
        assert!(error.to_string().contains(word), "{word} is not in {error}");
    }
    // The certificate is for the address alone: the name it goes by must be there, too.
    let server = Server::named("127.0.0.1", OK).await;
    assert_eq!(ask(named(&server)).await.unwrap_err().reason().as_str(), "token_proxy_tls");

    let (server, stranger) = (Server::named(NAME, OK).await, Server::named(NAME, OK).await);
    for trust in [TokenProxyTrust::Bundle(stranger.ca.clone()), TokenProxyTrust::Platform] {
        let error = ask(trusting(named(&server), trust)).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "token_proxy_untrusted", "{error}");
        assert!(error.to_string().contains("AZURE_KUBERNETES_CA_FILE"), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_is_named() {
    let server = Server::named(NAME, OK).await;
    let at = nobody().await;
    // No name server is asked for a label of more than 63 letters.
    let nowhere = format!("{}.example", "x".repeat(64));
    for at in [at.to_string(), nowhere] {
        let trust = TokenProxyTrust::Bundle(server.ca.clone());
        let error = ask(options(&at, trust).with_sni_name(NAME).unwrap()).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "token_proxy_unreachable", "{error}");
        assert!(error.to_string().starts_with(&format!("the token proxy {at}: ")), "{error}");
        assert!(error.to_string().contains("AZURE_KUBERNETES_TOKEN_PROXY"), "{error}");
    }
}

#[tokio::test]
async fn a_ca_file_is_taken_up_when_it_changes_and_kept_while_it_is_broken() {
    let (server, stranger) = (Server::named(NAME, OK).await, Server::named(NAME, OK).await);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.crt");
    fs::write(&file, &stranger.ca_pem).unwrap();
    let options = trusting(named(&server), TokenProxyTrust::File(file.clone()));
    let transport = Transport::token_proxy(options.clone()).unwrap();
    let reason = async || {
        send(&transport, &options).await.map(|r| r.status()).map_err(|e| e.reason().as_str())
    };
    let (fine, untrusted) = (Ok(http::StatusCode::OK), Err("token_proxy_untrusted"));
    assert_eq!(reason().await, untrusted);
    fs::write(&file, &server.ca_pem).unwrap();
    assert_eq!(reason().await, fine);
    let half = &server.ca_pem[..server.ca_pem.len() / 2];
    for broken in ["", "no certificate at all", half] {
        fs::write(&file, broken).unwrap();
        assert_eq!(reason().await, fine, "{broken}");
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(reason().await, fine);
    fs::write(&file, format!("{}{}", stranger.ca_pem, server.ca_pem)).unwrap();
    assert_eq!(reason().await, fine);
    fs::write(&file, &stranger.ca_pem).unwrap();
    assert_eq!(reason().await, untrusted);
}

#[test]
fn at_the_start_a_ca_file_must_be_usable() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.crt");
    let trust = TokenProxyTrust::File(file.clone());
    for (content, word) in [(None, "does not exist"), (Some(""), "holds no certificate")] {
        content.iter().for_each(|content| fs::write(&file, content).unwrap());
        let error = Transport::token_proxy(options("proxy", trust.clone())).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(word) && error.contains("ca.crt"), "{error}");
    }
}

#[test]
fn urls_and_names_are_held_to_their_form() {
    for (good, url) in [
        ("https://proxy", "https://proxy/tenant/oauth2/v2.0/token?x=y"),
        ("https://proxy:443/", "https://proxy/tenant/oauth2/v2.0/token?x=y"),
        ("https://proxy:6443/a/b//", "https://proxy:6443/a/b/tenant/oauth2/v2.0/token?x=y"),
        ("HTTPS://[fd00::1]:6443", "https://[fd00::1]:6443/tenant/oauth2/v2.0/token?x=y"),
        ("https://proxy/a b", "https://proxy/a%20b/tenant/oauth2/v2.0/token?x=y"),
    ] {
        let options = TokenProxyOptions::parse(good).unwrap();
        assert_eq!(options.url(&ENTRA.parse().unwrap()).to_string(), url);
    }
    for (bad, word) in [
        ("", "no URL"),
        ("proxy:6443", "https"),
        ("http://proxy", "\"http\""),
        ("https://", "no URL"),
        ("https://user:s3cret@proxy", "password"),
        ("https://s3cret@proxy", "user"),
        ("https://proxy?", "query"),
        ("https://proxy/?s3cret", "query"),
        ("https://proxy/#s3cret", "fragment"),
        ("https://proxy:99999", "port"),
        ("https://proxy:0", "port 0"),
        (&*format!("https://proxy/{}", "x".repeat(1024)), "1024"),
    ] {
        let error = TokenProxyOptions::parse(bad).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains("s3cret"), "{bad}: {error}");
    }
    let proxy = TokenProxyOptions::parse("https://proxy:6443/x/").unwrap();
    let shown = proxy.clone().with_sni_name("A1.ests.AKS").unwrap().to_string();
    assert_eq!(shown, "https://proxy:6443/x (as a1.ests.aks)");
    let long = "a".repeat(64);
    for bad in [
        "", "a b", "10.0.0.1", "[::1]", "a.1", "0x7f.1", "name:443", "a/b", "u@a", "a?", "é", "-a",
        "a-", ".a", "*.a", &long,
    ] {
        assert!(proxy.clone().with_sni_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_ca_file_is_a_file_and_not_endless() {
    let read = |path: &Path| CaBundle::read(path).unwrap_err().to_string();
    let device = if cfg!(windows) { "NUL" } else { "/dev/zero" };
    assert_eq!(read(device.as_ref()), format!("{device} is a device, not a regular file"));
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("long.pem");
    fs::write(&long, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(read(&long).contains("has 1048577 bytes or more, and 1048576 at most"));
}

//! Over real sockets on the loopback: what reqwest does, and what its errors look like.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{RwLock, mpsc};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A TLS server that says the same thing to everybody and keeps what it was told.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) ca: CaBundle,
    pub(super) ca_pem: String,
    certificate: Bytes,
    pub(super) heard: mpsc::UnboundedReceiver<Heard>,
    /// Whoever has it to write keeps the server from answering.
    pub(super) hold: Arc<RwLock<()>>,
}

/// What a client said: the name in the TLS handshake, and a request's head.
pub(super) struct Heard {
    pub(super) sni: Option<String>,
    pub(super) head: String,
}

impl Server {
    async fn start(says: &'static str) -> Self {
        Self::named("127.0.0.1", says).await
    }

    pub(super) async fn named(name: &str, says: &'static str) -> Self {
        Self::of_names(vec![name.to_owned()], says, 1).await
    }

    /// One that never stops saying it.
    async fn endless(says: &'static str) -> Self {
        Self::of_names(vec!["127.0.0.1".to_owned()], says, usize::MAX).await
    }

    async fn of_names(names: Vec<String>, says: &'static str, times: usize) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        // Two authorities of the same name would not be strangers to each other.
        ca.distinguished_name.push(DnType::CommonName, format!("{:x?}", ca_key.public_key_raw()));
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let certificate = Bytes::copy_from_slice(leaf.der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        // It would rather speak HTTP/2, if only somebody offered it.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let hold = Arc::<RwLock<()>>::default();
        let held = hold.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, tell, held) = (acceptor.clone(), tell.clone(), held.clone());
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                    let sni = tls.get_ref().1.server_name().map(str::to_owned);
                    drop(tell.send(Heard { sni, head: head(&mut tls).await }));
                    drop(held.read().await);
                    for _ in 0..times {
                        if tls.write_all(says.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                    drop(tls.shutdown().await);
                });
            }
        });
        let ca = CaBundle::parse("ca.pem", ca_pem.as_bytes()).unwrap();
        Self { address, ca, ca_pem, certificate, heard, hold }
    }

    fn options(&self) -> HttpsOptions {
        let roots = vec![self.ca.clone()];
        HttpsOptions { roots, platform_roots: false, ..HttpsOptions::default() }
    }

    fn url(&self) -> String {
        format!("https://{}/path", self.address)
    }

    async fn ask(&self, options: HttpsOptions) -> Result<Response<Bytes>, TransportError> {
        ask(options, &self.url()).await
    }
}

async fn ask(options: HttpsOptions, url: &str) -> Result<Response<Bytes>, TransportError> {
    let limits = AnswerLimits { max_body: 64, timeout: Duration::from_secs(20) };
    let request = Request::get(url).body(Bytes::new()).unwrap();
    Transport::https(options).unwrap().send(request, limits).await
}

/// Reads up to the empty line that ends a request's head.
async fn head(from: &mut (impl AsyncRead + Unpin)) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && from.read(&mut byte).await.is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A proxy that lets `user:p@ss` through to wherever `to` is, and answers others with `refusal`.
async fn proxy(to: SocketAddr, refusal: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let head = head(&mut tcp).await.to_ascii_lowercase();
                // base64 of "user:p@ss"
                if !head.contains("proxy-authorization: basic dxnlcjpwqhnz\r\n") {
                    drop(tcp.write_all(refusal.as_bytes()).await);
                    return;
                }
                assert!(head.starts_with("connect "), "{head}");
                let mut there = TcpStream::connect(to).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut tcp, &mut there).await);
            });
        }
    });
    address
}

/// An address where nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=b\r\n\r\nok";

#[tokio::test]
async fn a_request_goes_out_as_it_is_and_a_redirect_comes_back() {
    let mut server = Server::start(OK).await;
    assert_eq!(server.ask(server.options()).await.unwrap().body(), "ok");
    let head = server.heard.recv().await.unwrap().head.to_ascii_lowercase();
    assert!(head.starts_with("get /path http/1.1\r\n"), "{head}");
    assert!(head.contains(concat!("user-agent: cambist/", env!("CARGO_PKG_VERSION"), "\r\n")));
    for absent in ["accept-encoding", "cookie", "referer", "authorization"] {
        assert!(!head.contains(absent), "{head}");
    }
    // Its own authority beside the platform's, however many those are.
    let both = HttpsOptions { platform_roots: true, ..server.options() };
    assert_eq!(server.ask(both).await.unwrap().status(), 200);

    let moved = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let mut server = Server::start(moved).await;
    assert_eq!(server.ask(server.options()).await.unwrap().status(), 302);
    assert!(server.heard.recv().await.is_some() && server.heard.try_recv().is_err());
}

#[tokio::test]
async fn a_response_tells_the_certificate_it_came_under_but_through_a_proxy() {
    let server = Server::start(OK).await;
    let address = proxy(server.address, "").await;
    let proxied = ProxyOptions::parse(&format!("http://user:p%40ss@{address}"), "").unwrap();
    let certificate = PeerCertificate(server.certificate.clone());
    // Should reqwest learn to tell it there too, the documentation is to say so.
    for (proxy, expected) in [(None, Some(&certificate)), (Some(proxied), None)] {
        let response = server.ask(HttpsOptions { proxy, ..server.options() }).await.unwrap();
        assert_eq!(response.extensions().get(), expected);
    }
}

#[tokio::test]
async fn bodies_are_capped_while_they_come_and_refusals_keep_their_status() {
    const LONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef!";
    let [cap, lost] = ["body_too_large", "connection_lost"];
    for (says, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n", Err(cap)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n41\r\nLONG\r\n0\r\n\r\n", Err(cap)),
        ("HTTP/1.1 200 OK\r\n\r\nLONG", Err(cap)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 64\r\n\r\nshort", Err(lost)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nsho", Err(lost)),
        ("HTTP/1.1 200 OK\r\ncontent-len", Err(lost)),
        ("", Err(lost)),
        ("SSH-2.0-OpenSSH_9.9\r\n", Err("not_http")),
        ("HTTP/1.1 503 x\r\ncontent-length: 64\r\n\r\nshort", Ok((503, 5))),
        ("HTTP/1.1 429 x\r\ncontent-length: 65\r\n\r\nLONG", Ok((429, 64))),
        ("HTTP/1.1 500 x\r\n\r\n", Ok((500, 0))),
    ] {
        let says = says.replace("LONG", LONG).leak();
        let server = Server::start(says).await;
        let answer = server.ask(server.options()).await;
        let answer = answer.map(|r| (r.status().as_u16(), r.body().len()));
        assert_eq!(
            answer.as_ref().map_err(|e| e.reason().as_str()),
            expected.as_ref().map_err(|e| *e),
            "{says}"
        );
    }
}

#[tokio::test]
async fn only_https_with_a_trusted_certificate_is_spoken() {
    let server = Server::start(OK).await;
    let plain = ask(server.options(), &format!("http://{}/", server.address)).await.unwrap_err();
    assert_eq!(plain.reason().as_str(), "not_https");

    let stranger = Server::start(OK).await;
    let error = server.ask(stranger.options()).await.unwrap_err();
    assert_eq!(error.reason().as_str(), "tls_untrusted", "{error}");
    assert!(error.to_string().starts_with(&server.address.to_string()), "{error}");

    let other = Server::named("other.example", OK).await;
    let error = other.ask(other.options()).await.unwrap_err();
    assert_eq!(error.reason().as_str(), "tls", "{error}");
    assert!(error.to_string().contains("is for \"other.example\", not for"), "{error}");
    let many = Server::of_names((0..2000).map(|n| format!("n{n}.example")).collect(), OK, 1).await;
    let error = many.ask(many.options()).await.unwrap_err();
    assert!(error.to_string().contains(" more, not for \"127.0.0.1\""), "{error}");
    assert!(error.to_string().len() < 500, "{error}");

    let url = format!("https://{}/", nobody().await);
    assert_eq!(ask(server.options(), &url).await.unwrap_err().reason().as_str(), "connect");
}

#[tokio::test]
async fn the_proxy_is_the_one_that_was_named() {
    // A name that only the proxy can make sense of.
    let server = Server::named("entra.test", OK).await;
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let demanding = proxy(server.address, refusal).await;
    let forbidding = proxy(server.address, "HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let nobody = nobody().await;
    let label = "x".repeat(64);
    for (url, expected) in [
        (format!("http://user:p%40ss@{demanding}"), Ok(200)),
        (format!("user:p%40ss@{demanding}"), Ok(200)),
        (format!("http://user:s3cret@{demanding}"), Err("proxy_auth_required")),
        (format!("http://{demanding}"), Err("proxy_auth_required")),
        (format!("http://user:s3cret@{forbidding}"), Err("proxy_refused")),
        (format!("http://user:s3cret@{nobody}"), Err("proxy_unreachable")),
        // No name server is asked for a label of more than 63 letters.
        (format!("http://user:s3cret@{label}.example:3128"), Err("proxy_unreachable")),
    ] {
        let proxy = Some(ProxyOptions::parse(&url, "localhost").unwrap());
        let answer = ask(HttpsOptions { proxy, ..server.options() }, "https://entra.test/").await;
        if let Err(error) = &answer {
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
        let answer = answer.map(|r| r.status().as_u16()).map_err(|e| e.reason().as_str());
        assert_eq!(answer, expected, "{url}");
    }
}

#[tokio::test]
async fn no_proxy_goes_around_the_proxy() {
    let server = Server::start(OK).await;
    let nobody = nobody().await;
    for (no_proxy, expected) in [
        ("", Err("proxy_unreachable")),
        ("other.example, 127.0.0.1", Ok(200)),
        ("127.0.0.0/8", Ok(200)),
        ("*", Ok(200)),
    ] {
        let proxy = Some(ProxyOptions::parse(&format!("http://{nobody}"), no_proxy).unwrap());
        let answer = server.ask(HttpsOptions { proxy, ..server.options() }).await;
        assert_eq!(answer.map(|r| r.status().as_u16()).map_err(|e| e.reason().as_str()), expected);
    }
}

#[tokio::test]
async fn a_proxy_that_opens_tls_is_recognised() {
    // The tunnel leads to somebody else, as an intercepting proxy's does.
    let (server, interceptor) = (Server::start(OK).await, Server::start(OK).await);
    let proxy = proxy(interceptor.address, "").await;
    let proxy = Some(ProxyOptions::parse(&format!("user:p%40ss@{proxy}"), "").unwrap());
    let error = server.ask(HttpsOptions { proxy, ..server.options() }).await.unwrap_err();
    assert_eq!(error.reason().as_str(), "tls_untrusted", "{error}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let options = HttpsOptions { platform_roots: false, ..HttpsOptions::default() };
    assert_eq!(Transport::https(options).unwrap_err(), TransportBuildError::NoRoots);
    let user_agent = "two\nlines".to_owned();
    let error = Transport::https(HttpsOptions { user_agent, ..HttpsOptions::default() });
    assert!(error.unwrap_err().to_string().contains("header value"));
    for (url, word) in [
        ("socks5://proxy:1080", "socks5"),
        ("http://user:s3cret@", "host"),
        ("http://user:s3cret@proxy:99999", "port"),
        ("", "host"),
    ] {
        let error = ProxyOptions::parse(url, "").unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn bundles_are_whole_or_refused() {
    let key = KeyPair::generate().unwrap();
    let pem = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let two = format!("# a comment\n{pem}\n{}\n{pem}", key.serialize_pem());
    let bundle = CaBundle::parse("/ca.pem", two.as_bytes()).unwrap();
    assert_eq!(format!("{bundle:?}"), r#"CaBundle { source: "/ca.pem", count: 2 }"#);

    let cut = &pem[..pem.len() / 2];
    let junk = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for (bad, word) in [
        (String::new(), "holds no certificate"),
        (key.serialize_pem(), "holds no certificate"),
        (format!("{pem}{cut}"), "certificate 2 is not readable"),
        (format!("{pem}{junk}"), "certificate 2 cannot be an authority"),
    ] {
        let error = CaBundle::parse("/ca.pem", bad.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(word) && error.starts_with("/ca.pem: "), "{error}");
    }
}

#[tokio::test]
async fn hints_without_end_end_with_the_time() {
    let server =
        Server::endless("HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n").await;
    let limits = AnswerLimits { max_body: 64, timeout: Duration::from_millis(500) };
    let request = Request::get(server.url()).body(Bytes::new()).unwrap();
    let error = Transport::https(server.options()).unwrap().send(request, limits).await;
    assert_eq!(error.unwrap_err().reason().as_str(), "timeout");
}

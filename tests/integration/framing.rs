//! Messages that are not HTTP as it should be, on both listeners.

use std::net::SocketAddr;

use kit::http::Connection;
use kit::sidecar::VAULT;
use kit::{Reply, Request, World};

use crate::sidecar;

type Cases = Vec<(&'static str, Vec<u8>)>;

/// A good request as text, to be changed where no [`Request`] can be.
struct Text(String);

impl Text {
    fn of(good: &Request) -> Self {
        Self(String::from_utf8(good.bytes()).unwrap())
    }

    /// With a line, or several, at the end of the head.
    fn line(&self, text: &str) -> Vec<u8> {
        self.0.replacen("\r\n\r\n", &format!("\r\n{text}\r\n\r\n"), 1).into_bytes()
    }

    /// With another first line.
    fn first(&self, text: &str) -> Vec<u8> {
        let (_, rest) = self.0.split_once("\r\n").unwrap();
        format!("{text}\r\n{rest}").into_bytes()
    }

    /// With something before its first line.
    fn after(&self, text: &str) -> Vec<u8> {
        format!("{text}{}", self.0).into_bytes()
    }
}

/// Where one of these ends, and the next begins, two parties may be of two minds.
fn doubtful(good: &Request) -> Cases {
    let hidden = good.bytes();
    let hidden_length = hidden.len().to_string();
    let text = Text::of(good);
    let (line, first) = (|it: &str| text.line(it), |it: &str| text.first(it));
    let path = good.path();
    let chunked = |size: &str| {
        let chunk = format!("{size}\r\nabcde\r\n0\r\n\r\n");
        good.clone().header("Transfer-Encoding", "chunked").body(chunk.as_bytes()).bytes()
    };
    vec![
        ("a body", good.clone().header("Content-Length", &hidden_length).body(&hidden).bytes()),
        (
            "both lengths",
            good.clone()
                .header("Content-Length", &hidden_length)
                .header("Transfer-Encoding", "chunked")
                .body(b"0\r\n\r\n")
                .bytes(),
        ),
        ("two lengths", line("Content-Length: 0\r\nContent-Length: 5")),
        ("a list of lengths", line("Content-Length: 0, 5")),
        ("a signed length", line("Content-Length: +0")),
        ("a negative length", line("Content-Length: -1")),
        ("a hexadecimal length", line("Content-Length: 0x0")),
        ("an octal length", line("Content-Length: 0o5")),
        ("a length with a blank in it", line("Content-Length: 1 0")),
        ("a length with an underscore", line("Content-Length: 1_0")),
        ("an empty length", line("Content-Length:")),
        ("a length of letters", line("Content-Length: five")),
        ("a huge length", line("Content-Length: 99999999999999999999")),
        ("an unknown coding", line("Transfer-Encoding: gzip")),
        ("an empty coding", line("Transfer-Encoding:")),
        ("chunked, not last", line("Transfer-Encoding: chunked, identity")),
        ("chunked twice", line("Transfer-Encoding: chunked, chunked")),
        ("two codings", line("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")),
        ("a quoted coding", line("Transfer-Encoding: \"chunked\"")),
        ("a coding that begins alike", line("Transfer-Encoding: chunkedx")),
        ("a disguised coding", line("Transfer-Encoding : chunked")),
        ("a coding behind a tab", line("Transfer-Encoding:\tchunked")),
        ("a coding before a form feed", line("Transfer-Encoding: chunked\x0c")),
        ("chunks", chunked("5")),
        ("a negative chunk", chunked("-5")),
        ("a chunk in hexadecimal", chunked("0x5")),
        ("a huge chunk", chunked("fffffffffffffffff")),
        ("a chunk with an extension", chunked("5;a=\n")),
        ("chunks in HTTP/1.0", {
            let old = good.clone().version("HTTP/1.0");
            old.header("Transfer-Encoding", "chunked").body(b"0\r\n\r\n").bytes()
        }),
        ("a blank before the colon", line("X-Any : 1")),
        ("a tab before the colon", line("X-Any\t: 1")),
        ("a folded header", line("X-Any: 1\r\n Content-Length: 5")),
        ("a folded first header", first(&format!("GET {path} HTTP/1.1\r\n X-Any: 1"))),
        ("a header without a colon", line("nonsense")),
        ("a header without a name", line(": 1")),
        ("a name with a parenthesis", line("X(Any): 1")),
        ("a name with a byte above 127", line("X-\u{e4}: 1")),
        ("a NUL in a header", line("X-Any: \0")),
        ("a NUL in a name", line("X-\0: 1")),
        ("an escape in a header", line("X-Any: \x1b[2J")),
        ("a lone CR in a header", line("X-Any: 1\rX-Other: 2")),
        ("lines that end in CR alone", text.0.replace("\r\n", "\r").into_bytes()),
        ("no version", first(&format!("GET {path}"))),
        ("a version of its own", first(&format!("GET {path} HTTP/1.2"))),
        ("another version", first(&format!("GET {path} HTTP/3.0"))),
        ("a version of one number", first(&format!("GET {path} HTTP/1"))),
        ("a version of long numbers", first(&format!("GET {path} HTTP/01.01"))),
        ("a version with a blank", first(&format!("GET {path} HTTP/ 1.1"))),
        ("a lower-case version", first(&format!("GET {path} http/1.1"))),
        ("a blank in the target", first(&format!("GET {path} ?a=b HTTP/1.1"))),
        ("two blanks after the method", first(&format!("GET  {path} HTTP/1.1"))),
        ("a tab after the method", first(&format!("GET\t{path} HTTP/1.1"))),
        ("a blank after the version", first(&format!("GET {path} HTTP/1.1 "))),
        ("a NUL in the target", first(&format!("GET {path}\0 HTTP/1.1"))),
        ("a control in the target", first(&format!("GET {path}\x7f HTTP/1.1"))),
        ("a target without a slash", first("GET \\live HTTP/1.1")),
        ("no target", first("GET HTTP/1.1")),
        ("no method", first(&format!(" {path} HTTP/1.1"))),
        ("a method with a slash", first(&format!("G/ET {path} HTTP/1.1"))),
        ("a blank line with blanks before it", text.after(" \r\n")),
        ("a header before it", text.after("X-Any: 1\r\n")),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n".to_vec()),
        ("too long a head", line(&format!("X-Any: {}", "x".repeat(64 * 1024)))),
        ("too many headers", line(&vec!["X-Any: 1"; 2000].join("\r\n"))),
        ("too long a target", first(&format!("GET {path}&a={} HTTP/1.1", "x".repeat(64 * 1024)))),
        ("too long a method", first(&format!("{} {path} HTTP/1.1", "G".repeat(64 * 1024)))),
    ]
}

/// Clear as messages, and not what may be asked.
fn wrong(good: &Request, at: SocketAddr) -> Cases {
    let text = Text::of(good);
    let path = good.path();
    let host = |host: &str| good.clone().with("Host", host).bytes();
    let mut cases = vec![
        ("no host", good.clone().without("Host").bytes()),
        ("no host, empty", host("")),
        ("two hosts", good.clone().header("Host", "evil.example").bytes()),
        ("the host twice", good.clone().header("Host", at.to_string()).bytes()),
        ("a rebound host", host(&format!("evil.example:{}", at.port()))),
        ("a host with a user", host(&format!("user@{at}"))),
        ("a host with a path", host(&format!("{at}/live"))),
        ("a list of hosts", host(&format!("{at}, {at}"))),
        ("a host with too long a port", host("127.0.0.1:99999")),
        ("a host with a blank", host("127.0.0.1 evil.example")),
        (
            "another host in the target",
            text.first(&format!("GET http://evil.example{path} HTTP/1.1")),
        ),
        ("an asterisk", text.first("GET * HTTP/1.1")),
        ("an authority", text.first(&format!("CONNECT {at} HTTP/1.1"))),
        ("an absolute path twice", text.first(&format!("GET /{path} HTTP/1.1"))),
        ("a path through another", text.first(&format!("GET /x/..{path} HTTP/1.1"))),
        ("an encoded slash", text.first(&format!("GET /%2f{} HTTP/1.1", &path[1..]))),
        ("a backslash", text.first(&format!("GET \\{} HTTP/1.1", &path[1..]))),
        ("bytes above 127 in the path", text.first(&format!("GET {path}\u{e4} HTTP/1.1"))),
        ("an origin", good.clone().header("Origin", "https://evil.example").bytes()),
        ("a fetching page", good.clone().header("Sec-Fetch-Site", "cross-site").bytes()),
        ("a page's picture", good.clone().header("Sec-Fetch-Dest", "image").bytes()),
    ];
    for method in
        ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "GETT", "PROPFIND"]
    {
        cases.push((method, good.clone().method(method).header("Content-Length", "0").bytes()));
    }
    cases
}

/// Those that were granted, or after which the connection went on.
async fn not_ended(
    at: SocketAddr,
    cases: Cases,
    hidden: &[u8],
) -> Vec<(&'static str, Option<Reply>)> {
    let mut wrong = Vec::new();
    for (case, bytes) in cases {
        let mut connection = Connection::open(at).await.unwrap();
        // Whatever is taken for a second request must not be answered.
        connection.send(&[&bytes, hidden].concat()).await;
        let reply = connection.receive().await;
        let granted = reply.as_ref().is_some_and(|reply| reply.status < 400);
        if granted || connection.receive().await.is_some() || !connection.ends().await {
            wrong.push((case, reply));
        }
    }
    wrong
}

/// Those that were granted.
async fn granted(at: SocketAddr, cases: Cases) -> Vec<(&'static str, Option<Reply>)> {
    let mut wrong = Vec::new();
    for (case, bytes) in cases {
        let reply = kit::http::send(at, &bytes).await;
        if reply.as_ref().is_some_and(|reply| reply.status < 400) {
            wrong.push((case, reply));
        }
    }
    wrong
}

#[tokio::test]
async fn doubtful_framing_is_refused_and_ends_the_connection() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let good = sidecar.app_service(VAULT);
    assert_eq!(sidecar.send(&good).await.status, 200);
    let wrong = not_ended(sidecar.tokens(), doubtful(&good), &good.bytes()).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sidecar.send(&good).await.status, 200);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let (good, at) = (sidecar.app_service(VAULT), sidecar.tokens());
    let mut cases = wrong(&good, at);
    // Who forwards a port to the admin listener has another one there.
    let elsewhere = format!("127.0.0.1:{}", at.port() ^ 1);
    cases.push(("a host with another port", good.clone().with("Host", elsewhere).bytes()));
    let wrong = granted(at, cases).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sidecar.send(&good).await.status, 200);
    sidecar.stop().await;
}

/// The admin listener has no secret to ask for, and all the more reason to be exact.
#[tokio::test]
async fn the_admin_listener_has_the_same_front_door() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    for path in ["/live", "/metrics"] {
        let at = sidecar.admin();
        let good = Request::get(path).header("Host", at.to_string());
        let ask = async || kit::http::send(at, &good.bytes()).await.map(|reply| reply.status);
        assert_eq!(ask().await, Some(200));
        let mut found = not_ended(at, doubtful(&good), &good.bytes()).await;
        found.extend(granted(at, wrong(&good, at)).await);
        let found: Vec<_> =
            found.into_iter().map(|(case, it)| (case, it.map(|it| it.status))).collect();
        assert!(found.is_empty(), "{path}: {found:#?}");
        assert_eq!(ask().await, Some(200));
    }
    sidecar.stop().await;
}

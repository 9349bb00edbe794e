//! Messages whose end is in doubt.

use std::net::SocketAddr;

use kit::http::Connection;
use kit::sidecar::VAULT;
use kit::{Reply, Request, World};

use crate::sidecar;

/// A good request, badly framed in every way.
fn doubtful(good: &Request) -> Vec<(&'static str, Vec<u8>)> {
    let hidden = good.bytes();
    let hidden_length = hidden.len().to_string();
    let line = |text: &str| {
        let bytes = String::from_utf8(good.bytes()).unwrap();
        bytes.replacen("\r\n\r\n", &format!("\r\n{text}\r\n\r\n"), 1).into_bytes()
    };
    let first = |text: &str| {
        let bytes = String::from_utf8(good.bytes()).unwrap();
        let (_, rest) = bytes.split_once("\r\n").unwrap();
        format!("{text}\r\n{rest}").into_bytes()
    };
    let path = good.path();
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
        ("a signed length", line("Content-Length: +0")),
        ("a negative length", line("Content-Length: -1")),
        ("a hexadecimal length", line("Content-Length: 0x0")),
        ("a huge length", line("Content-Length: 99999999999999999999")),
        ("an unknown coding", line("Transfer-Encoding: gzip")),
        ("chunked, not last", line("Transfer-Encoding: chunked, identity")),
        ("a disguised coding", line("Transfer-Encoding : chunked")),
        ("a coding behind a tab", line("Transfer-Encoding:\tchunked")),
        ("a blank before the colon", line("X-Any : 1")),
        ("a folded header", line("X-Any: 1\r\n Content-Length: 5")),
        ("a header without a colon", line("nonsense")),
        ("a header without a name", line(": 1")),
        ("a NUL in a header", line("X-Any: \0")),
        ("a lone CR in a header", line("X-Any: 1\rX-Other: 2")),
        ("no version", first(&format!("GET {path}"))),
        ("a version of its own", first(&format!("GET {path} HTTP/1.2"))),
        ("another version", first(&format!("GET {path} HTTP/3.0"))),
        ("a lower-case version", first(&format!("GET {path} http/1.1"))),
        ("a blank in the target", first("GET /msi/token ?a=b HTTP/1.1")),
        ("a NUL in the target", first(&format!("GET {path}\0 HTTP/1.1"))),
        ("a target without a slash", first("GET \\msi\\token HTTP/1.1")),
        ("no target", first("GET HTTP/1.1")),
        ("no method", first(&format!(" {path} HTTP/1.1"))),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n".to_vec()),
        ("too long a head", line(&format!("X-Any: {}", "x".repeat(64 * 1024)))),
        ("too many headers", line(&vec!["X-Any: 1"; 2000].join("\r\n"))),
        ("too long a target", first(&format!("GET {path}&a={} HTTP/1.1", "x".repeat(64 * 1024)))),
    ]
}

/// The cases that were answered as if they were in order, or whose connection went on.
async fn taken_in(at: SocketAddr, good: &Request) -> Vec<(&'static str, Option<Reply>)> {
    let mut wrong = Vec::new();
    for (case, bytes) in doubtful(good) {
        let mut connection = Connection::open(at).await.unwrap();
        // Whatever is taken for a second request must not be answered.
        connection.send(&[bytes, good.bytes()].concat()).await;
        let reply = connection.receive().await;
        let granted = reply.as_ref().is_some_and(|reply| reply.status < 400);
        if granted || connection.receive().await.is_some() || !connection.ends().await {
            wrong.push((case, reply));
        }
    }
    wrong
}

/// What is not HTTP as it should be is refused and ends the connection: where one message ends is
/// where the next begins, and nobody may be of two minds about that.
#[tokio::test]
async fn doubtful_framing_is_refused_and_ends_the_connection() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    let good = sidecar.app_service(VAULT);
    assert_eq!(sidecar.send(&good).await.status, 200);
    let wrong = taken_in(sidecar.tokens(), &good).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sidecar.send(&good).await.status, 200);

    let live = Request::get("/live").header("Host", sidecar.admin().to_string());
    let wrong = taken_in(sidecar.admin(), &live).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sidecar.ask_admin("/live").await.status, 200);
    sidecar.stop().await;
}

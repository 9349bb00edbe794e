//! A bare hyper responder: what answering a request costs before anything is decided about it.
//!
//! `ref-hyper BODY-BYTES ['name: value' ...]` listens on a free port of 127.0.0.1, prints the
//! address, and answers everything with the same body and headers until it is killed.

use std::convert::Infallible;
use std::io::{Write as _, stdout};
use std::net::Ipv4Addr;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Header = (HeaderName, HeaderValue);

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let size = args.next().context("no body size")?.parse()?;
    let body = Bytes::from(vec![b'x'; size]);
    let headers = args.map(header).collect::<anyhow::Result<Vec<_>>>()?;
    // The sidecar's kind of runtime; one thread, because both are pinned to one CPU.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // In a task, as the sidecar does: what `block_on` runs is not on a worker.
    runtime.block_on(async { tokio::spawn(serve(body, headers)).await? })
}

/// A header as cheap as a constant is.
fn header(line: String) -> anyhow::Result<Header> {
    let (name, value) = line.leak().split_once(": ").context("a header is 'name: value'")?;
    let value = Bytes::from_static(value.as_bytes());
    Ok((name.parse()?, HeaderValue::from_maybe_shared(value)?))
}

async fn serve(body: Bytes, headers: Vec<Header>) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (body, headers) = (body.clone(), headers.clone());
        tokio::spawn(async move {
            let service = service_fn(move |_| {
                let mut response = Response::new(Full::new(body.clone()));
                response.headers_mut().extend(headers.iter().cloned());
                async move { Ok::<_, Infallible>(response) }
            });
            // A client that hangs up is no event.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

//! A CONNECT proxy that wants a name and a password, as many sites have one at their edge.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::listen::accept;
use crate::lock;
use crate::random;

const USER: &str = "sim";

/// Tunnels to loopback addresses only, for whoever knows the password. Clones are the same proxy.
#[derive(Clone)]
pub(super) struct Proxy(Arc<Inner>);

struct Inner {
    password: String,
    opened: AtomicU64,
    refused: AtomicU64,
    tunnels: Mutex<JoinSet<()>>,
}

/// What the proxy was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProxyCounts {
    /// Tunnels opened.
    pub opened: u64,
    /// Requests refused, most for want of a password.
    pub refused: u64,
}

impl Proxy {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            password: random::hex::<16>(),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            tunnels: Mutex::default(),
        }))
    }

    /// The value of `HTTPS_PROXY`, credentials included.
    pub(super) fn url(&self, at: SocketAddr) -> String {
        format!("http://{USER}:{}@{at}", self.0.password)
    }

    pub(super) fn counts(&self) -> ProxyCounts {
        ProxyCounts {
            opened: self.0.opened.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn serve(self, listener: TcpListener) {
        accept(listener, |stream| self.clone().connection(stream)).await;
    }

    async fn connection(self, stream: TcpStream) {
        let service = service_fn(|request| self.answer(request));
        // An error here is the client's going away.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(30))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let mut response = Response::new(Empty::new());
        *response.status_mut() = match self.tunnel(request).await {
            Ok(()) => {
                self.0.opened.fetch_add(1, Ordering::Relaxed);
                StatusCode::OK
            }
            Err(status) => {
                self.0.refused.fetch_add(1, Ordering::Relaxed);
                status
            }
        };
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let challenge = header::HeaderValue::from_static("Basic realm=\"cambist-sim\"");
            response.headers_mut().insert(header::PROXY_AUTHENTICATE, challenge);
        }
        Ok(response)
    }

    async fn tunnel(&self, request: Request<Incoming>) -> Result<(), StatusCode> {
        let known = format!("Basic {}", BASE64.encode(format!("{USER}:{}", self.0.password)));
        let said = request.headers().get(header::PROXY_AUTHORIZATION);
        if said.is_none_or(|said| said.as_bytes() != known.as_bytes()) {
            return Err(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        }
        if request.method() != Method::CONNECT {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let authority = request.uri().authority().ok_or(StatusCode::BAD_REQUEST)?;
        let port = authority.port_u16().ok_or(StatusCode::BAD_REQUEST)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let local = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !local {
            return Err(StatusCode::FORBIDDEN);
        }
        let mut server =
            TcpStream::connect((host, port)).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        let mut tunnels = lock(&self.0.tunnels);
        while tunnels.try_join_next().is_some() {}
        tunnels.spawn(async move {
            if let Ok(client) = hyper::upgrade::on(request).await {
                // Either end may hang up at any time.
                let mut client = TokioIo::new(client);
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
        Ok(())
    }
}

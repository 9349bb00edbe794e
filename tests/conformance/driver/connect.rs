//! Proxies: one that leads to the services whatever name is asked for, and one that is a trap.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::services::Service;

/// A listener on a free port of loopback, and where that is.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let at = listener.local_addr().expect("it is bound");
    (listener, at)
}

/// An address where nobody is, for as long as the socket lives: bound, so that it is nobody else's, and not listening,
/// so that it refuses.
pub(crate) fn silent() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
    let at = socket.local_addr().expect("it is bound");
    (socket, at)
}

/// Serves whoever comes, until it is dropped.
pub(crate) async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream));
        while connections.try_join_next().is_some() {}
    }
}

/// A proxy whose tunnels to any service of Azure's end at `services`; to others there is no way.
pub(crate) async fn tunnel(listener: TcpListener, services: SocketAddr) {
    accept(listener, move |stream| async move {
        let service = service_fn(move |request| open(request, services));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        drop(connection.with_upgrades().await);
    })
    .await;
}

async fn open(
    request: Request<Incoming>,
    services: SocketAddr,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let known = request.uri().host().and_then(Service::at).is_some();
    let mut response = Response::new(Empty::new());
    if request.method() != Method::CONNECT || !known {
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Ok(response);
    }
    let Ok(mut server) = TcpStream::connect(services).await else {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return Ok(response);
    };
    tokio::spawn(async move {
        if let Ok(client) = hyper::upgrade::on(request).await {
            // Either end may hang up at any time.
            drop(tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut server).await);
        }
    });
    Ok(response)
}

/// A proxy that no request for a token may reach. It forwards nothing and tells what it was shown.
#[derive(Debug)]
pub(crate) struct Trap {
    at: SocketAddr,
    caught: Arc<Mutex<Caught>>,
    _task: JoinSet<()>,
}

/// What fell into the trap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caught {
    /// Requests, by what they asked for: a URL, or HOST:PORT for a tunnel to there.
    pub(crate) targets: Vec<String>,
    /// Those that carried the header secret.
    pub(crate) secrets: u64,
}

impl Caught {
    /// Whether a request to this server was caught.
    pub(crate) fn on_the_way_to(&self, server: SocketAddr) -> bool {
        let url = format!("http://{server}/");
        self.targets.iter().any(|target| target.starts_with(&url))
    }

    /// Whether a tunnel to this server was asked for.
    pub(crate) fn tunnel_to(&self, server: SocketAddr) -> bool {
        self.targets.contains(&server.to_string())
    }
}

/// What a request to a proxy asks for. One client writes it as it would to the server.
fn target(request: &Request<Incoming>) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    match (request.method(), request.uri().host(), host) {
        (&Method::CONNECT, ..) | (_, Some(_), _) | (.., None) => request.uri().to_string(),
        (_, None, Some(host)) => format!("http://{host}{}", request.uri()),
    }
}

impl Trap {
    /// Sets it.
    pub(crate) async fn set() -> Self {
        let (listener, at) = listen().await;
        let caught = Arc::new(Mutex::new(Caught::default()));
        let shared = Arc::clone(&caught);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, move |stream| {
            let caught = Arc::clone(&shared);
            async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let mut caught = caught.lock().unwrap_or_else(PoisonError::into_inner);
                    caught.targets.push(target(&request));
                    let shown = ["x-identity-header", "secret"];
                    let shown = shown.iter().any(|name| request.headers().contains_key(*name));
                    caught.secrets += u64::from(shown);
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = StatusCode::FORBIDDEN;
                    std::future::ready(Ok::<_, Infallible>(response))
                });
                // No date: what a client shows of the answer is told on a page.
                let mut server = http1::Builder::new();
                let server = server.auto_date_header(false);
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            }
        }));
        Self { at, caught, _task: task }
    }

    /// Where it is.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// What has fallen into it so far.
    pub(crate) fn caught(&self) -> Caught {
        self.caught.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

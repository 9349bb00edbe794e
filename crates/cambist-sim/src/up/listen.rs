//! The issuer and Entra on real sockets.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::tls::{BY, HttpsClient};
use crate::fault::By;
use crate::world::{Answer, Side, Sim, plain};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may be idle, or take over a request's head.
const IDLE: Duration = Duration::from_secs(120);

/// One of the servers.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) sim: Sim,
    pub(super) side: Side,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) fetch: HttpsClient,
}

impl Server {
    pub(super) async fn serve(self, listener: TcpListener) {
        accept(listener, |stream| self.clone().connection(stream)).await;
    }

    async fn connection(self, stream: TcpStream) {
        // Small answers should not wait for each other.
        let _ = stream.set_nodelay(true);
        let handshake = TlsAcceptor::from(Arc::clone(&self.tls)).accept(stream);
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await else { return };
        let reset = AtomicBool::new(false);
        let service = service_fn(|request| self.answer(request, &reset));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            // Each request shows its own handshake, and meets the certificate there is.
            .keep_alive(self.side != Side::TokenProxy)
            .serve_connection(TokioIo::new(stream), service);
        let ended = (&mut connection).await;
        if ended.is_ok() {
            return;
        }
        let mut stream = connection.into_parts().io.into_inner();
        if reset.load(Ordering::Relaxed) {
            // Without this the peer would see an orderly end instead of a reset.
            let _ = stream.get_ref().0.set_zero_linger();
        } else {
            // So that a body cut short is noticed by HTTP, not by TLS. A peer that does not read may
            // not hold this up.
            let _ = tokio::time::timeout(HANDSHAKE, stream.shutdown()).await;
        }
    }

    async fn answer(
        &self,
        request: http::Request<Incoming>,
        reset: &AtomicBool,
    ) -> Result<http::Response<Outgoing>, io::Error> {
        let (head, body) = request.into_parts();
        let by = if head.headers.contains_key(BY) { By::Entra } else { By::Pod };
        let Ok(body) = Limited::new(body, self.side.max_body()).collect().await else {
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE).map(Outgoing::whole));
        };
        let request = http::Request::from_parts(head, body.to_bytes());
        match self.sim.answer(self.side, by, request, self.fetch.clone()).await {
            Answer::Whole(response) => Ok(response.map(Outgoing::whole)),
            Answer::Cut(response) => Ok(response.map(Outgoing::cut)),
            Answer::Reset => {
                reset.store(true, Ordering::Relaxed);
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }
}

/// Accepts for ever; what it accepted ends when it is dropped.
pub(super) async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream));
            }
            // Out of file descriptors, most likely: some may be free in a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// A body that may break off.
pub(super) struct Outgoing {
    data: Option<Bytes>,
    cut: Option<Cut>,
}

enum Cut {
    /// The data has been handed over, and must leave before the connection breaks.
    Flush,
    Break,
}

impl Outgoing {
    fn whole(data: Bytes) -> Self {
        Self { data: Some(data).filter(|data| !data.is_empty()), cut: None }
    }

    fn cut(data: Bytes) -> Self {
        Self { data: Some(data), cut: Some(Cut::Flush) }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.cut {
            None => Poll::Ready(None),
            Some(Cut::Flush) => {
                self.cut = Some(Cut::Break);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Cut::Break) => Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.cut.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match (&self.cut, &self.data) {
            (None, data) => {
                let length = data.as_ref().map_or(0, Bytes::len);
                hyper::body::SizeHint::with_exact(length as u64)
            }
            // The `Content-Length` header says otherwise, and that is the point.
            (Some(_), _) => hyper::body::SizeHint::default(),
        }
    }
}

//! The accept loop that nothing ends, and what runs on each connection.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio_rustls::TlsAcceptor;

use super::bind::BACKLOG;
use super::connections::Connections;
use super::peer::{Ends, Link};
use super::phase::Phase;
use super::stream::{Listener, Stream};
use super::tls::Certificate;
use crate::reply::Body;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The most bytes that a request's head may have, so that a slow client costs little.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// How long to leave `accept` alone after it failed for want of something.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Serves whoever connects until `stopped` says so; then those too who have connected by then.
pub(super) async fn accept<F, A>(
    listener: &Listener,
    connections: &Arc<Connections>,
    mut stopped: watch::Receiver<bool>,
    certificate: Option<Certificate>,
    answer: F,
) where
    F: Fn(&Arc<Link>, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let admit = async |(stream, ends): (Stream, Ends)| {
        if connections.room(ends.peer).await {
            let (answer, tls) = (answer.clone(), certificate.as_ref().map(Certificate::acceptor));
            connections.spawn(Link::new(ends), |phase| serve(stream, phase, tls, answer));
        }
    };
    let mut failures = 0u32;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // It is told by nobody any more only if the server is gone.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok(one) => {
                failures = 0;
                admit(one).await;
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of files or of memory. Ending here would end the sidecar for every app.
                if failures.is_multiple_of(100) {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                failures = failures.wrapping_add(1);
                connections.evict_unused();
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
    // The kernel has let them in, and resets them when the socket is closed: they may have asked already.
    for _ in 0..BACKLOG {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok(one) => admit(one).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => break,
            },
            () = yield_now() => break,
        }
    }
}

/// Whether a failed `accept` says something about the client alone.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn serve<F, A>(stream: Stream, phase: Arc<Phase>, tls: Option<TlsAcceptor>, answer: F)
where
    F: Fn(&Arc<Link>, Request<Incoming>) -> A,
    A: Future<Output = Response<Body>>,
{
    let service = {
        let phase = phase.clone();
        service_fn(move |request| {
            phase.busy();
            let (phase, answer) = (phase.clone(), answer(phase.link(), request));
            async move {
                let mut response = answer.await;
                if phase.idle() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD);
    // No timer of hyper's: it sets one for every request, and cannot tell an idle connection from a
    // slow one. `Connections` watches all of them at once.
    let stream = stream.watched(phase);
    let ended: Result<(), BoxError> = match tls {
        None => http.serve_connection(TokioIo::new(stream), service).await.map_err(Into::into),
        // Boxed, so that a connection is not as large as the rare case.
        Some(tls) => {
            let over_tls = Box::pin(async move {
                let stream = tls.accept(stream).await?;
                Ok(http.serve_connection(TokioIo::new(stream), service).await?)
            });
            over_tls.await
        }
    };
    if let Err(error) = ended {
        // Clients hang up; that is no event.
        tracing::trace!(%error, "a connection ended early");
    }
}

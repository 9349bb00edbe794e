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

use super::connections::Connections;
use super::peer::Link;
use super::phase::Phase;
use super::stream::{Listener, Stream};
use crate::reply::Body;

/// The most bytes that a request's head may have, so that a slow client costs little.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// How long to leave `accept` alone after it failed for want of something.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

pub(super) async fn accept<F, A>(listener: &Listener, connections: &Arc<Connections>, answer: F)
where
    F: Fn(&Arc<Link>, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let mut failures = 0u32;
    loop {
        match listener.accept().await {
            Ok((stream, ends)) => {
                failures = 0;
                if connections.room(ends.peer).await {
                    let answer = answer.clone();
                    connections.spawn(Link::new(ends), |phase| serve(stream, phase, answer));
                }
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
}

/// Whether a failed `accept` says something about the client alone.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn serve<F, A>(stream: Stream, phase: Arc<Phase>, answer: F)
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
    let stream = TokioIo::new(stream.watched(phase));
    if let Err(error) = http.serve_connection(stream, service).await {
        // Clients hang up; that is no event.
        tracing::trace!(%error, "a connection ended early");
    }
}

//! Listening: sockets, the accept loop that nothing ends, and the drain.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Listen;
use crate::reply::Body;

mod connections;
mod watched;

pub use connections::Gauges;

use connections::{Connections, Phase};
use watched::Watched;

/// The most bytes that a request's head may have, so that a slow client costs little.
const MAX_HEAD: usize = 16 * 1024;

/// How many clients may queue in the kernel while the sidecar is at its limit.
const BACKLOG: u32 = 4096;

/// How long to leave `accept` alone after it failed for want of something.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// How long connections may take, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once.
    pub connections: usize,
    /// From a request's first byte, or from the connection's first moment, to its head's last byte.
    pub head: Duration,
    /// Without a request, or without taking an answer.
    pub idle: Duration,
    /// While others wait for a place: how long an unused connection keeps its own.
    pub grace: Duration,
    /// From the call to stop to the last answer.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            grace: Duration::from_millis(100),
            // What is left of 5 seconds goes to the admin listener and the process' own end.
            drain: Duration::from_millis(4500),
        }
    }
}

impl Limits {
    /// The limits for a process that may have so many files open: `(token, admin)`. What the
    /// sidecar needs itself (the exchange, the token file, the listeners) is left over.
    pub fn for_descriptors(files: Option<u64>) -> (Self, Self) {
        const OWN: u64 = 64;
        const ADMIN: u64 = 16;
        let left = files.unwrap_or(u64::MAX).saturating_sub(OWN + ADMIN);
        let tokens = usize::try_from(left).unwrap_or(usize::MAX).clamp(16, 1024);
        let limits = |connections| Self { connections, ..Self::default() };
        (limits(tokens), limits(ADMIN as usize))
    }
}

/// Opens the token listener's sockets: one, or one for each loopback address there is.
///
/// # Errors
/// If the port is taken, or no address is there.
pub fn bind(listen: Listen) -> io::Result<Vec<TcpListener>> {
    match listen {
        Listen::One(at) => Ok(vec![open(at)?]),
        Listen::Both(0) => {
            // Any port that is free on both: the kernel picks one for the first address, and
            // somebody else may have it on the second.
            let mut last = io::Error::from(io::ErrorKind::AddrInUse);
            for _ in 0..16 {
                let first = open((Ipv4Addr::LOCALHOST, 0).into())?;
                let port = first.local_addr()?.port();
                match open((Ipv6Addr::LOCALHOST, port).into()) {
                    Ok(second) => return Ok(vec![first, second]),
                    Err(error) if is_absent(&error) => return Ok(vec![first]),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Listen::Both(port) => {
            let (mut listeners, mut absent) = (Vec::new(), None);
            for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
                match open(SocketAddr::new(ip, port)) {
                    Ok(listener) => listeners.push(listener),
                    Err(error) if is_absent(&error) => absent = Some(error),
                    Err(error) => return Err(error),
                }
            }
            match absent {
                Some(error) if listeners.is_empty() => Err(error),
                _ => Ok(listeners),
            }
        }
    }
}

/// Opens one listening socket.
///
/// # Errors
/// As the operating system says, with the address.
pub fn open(at: SocketAddr) -> io::Result<TcpListener> {
    let listening = || {
        let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for its predecessor's connections to time out.
        socket.set_reuseaddr(true)?;
        socket.bind(at)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error: io::Error| match is_absent(&error) {
        true => error,
        false => io::Error::new(error.kind(), format!("cannot listen on {at}: {error}")),
    })
}

/// Whether this machine has no such address: no IPv6, as a rule.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

/// Listeners at work, sharing one limit.
#[derive(Debug)]
pub struct Server {
    connections: Arc<Connections>,
    accepting: Vec<JoinHandle<()>>,
    sweeping: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Starts to serve. Must be called within a tokio runtime.
    pub fn start<F, A>(
        listeners: Vec<TcpListener>,
        limits: Limits,
        gauges: Gauges,
        answer: F,
    ) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let connections = Arc::new(Connections::new(limits, gauges));
        let (stop, stopped) = watch::channel(false);
        let accepting = listeners.into_iter().map(|listener| {
            let (connections, answer) = (connections.clone(), answer.clone());
            let mut stopped = stopped.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = accept(&listener, &connections, answer) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            })
        });
        let accepting = accepting.collect();
        let sweeper = connections.clone();
        let sweeping = tokio::spawn(async move { sweeper.sweep_for_ever().await });
        Self { connections, accepting, sweeping, stop }
    }

    /// Stops accepting, lets what is under way be answered, and ends. How many connections had to
    /// be cut off because they took longer than the limit.
    pub async fn drain(self) -> usize {
        // Nobody listens any more only if every loop has ended, which is what is wanted.
        let _ = self.stop.send(true);
        for task in self.accepting {
            // A loop that panicked has ended, too.
            let _ = task.await;
        }
        let cut = self.connections.drain().await;
        self.sweeping.abort();
        cut
    }
}

async fn accept<F, A>(listener: &TcpListener, connections: &Arc<Connections>, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let mut failures = 0u32;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                failures = 0;
                connections.room().await;
                let answer = answer.clone();
                connections.spawn(|phase| serve(stream, phase, answer));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of files or of memory. Ending here would end the sidecar for every app.
                if failures.is_multiple_of(100) {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                failures = failures.wrapping_add(1);
                connections.evict();
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

async fn serve<F, A>(stream: TcpStream, phase: Arc<Phase>, answer: F)
where
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<Body>>,
{
    // Answers are one small write each; without it some would wait for the client's delayed ACK.
    let _ = stream.set_nodelay(true);
    let service = {
        let phase = phase.clone();
        service_fn(move |request| {
            phase.busy();
            let (phase, answer) = (phase.clone(), answer(request));
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
    if let Err(error) = http.serve_connection(Watched::new(stream, phase), service).await {
        // Clients hang up; that is no event.
        tracing::trace!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;

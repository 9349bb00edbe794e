//! Listening: sockets, the accept loop that nothing ends, and the drain.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::reply::Body;

mod accept;
mod bind;
mod connections;
mod drain;
mod gauges;
mod peer;
mod phase;
mod places;
mod stream;
mod tls;
mod waiting;

pub use bind::{bind, open};
pub use gauges::{Gauges, ListenerGauges};
pub use peer::{Ends, Link, Peer};
pub(crate) use tls::{CERT_FILE, KEY_FILE, MAX_PEM, certificates};
pub use tls::{Certificate, CertificateFiles};
pub use waiting::{Place, Recalled, Waiting, Wanted};

use accept::accept;
use connections::Connections;
use places::Shares;
use stream::Listener;

/// How long those who have connected before the end wait for a place, if there is none.
const LAST_TO_COME: Duration = Duration::from_millis(250);

/// How long connections may take, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Connections open at once.
    pub connections: usize,
    /// Whether some of them are kept for the pod itself and for its node.
    pub kept: bool,
    /// From a request's first byte, or from the connection's first moment, to its head's last byte.
    pub head: Duration,
    /// Without a request, or without taking an answer.
    pub idle: Duration,
    /// While others wait for a place: how long an unused connection keeps its own. Less for those
    /// that never asked, while most that come are such.
    pub grace: Duration,
    /// From the call to stop to the moment when those who still wait are told that it is over.
    pub drain: Duration,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            connections: 1024,
            kept: false,
            head: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            grace: Duration::from_millis(100),
            // What is left of 5 seconds goes to the last answers, the admin listener and the
            // process' own end.
            drain: Duration::from_millis(4000),
        }
    }
}

impl Capacity {
    /// The limits for a process that may have so many files open: `(token, admin)`. What the
    /// sidecar needs itself (the exchange, the token file, the listeners) is left over.
    pub fn for_descriptors(files: Option<u64>) -> (Self, Self) {
        const OWN: u64 = 64;
        let files = files.unwrap_or(u64::MAX);
        let admin = (files / 8).clamp(16, 128);
        let tokens = files.saturating_sub(OWN + admin).clamp(16, 1024);
        let limits = |connections: u64, kept| Self {
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            kept,
            ..Self::default()
        };
        (limits(tokens, false), limits(admin, true))
    }

    /// How many may wait for an exchange at once: half of the connections, so that those who need not
    /// wait find a place.
    pub const fn waiting(&self) -> usize {
        self.connections / 2
    }

    /// How the places are shared out.
    const fn shares(&self) -> Shares {
        if self.kept { Shares::kept(self.connections) } else { Shares::open(self.connections) }
    }
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
    /// Starts to serve; `host` is the node's address, if it is known. Must be called within a tokio
    /// runtime.
    pub fn start<F, A>(
        listeners: Vec<TcpListener>,
        host: Option<IpAddr>,
        limits: Capacity,
        gauges: Gauges,
        answer: F,
    ) -> Self
    where
        F: Fn(&Arc<Link>, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_over(None, listeners, host, limits, gauges, answer)
    }

    /// As [`start`](Self::start), over TLS if there is a certificate: the handshake is part of what the first
    /// request's head may take.
    pub fn start_over<F, A>(
        certificate: Option<Certificate>,
        listeners: Vec<TcpListener>,
        host: Option<IpAddr>,
        limits: Capacity,
        gauges: Gauges,
        answer: F,
    ) -> Self
    where
        F: Fn(&Arc<Link>, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let connections = Arc::new(Connections::new(limits, gauges));
        let (stop, stopped) = watch::channel(false);
        let accepting = listeners.into_iter().map(|listener| {
            let listener = Listener::new(listener, host);
            let (connections, answer) = (connections.clone(), answer.clone());
            let (certificate, mut stopped) = (certificate.clone(), stopped.clone());
            tokio::spawn(async move {
                let accept = accept(&listener, &connections, stopped.clone(), certificate, answer);
                tokio::select! {
                    () = accept => {}
                    () = async {
                        // That nobody can tell any more is as good.
                        let _ = stopped.wait_for(|stopped| *stopped).await;
                        tokio::time::sleep(LAST_TO_COME).await;
                    } => {}
                }
            })
        });
        let accepting = accepting.collect();
        let sweeper = connections.clone();
        let sweeping = tokio::spawn(async move { sweeper.sweep_for_ever().await });
        Self { connections, accepting, sweeping, stop }
    }

    /// Stops accepting, but for who has connected by then, lets what is under way be answered, and ends. When the time for that is over
    /// it says so by `last_call`, for those to be answered who still wait. How many connections had
    /// to be cut off nevertheless.
    pub async fn drain(self, last_call: impl FnOnce()) -> usize {
        let end = Instant::now() + self.connections.limits.drain;
        let _closing = self.connections.closing();
        // Nobody listens any more only if every loop has ended, which is what is wanted.
        let _ = self.stop.send(true);
        for task in self.accepting {
            // A loop that panicked has ended, too.
            let _ = task.await;
        }
        let cut = self.connections.drain(end, last_call).await;
        self.sweeping.abort();
        cut
    }
}

#[cfg(test)]
mod tests;

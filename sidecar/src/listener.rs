//! Listening: sockets, the accept loop that nothing ends, and the drain.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::reply::Body;

mod accept;
mod bind;
mod connections;
mod peer;
mod stream;

pub use bind::{bind, open};
pub use connections::Gauges;
pub use peer::{Ends, Link, Peer};

use accept::accept;
use connections::Connections;
use stream::Listener;

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
        limits: Limits,
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

#[cfg(test)]
mod tests;

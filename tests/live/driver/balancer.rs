//! One address for several API servers: a balancer of TCP connections, by turns without a period.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A balancer that runs. Dropping it ends it and all that goes through it.
#[derive(Debug)]
pub(crate) struct Balancer {
    at: SocketAddr,
    backends: Arc<Mutex<Vec<SocketAddr>>>,
    _task: JoinSet<()>,
}

impl Balancer {
    /// On a free port of this address, and at another one besides, with nobody behind it yet.
    pub(crate) async fn start(ip: IpAddr, besides: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a port can be had");
        let at = listener.local_addr().expect("it is bound");
        let backends = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::clone(&backends)));
        if let Some(besides) = besides {
            let listener = TcpListener::bind(besides).await.expect("nobody else is there");
            task.spawn(serve(listener, Arc::clone(&backends)));
        }
        Self { at, backends, _task: task }
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// From now on these get the new connections. What is open stays so.
    pub(crate) fn set(&self, backends: Vec<SocketAddr>) {
        *self.backends.lock().unwrap_or_else(PoisonError::into_inner) = backends;
    }
}

/// Whose turn it is among so many: the digits of the turn in base two, added up (Thue and Morse's sequence). Plain turns
/// fall in step with what is asked at intervals, and somebody may then meet one server alone for as long as it takes.
fn place(turn: usize, among: usize) -> Option<usize> {
    usize::try_from(turn.count_ones()).ok()?.checked_rem(among)
}

async fn serve(listener: TcpListener, backends: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let chosen = {
            let backends = backends.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            place(turn, backends.len()).map(|place| backends[place])
        };
        // With nobody behind it, a connection ends as it does where nobody is well.
        let Some(chosen) = chosen else { continue };
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(chosen).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

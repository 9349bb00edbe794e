//! What lies between the browser and the sidecar's two ports: it hands on every byte as it is, keeps
//! what went by, and leads to the attacker's own server as long as that has the sidecar's name.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::wire::{Message, Reading};

/// One of the sidecar's ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Port {
    Tokens,
    Admin,
}

/// A request that came before the sidecar, and what it said to it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) port: Port,
    pub(crate) request: Message,
    /// `None` until there is one.
    pub(crate) answer: Option<Message>,
}

/// All that went by, in the order of the requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    kept: Arc<Mutex<Kept>>,
    /// Told of each answer.
    answers: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Kept {
    exchanges: Vec<Exchange>,
    unasked: Vec<Message>,
}

impl Log {
    /// What went by so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.kept().exchanges.clone()
    }

    /// What of it has this in its target.
    pub(crate) fn tagged(&self, tag: &str) -> Vec<Exchange> {
        let kept = self.kept();
        let ours = kept.exchanges.iter().filter(|exchange| exchange.request.first.contains(tag));
        ours.cloned().collect()
    }

    /// Waits until a request with this in its target has been answered.
    pub(crate) async fn answered(&self, tag: &str) {
        loop {
            let next = self.answers.notified();
            if self.tagged(tag).iter().any(|exchange| exchange.answer.is_some()) {
                return;
            }
            next.await;
        }
    }

    /// Answers to what nobody sent: the sidecar saw two requests where the browser sent one.
    pub(crate) fn unasked(&self) -> Vec<Message> {
        self.kept().unasked.clone()
    }

    /// Forgets all that went by.
    pub(crate) fn clear(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to one port.
#[derive(Debug)]
pub(crate) struct Relay {
    port: Port,
    at: SocketAddr,
    attacker_has_name: Arc<AtomicBool>,
    connections: Arc<Mutex<JoinSet<()>>>,
    _task: JoinSet<()>,
}

/// Where connections lead.
#[derive(Clone, Debug)]
struct Ends {
    port: Port,
    sidecar: SocketAddr,
    /// Another server, which is at the end of the way as long as it has the name.
    attacker: SocketAddr,
    attacker_has_name: Arc<AtomicBool>,
    log: Log,
}

impl Relay {
    /// Opens the way to `sidecar`.
    pub(crate) async fn open(
        port: Port,
        sidecar: SocketAddr,
        attacker: SocketAddr,
        log: Log,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let at = listener.local_addr().expect("it is bound");
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let attacker_has_name = Arc::<AtomicBool>::default();
        let has_name = Arc::clone(&attacker_has_name);
        let ends = Ends { port, sidecar, attacker, attacker_has_name: has_name, log };
        let mut task = JoinSet::new();
        let shared = Arc::clone(&connections);
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let ends = ends.clone();
                let serve = async move { drop(ends.serve(stream).await) };
                shared.lock().unwrap_or_else(PoisonError::into_inner).spawn(serve);
            }
        });
        Self { port, at, attacker_has_name, connections, _task: task }
    }

    /// Where it begins.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Rebinds the names that lead this way: to the attacker if that is to have `port`, else to the
    /// sidecar. Open connections end.
    pub(crate) fn rebind(&self, attackers: Option<Port>) {
        self.attacker_has_name.store(attackers == Some(self.port), Ordering::Relaxed);
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl Ends {
    async fn serve(self, mut browser: TcpStream) -> io::Result<()> {
        if self.attacker_has_name.load(Ordering::Relaxed) {
            let mut attacker = TcpStream::connect(self.attacker).await?;
            return tokio::io::copy_bidirectional(&mut browser, &mut attacker).await.map(drop);
        }
        let (from_browser, to_browser) = browser.into_split();
        let (from_sidecar, to_sidecar) = TcpStream::connect(self.sidecar).await?.into_split();
        let unanswered = Mutex::default();
        let asking = pass(from_browser, to_sidecar, |reading| self.asked(reading, &unanswered));
        let answering =
            pass(from_sidecar, to_browser, |reading| self.answered(reading, &unanswered));
        tokio::try_join!(asking, answering).map(drop)
    }

    fn asked(&self, reading: &mut Reading, unanswered: &Mutex<VecDeque<usize>>) {
        let mut kept = self.log.kept();
        while let Some(request) = reading.next(true) {
            unanswered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(kept.exchanges.len());
            kept.exchanges.push(Exchange { port: self.port, request, answer: None });
        }
    }

    fn answered(&self, reading: &mut Reading, unanswered: &Mutex<VecDeque<usize>>) {
        let mut kept = self.log.kept();
        let mut unanswered = unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let exchange = unanswered.front().and_then(|at| kept.exchanges.get_mut(*at));
            let is_head = exchange.is_some_and(|exchange| exchange.request.word(0) == "HEAD");
            let Some(answer) = reading.next(!is_head) else { return };
            match unanswered.pop_front().and_then(|at| kept.exchanges.get_mut(at)) {
                Some(exchange) => {
                    exchange.answer = Some(answer);
                    self.log.answers.notify_waiters();
                }
                None => kept.unasked.push(answer),
            }
        }
    }
}

/// Hands on every byte of one direction, once `see` has seen what of it can be read.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    see: impl Fn(&mut Reading),
) -> io::Result<()> {
    let (mut bytes, mut reading) = (vec![0; 16 * 1024], Reading::default());
    loop {
        let more = from.read(&mut bytes).await?;
        if more == 0 {
            return to.shutdown().await;
        }
        reading.feed(&bytes[..more]);
        see(&mut reading);
        to.write_all(&bytes[..more]).await?;
    }
}

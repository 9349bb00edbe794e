//! What a connection is doing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use super::connections::Connections;
use super::peer::Link;

/// What a connection is doing, and since when. Written by its own task for every request, so it is
/// one number.
#[derive(Debug)]
pub(super) struct Phase {
    connections: Arc<Connections>,
    link: Arc<Link>,
    state: AtomicU64,
    /// Whether it has been asked to leave.
    leaving: AtomicBool,
    /// Of its task, from the first time that it is read from.
    waker: OnceLock<Waker>,
}

/// It waits for us: a request is being answered, or the connection has just begun.
const BUSY: u64 = u64::MAX;
/// In the lowest bit: a request may begin (1) or has begun (0).
const IDLE: u64 = 1;
/// In the bit above: nothing was asked yet. Above it: since which millisecond.
const FRESH: u64 = 2;
const SINCE: u32 = 2;

/// What a connection is doing, for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It waits for us.
    Ours,
    /// We wait for the first thing that it asks.
    Nothing(Duration),
    /// We wait for the rest of a request's head.
    Head(Duration),
    /// We wait for it to ask again, or to take its answer.
    Idle(Duration),
}

impl Phase {
    pub(super) fn new(connections: Arc<Connections>, link: Link) -> Self {
        Self {
            connections,
            link: Arc::new(link),
            state: AtomicU64::new(BUSY),
            leaving: AtomicBool::new(false),
            waker: OnceLock::new(),
        }
    }

    /// The connection, for those who answer on it.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// A request has begun.
    pub(super) fn busy(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state != BUSY && state & FRESH == FRESH {
            self.connections.first_asked();
        }
        self.state.store(BUSY, Ordering::Relaxed);
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.state.load(Ordering::Relaxed) == BUSY
    }

    /// The answer is given. Whether it must be the connection's last.
    pub(super) fn idle(&self) -> bool {
        self.set(IDLE);
        // Who will ask no more is not waited for.
        self.connections.is_closing() || self.is_leaving() || self.link.has_hung_up()
    }

    /// The connection is read from for the first time: a request's head is awaited. Counted from
    /// here and not from `accept`, so that nobody is late only because this process was.
    pub(super) fn awaited(&self, waker: &Waker) {
        // A task has one for all its life.
        let _ = self.waker.set(waker.clone());
        self.set(FRESH);
    }

    /// Asks the connection to leave as soon as there is nothing left to be done for it. Its own task sees
    /// to that, and to nobody being sent away whose request is here already: what a client has sent is in
    /// the kernel long before anybody here has looked, when this process gets little of a CPU.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Whether it has been asked to leave.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Something came in: if nothing was under way, that is a request's first byte.
    pub(super) fn heard(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state != BUSY && state & IDLE == IDLE {
            self.set(0);
        }
    }

    fn set(&self, what: u64) {
        // Who sees it sees the waker.
        self.state.store(self.connections.millis() << SINCE | what, Ordering::Release);
    }

    pub(super) fn doing(&self) -> Doing {
        let state = self.state.load(Ordering::Acquire);
        if state == BUSY {
            return Doing::Ours;
        }
        let since = self.connections.millis().saturating_sub(state >> SINCE);
        let since = Duration::from_millis(since);
        match state & (IDLE | FRESH) {
            FRESH => Doing::Nothing(since),
            IDLE => Doing::Idle(since),
            _ => Doing::Head(since),
        }
    }

    /// How long we have been waiting for it, if we are.
    pub(super) fn unused_for(&self) -> Option<Duration> {
        match self.doing() {
            Doing::Ours => None,
            Doing::Nothing(since) | Doing::Head(since) | Doing::Idle(since) => Some(since),
        }
    }
}

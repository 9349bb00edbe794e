//! Which connections there are, what each is doing, and which has to go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Limits;

/// What is counted; shared with the metrics.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Connections open now.
    pub open: Gauge,
    /// Connections closed from this side, for being idle, slow, or in the way.
    pub evicted: Counter,
}

/// The connections of one server.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    gauges: Gauges,
    born: Instant,
    open: Mutex<HashMap<u64, Open>>,
    next: AtomicU64,
    /// Told when a connection ends, and when the first one begins.
    changed: Notify,
    /// Whether every connection must end with its next answer: somebody waits for a place, or the
    /// server is to stop.
    closing: AtomicBool,
}

#[derive(Debug)]
struct Open {
    phase: Arc<Phase>,
    /// None for the moment before it runs, in which nobody has a reason to end it.
    task: Option<AbortHandle>,
}

/// What a connection is doing, and since when. Written by its own task for every request, so it
/// is one number.
#[derive(Debug)]
pub(super) struct Phase {
    connections: Arc<Connections>,
    state: AtomicU64,
}

/// It waits for us: a request is being answered, or the connection has just begun.
const BUSY: u64 = u64::MAX;
/// In the lowest bit: a request may begin (1) or has begun (0). Above it: since which millisecond.
const IDLE: u64 = 1;

impl Phase {
    /// A request has begun.
    pub(super) fn busy(&self) {
        self.state.store(BUSY, Ordering::Relaxed);
    }

    /// The answer is given. Whether it must be the connection's last.
    pub(super) fn idle(&self) -> bool {
        self.state.store(self.connections.millis() << 1 | IDLE, Ordering::Relaxed);
        self.connections.closing.load(Ordering::Relaxed)
    }

    /// The connection is read from for the first time: a request's head is awaited. Counted from
    /// here and not from `accept`, so that nobody is late only because this process was.
    pub(super) fn awaited(&self) {
        self.state.store(self.connections.millis() << 1, Ordering::Relaxed);
    }

    /// Something came in: if nothing was under way, that is a request's first byte.
    pub(super) fn heard(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state != BUSY && state & IDLE == IDLE {
            self.state.store(self.connections.millis() << 1, Ordering::Relaxed);
        }
    }

    /// How long it has been waiting for the client, and whether in the middle of a request's head.
    fn waiting(&self) -> Option<(Duration, bool)> {
        let state = self.state.load(Ordering::Relaxed);
        if state == BUSY {
            return None;
        }
        let since = Duration::from_millis(self.connections.millis().saturating_sub(state >> 1));
        Some((since, state & IDLE == 0))
    }
}

/// Takes the connection off the list, however its task ends.
#[derive(Debug)]
struct Listed {
    connections: Arc<Connections>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.open().remove(&self.id);
        self.connections.gauges.open.dec();
        self.connections.changed.notify_waiters();
    }
}

impl Connections {
    pub(super) fn new(limits: Limits, gauges: Gauges) -> Self {
        Self {
            limits,
            gauges,
            born: Instant::now(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            changed: Notify::new(),
            closing: AtomicBool::new(false),
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX >> 1)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a connection's task and keeps it on the list until it ends.
    pub(super) fn spawn<F, T>(self: &Arc<Self>, task: F)
    where
        F: FnOnce(Arc<Phase>) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let phase = Arc::new(Phase { connections: self.clone(), state: AtomicU64::new(BUSY) });
        let task = task(phase.clone());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let listed = Listed { connections: self.clone(), id };
        self.gauges.open.inc();
        self.open().insert(id, Open { phase, task: None });
        // Not with the list locked: a runtime that is about to end drops the task here and now, and
        // the task takes itself off the list.
        let running = tokio::spawn(async move {
            let _listed = listed;
            task.await;
        });
        if let Some(one) = self.open().get_mut(&id) {
            one.task = Some(running.abort_handle());
        }
        self.changed.notify_waiters();
    }

    /// Returns once there is room for one more connection. Who waits longest without a request gives
    /// way, and as long as somebody waits here, every answer is its connection's last.
    pub(super) async fn room(&self) {
        while self.open().len() >= self.limits.connections {
            self.closing.store(true, Ordering::Relaxed);
            self.evict();
            self.change().await;
        }
        self.closing.store(false, Ordering::Relaxed);
    }

    /// Returns when a connection began or ended, or soon: what a connection is doing changes without
    /// a notice.
    async fn change(&self) {
        let _ = tokio::time::timeout(Duration::from_millis(25), self.changed.notified()).await;
    }

    /// Closes the connection that has waited longest, if any has waited for the grace time.
    pub(super) fn evict(&self) {
        let open = self.open();
        let waiting = open.values().filter_map(|one| Some((one.phase.waiting()?.0, &one.task)));
        let longest = waiting.filter(|(since, _)| *since >= self.limits.grace);
        let victim = longest.max_by_key(|(since, _)| *since).and_then(|(_, task)| task.clone());
        drop(open);
        self.abort(victim);
    }

    fn abort(&self, tasks: impl IntoIterator<Item = AbortHandle>) -> usize {
        let mut count = 0;
        for task in tasks {
            task.abort();
            count += 1;
        }
        self.gauges.evicted.inc_by(count);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Closes, for ever, whatever is idle or slow beyond its limit.
    pub(super) async fn sweep_for_ever(&self) {
        let pace = self.limits.head.min(self.limits.idle) / 5;
        loop {
            // Asked for before looking, so that no notice is missed in between.
            let changed = self.changed.notified();
            if self.open().is_empty() {
                // No connection, no timer: an idle sidecar sleeps.
                changed.await;
                continue;
            }
            tokio::time::sleep(pace).await;
            let over = |one: &Open| {
                one.phase.waiting().is_some_and(|(since, in_head)| {
                    since > if in_head { self.limits.head } else { self.limits.idle }
                })
            };
            let slow = self.waiting(over);
            self.abort(slow);
        }
    }

    fn waiting(&self, which: impl Fn(&Open) -> bool) -> Vec<AbortHandle> {
        self.open().values().filter(|one| which(one)).filter_map(|one| one.task.clone()).collect()
    }

    /// Ends all connections: idle ones now, the others with their answer, and those that take too
    /// long by force. How many that were.
    pub(super) async fn drain(&self) -> usize {
        self.closing.store(true, Ordering::Relaxed);
        let end = Instant::now() + self.limits.drain;
        // A moment for the request that is on its way in, and for the answer that is on its way out.
        let moment = self.limits.grace.min(Duration::from_millis(100));
        while Instant::now() < end {
            let idle = self.waiting(|one| one.phase.waiting().is_some_and(|(s, _)| s >= moment));
            self.abort(idle);
            if self.open().is_empty() {
                return 0;
            }
            self.change().await;
        }
        let late = self.waiting(|_| true);
        self.abort(late)
    }
}

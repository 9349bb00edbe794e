//! Which connections there are, what each is doing, and which has to go.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Limits;
use super::gauges::Gauges;
use super::peer::{Link, Peer};
use super::phase::{Doing, Phase};
use super::places::{Held, Patience, Room};

/// How long to wait at most before looking again: what a connection is doing changes without a
/// notice.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// The connections of one server.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) limits: Limits,
    gauges: Gauges,
    born: Instant,
    list: Mutex<List>,
    next: AtomicU64,
    /// Told when a connection ends, and when the first one begins.
    pub(super) changed: Notify,
    /// For how many reasons every connection must end with its next answer: somebody waits for a
    /// place, or the server is to stop.
    closing: AtomicUsize,
    /// How many connections have asked something.
    asked: AtomicU64,
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) open: HashMap<u64, Open>,
    patience: Patience,
}

#[derive(Debug)]
pub(super) struct Open {
    peer: Peer,
    pub(super) phase: Arc<Phase>,
    /// None for the moment before it runs.
    task: Option<AbortHandle>,
}

/// Takes the connection off the list, however its task ends.
#[derive(Debug)]
struct Listed {
    connections: Arc<Connections>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.list().open.remove(&self.id);
        self.connections.gauges.open.dec();
        self.connections.changed.notify_waiters();
    }
}

/// While it lives, every answer is its connection's last.
pub(super) struct Closing<'a>(&'a Connections);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.closing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    pub(super) fn new(limits: Limits, gauges: Gauges) -> Self {
        let patience = Patience::new(limits.grace);
        Self {
            limits,
            gauges,
            born: Instant::now(),
            list: Mutex::new(List { open: HashMap::new(), patience }),
            next: AtomicU64::new(0),
            changed: Notify::new(),
            closing: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
        }
    }

    /// The time since this server began, in milliseconds.
    pub(super) fn millis(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.millis())
    }

    /// Whether every answer has to be its connection's last.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed) > 0
    }

    /// A connection has asked for the first time.
    pub(super) fn first_asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closing(&self) -> Closing<'_> {
        self.closing.fetch_add(1, Ordering::Relaxed);
        Closing(self)
    }

    pub(super) fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a connection's task and keeps it on the list until it ends.
    pub(super) fn spawn<F, T>(self: &Arc<Self>, link: Link, task: F)
    where
        F: FnOnce(Arc<Phase>) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let peer = link.ends().peer;
        let phase = Arc::new(Phase::new(self.clone(), link));
        let task = task(phase.clone());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let listed = Listed { connections: self.clone(), id };
        self.gauges.open.inc();
        self.list().open.insert(id, Open { peer, phase, task: None });
        // Not with the list locked: a runtime that is about to end drops the task here and now, and
        // the task takes itself off the list.
        let running = tokio::spawn(async move {
            let _listed = listed;
            task.await;
        });
        if let Some(one) = self.list().open.get_mut(&id) {
            one.task = Some(running.abort_handle());
        }
        self.changed.notify_waiters();
    }

    /// Returns once there is room for a connection of `peer`, or with `false` if it has as many as it
    /// may have. As long as somebody waits here, every answer is its connection's last, and all that
    /// leave their places unused lose them.
    pub(super) async fn room(&self, peer: Peer) -> bool {
        let mut closing = None;
        loop {
            // Asked for before looking, so that no notice is missed in between.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let pace = {
                let mut list = self.list();
                let held = list.held(peer);
                match self.limits.shares().room(peer, held) {
                    Room::Free => return true,
                    Room::AtItsShare => return self.evict(&mut list, |one| one.peer == peer) > 0,
                    Room::Full => {}
                }
                let shares = self.limits.shares();
                self.evict(&mut list, |one| shares.competes(peer, one.peer, held));
                list.patience.at(self.now())
            };
            closing.get_or_insert_with(|| self.closing());
            let pace = pace.clamp(Duration::from_millis(1), LOOK_AGAIN);
            let _ = tokio::time::timeout(pace, changed).await;
        }
    }

    /// Dismisses all connections that leave their places unused. For when there is no more of something.
    pub(super) fn evict_unused(&self) {
        self.evict(&mut self.list(), |_| true);
    }

    /// Dismisses all of these connections that leave their places unused: that have asked nothing for
    /// longer than is borne now, or ask no more for longer than the grace time. How many.
    fn evict(&self, list: &mut List, which: impl Fn(&Open) -> bool) -> usize {
        let now = self.now();
        let (grace, patience) = (self.limits.grace, list.patience.at(now));
        let mut silent = 0;
        let count = self.dismiss(list, |one| {
            if !which(one) {
                return false;
            }
            match one.phase.doing() {
                Doing::Ours => false,
                Doing::Nothing(since) if since >= patience => {
                    silent += 1;
                    true
                }
                Doing::Nothing(_) => false,
                Doing::Head(since) | Doing::Idle(since) => since >= grace,
            }
        });
        if count > 0 {
            list.patience.closed(silent, self.asked.load(Ordering::Relaxed), now);
        }
        count
    }

    /// Asks those to leave that are not asked to already. How many.
    pub(super) fn dismiss(&self, list: &List, mut which: impl FnMut(&Open) -> bool) -> usize {
        let staying = list.open.values().filter(|one| !one.phase.is_leaving());
        let count = staying.filter(|one| which(one)).map(|one| one.phase.leave()).count();
        self.count(count)
    }

    /// Ends all that are left, whatever they are doing. How many.
    pub(super) fn cut_off(&self) -> usize {
        let list = self.list();
        let tasks = list.open.values().filter_map(|one| one.task.as_ref());
        self.count(tasks.map(AbortHandle::abort).count())
    }

    fn count(&self, evicted: usize) -> usize {
        self.gauges.evicted.inc_by(u64::try_from(evicted).unwrap_or(u64::MAX));
        evicted
    }
}

impl List {
    /// Who holds places, as it matters to `peer`.
    fn held(&self, peer: Peer) -> Held {
        let mut held = Held::default();
        for one in self.open.values() {
            match one.peer {
                Peer::Loopback => held.loopback += 1,
                Peer::Host => held.host += 1,
                Peer::Other(_) => {
                    held.others += 1;
                    held.own += usize::from(one.peer == peer && !one.phase.is_leaving());
                }
            }
        }
        held
    }
}

#[cfg(test)]
mod tests;

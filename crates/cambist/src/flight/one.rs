//! One flight at a time.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cambist_core::clock::BootTime;
use tokio::sync::watch;

use super::primitives::{AtomicBool, Mutex, MutexGuard, spawn};

/// The place of one kind of work. Nothing of what the work brings is kept here: that is the work's
/// own business.
pub(crate) struct Flight<T> {
    place: Mutex<Place<watch::Receiver<Option<T>>>>,
    // The same as the place's, for whoever only wants to know.
    under_way: AtomicBool,
}

/// Whether a flight is under way, and where its outcome will be told (`W`). Plain data: the whole of
/// what is decided is here.
#[derive(Debug)]
pub(super) struct Place<W> {
    under_way: Option<UnderWay<W>>,
}

/// A flight that has not landed.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay<W> {
    pub(super) told: W,
    pub(super) began: BootTime,
}

/// What comes of somebody's need.
#[derive(Debug)]
pub(super) enum Boarding<W, K> {
    /// A flight was under way: wait for it.
    Joined(UnderWay<W>),
    /// None was, and none is needed.
    Known(K),
    /// The next one began: somebody must do its work now.
    Began(UnderWay<W>),
}

impl<W: Clone> Place<W> {
    pub(super) const EMPTY: Self = Self { under_way: None };

    pub(super) fn board<K>(
        &mut self,
        now: BootTime,
        known: impl FnOnce() -> Option<K>,
        told: impl FnOnce() -> W,
    ) -> Boarding<W, K> {
        if let Some(under_way) = &self.under_way {
            return Boarding::Joined(under_way.clone());
        }
        if let Some(known) = known() {
            return Boarding::Known(known);
        }
        let under_way = self.under_way.insert(UnderWay { told: told(), began: now });
        Boarding::Began(under_way.clone())
    }

    pub(super) fn clear(&mut self) {
        self.under_way = None;
    }
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    pub(crate) fn new() -> Self {
        Self { place: Mutex::new(Place::EMPTY), under_way: AtomicBool::new(false) }
    }

    /// Whether a flight is under way. Takes no lock.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Acquire)
    }

    /// Joins the flight under way. If there is none, what is `known` by now may do (it is asked under
    /// the lock, so it must be quick and must not come back here); else a flight begins, and `work`
    /// makes what it does: it must have stored what it brings when it ends.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn join<W>(
        self: &Arc<Self>,
        now: BootTime,
        known: impl FnOnce() -> Option<T>,
        work: impl FnOnce() -> W,
    ) -> Joined<T>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let mut tell = None;
        let boarding = {
            let mut place = self.place();
            let boarding = place.board(now, known, || {
                let (sender, told) = watch::channel(None);
                tell = Some(sender);
                told
            });
            if tell.is_some() {
                self.under_way.store(true, Ordering::Release);
            }
            boarding
        };
        let under_way = match boarding {
            Boarding::Known(known) => return Joined::Landed(known),
            Boarding::Joined(under_way) | Boarding::Began(under_way) => under_way,
        };
        if let Some(tell) = tell {
            // From here on without the lock: making the work may panic, and a runtime that is ending
            // drops it at once, which clears the place.
            let mut landing = Landing { flight: self.clone(), outcome: None, tell };
            let work = work();
            spawn(async move {
                landing.outcome = Some(work.await);
                drop(landing);
            });
        }
        Joined::UnderWay(under_way)
    }

    fn place(&self) -> MutexGuard<'_, Place<watch::Receiver<Option<T>>>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way = self.under_way.load(Ordering::Relaxed);
        f.debug_struct("Flight").field("under_way", &under_way).finish_non_exhaustive()
    }
}

/// The end of a flight, also of one whose work panicked or was dropped.
struct Landing<T: Clone + Send + Sync + 'static> {
    flight: Arc<Flight<T>>,
    outcome: Option<T>,
    tell: watch::Sender<Option<T>>,
}

impl<T: Clone + Send + Sync + 'static> Drop for Landing<T> {
    fn drop(&mut self) {
        {
            let mut place = self.flight.place();
            place.clear();
            self.flight.under_way.store(false, Ordering::Release);
        }
        // Without an outcome the channel closes after this, which tells as much.
        if let Some(outcome) = self.outcome.take() {
            self.tell.send_replace(Some(outcome));
        }
    }
}

/// A flight to wait for, or what made one needless.
#[derive(Debug)]
pub(crate) enum Joined<T> {
    Landed(T),
    UnderWay(UnderWay<watch::Receiver<Option<T>>>),
}

impl<T: Clone> Joined<T> {
    /// The outcome; `None` if the work panicked or its runtime ended.
    pub(crate) async fn outcome(self) -> Option<T> {
        match self {
            Self::Landed(outcome) => Some(outcome),
            Self::UnderWay(UnderWay { mut told, .. }) => {
                told.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
            }
        }
    }

    /// The outcome if it is there before the flight has taken `patience`: who joins one that hangs
    /// since long waits no longer for it than who joined at its start.
    pub(crate) async fn outcome_within(self, patience: Duration, now: BootTime) -> Option<T> {
        let left = match &self {
            Self::Landed(_) => patience,
            Self::UnderWay(UnderWay { began, .. }) => patience.saturating_sub(now.since(*began)),
        };
        if left.is_zero() {
            return None;
        }
        tokio::time::timeout(left, self.outcome()).await.ok().flatten()
    }
}

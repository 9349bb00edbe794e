//! The room that the caches of several identities share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cambist_core::clock::BootTime;

use super::shelf::Shelf;

/// Most scopes that the identities of one process hold together. Each may hold a thousand, so a thousand of
/// them could fill a pod's memory.
const MOST: usize = 4000;

/// So many places, wherever they are. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: AtomicUsize,
    shelves: Mutex<Vec<Weak<Shelf>>>,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Room {
    /// With so many places.
    pub(super) fn of(most: usize) -> Self {
        Self(Arc::new(Inner { most, taken: AtomicUsize::new(0), shelves: Mutex::default() }))
    }

    /// A shelf in it, with nothing on it yet.
    pub(super) fn shelf(&self, now: BootTime) -> Arc<Shelf> {
        let shelf = Arc::new(Shelf::empty(self.clone(), now));
        let mut all = self.0.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it grows, and so not for each of many.
        if all.len() == all.capacity() {
            all.retain(|shelf| shelf.strong_count() > 0);
        }
        all.push(Arc::downgrade(&shelf));
        shelf
    }

    /// How many places there are.
    pub(super) fn most(&self) -> usize {
        self.0.most
    }

    /// Takes one of the places that are left.
    pub(super) fn take(&self) -> bool {
        let one_more = |taken: usize| (taken < self.0.most).then_some(taken + 1);
        self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Takes a place that there may not be.
    pub(super) fn take_anyway(&self) {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives back so many.
    pub(super) fn give_back(&self, places: usize) {
        self.0.taken.fetch_sub(places, Ordering::Relaxed);
    }

    /// Takes the place of what is needed least on any other shelf; whether there was one.
    pub(super) fn displace(&self, for_whom: &Shelf, now: BootTime) -> bool {
        let all = self.0.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let others = all.iter().filter_map(Weak::upgrade);
        let others = others.filter(|shelf| !std::ptr::eq(&**shelf, for_whom));
        let mut victims: Vec<_> = others
            .filter_map(|shelf| {
                let (need, slot) = shelf.least_needed(now)?;
                Some((need, shelf, slot))
            })
            .collect();
        victims.sort_by_key(|(need, ..)| *need);
        victims.iter().any(|(_, shelf, slot)| shelf.let_go(slot, now))
    }
}

//! Where one cache's slots are, in a room that has other shelves, too.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cambist_core::clock::BootTime;
use cambist_core::scope::Scope;

use super::budget::{Budget, MAX_SCOPES};
use super::room::Room;
use super::slot::Slot;
use crate::error::{Error, Kind};

/// A token that was read within this time is in use: no newcomer displaces it.
pub(super) const IN_USE: Duration = Duration::from_secs(300);

/// The less of it, the sooner a slot goes: those without a token first, then those that were asked for
/// once, then whoever was idle longest.
pub(super) type Need = (bool, bool, Reverse<Duration>);

#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) slots: ArcSwap<HashMap<Scope, Arc<Slot>>>,
    // Held while the map is copied; readers never wait for it.
    inserting: Mutex<Budget>,
    room: Room,
}

impl Shelf {
    pub(super) fn empty(room: Room, now: BootTime) -> Self {
        Self { slots: ArcSwap::default(), inserting: Mutex::new(Budget::full(now)), room }
    }

    /// Keeps others from changing what is on it.
    pub(super) fn inserting(&self) -> MutexGuard<'_, Budget> {
        self.inserting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for what must have one. To be called by who is inserting.
    pub(super) fn take_place(&self) {
        self.room.take_anyway();
    }

    /// Takes a place for a newcomer, or that of one of its own, which has to go then. To be called by who is
    /// inserting.
    ///
    /// # Errors
    /// If everything that is held must stay.
    pub(super) fn make_place(&self, now: BootTime) -> Result<Option<Arc<Slot>>, Error> {
        let full = |most| Error::new(Kind::CacheFull(most)).with_retry_after(IN_USE);
        if self.slots.load().len() >= MAX_SCOPES {
            let (_, own) = self.least_needed(now).ok_or_else(|| full(MAX_SCOPES))?;
            return Ok(Some(own));
        }
        if self.room.take() {
            return Ok(None);
        }
        // Its own first: who asks for much is to cost others as little as can be.
        match self.least_needed(now) {
            Some((_, own)) => Ok(Some(own)),
            None if self.room.displace(self, now) => Ok(None),
            None => Err(full(self.room.most())),
        }
    }

    /// What goes first if something has to, if anything may: what is prefetched or being fetched stays, and so
    /// does a token that somebody read again lately, whatever else is asked for.
    pub(super) fn least_needed(&self, now: BootTime) -> Option<(Need, Arc<Slot>)> {
        let slots = self.slots.load();
        let may_go = slots.values().filter(|slot| may_go(slot, now));
        let (need, slot) = may_go.map(|slot| (need(slot, now), slot)).min_by_key(|it| it.0)?;
        Some((need, slot.clone()))
    }

    /// Lets go what another shelf is to have the place of, unless it is needed by now; whether it is gone.
    pub(super) fn let_go(&self, slot: &Arc<Slot>, now: BootTime) -> bool {
        // Never waited for: who asks is inserting, too.
        let Ok(_inserting) = self.inserting.try_lock() else { return false };
        let slots = self.slots.load();
        let is_there = slots.get(slot.scope()).is_some_and(|known| Arc::ptr_eq(known, slot));
        if !is_there || !may_go(slot, now) {
            return false;
        }
        let mut map = HashMap::clone(&slots);
        map.remove(slot.scope());
        self.slots.store(Arc::new(map));
        true
    }

    /// Keeps only these.
    pub(super) fn retain(&self, keep: impl Fn(&Slot) -> bool) {
        let _inserting = self.inserting();
        let mut map = HashMap::clone(&self.slots.load());
        let before = map.len();
        map.retain(|_, slot| keep(slot));
        self.room.give_back(before - map.len());
        self.slots.store(Arc::new(map));
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.room.give_back(self.slots.load().len());
    }
}

fn need(slot: &Slot, now: BootTime) -> Need {
    (slot.held(now).is_some(), !slot.is_on_probation(), Reverse(slot.idle(now)))
}

fn may_go(slot: &Slot, now: BootTime) -> bool {
    let in_use = !slot.is_on_probation() && slot.idle(now) <= IN_USE;
    slot.evictable() && (slot.held(now).is_none() || !in_use)
}

//! Who waits for an exchange.
//!
//! Waiting is a resource of its own, and smaller than the places for connections are: however many
//! wait while Entra hangs, whoever need not wait finds a place. What there is is shared out among what
//! is waited for, so that one scope that hangs does not keep callers of all others out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cambist::Principal;
use cambist_core::scope::Scope;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

use super::peer::Link;
use crate::metrics::Counted;

/// The places for those who wait.
#[derive(Debug)]
pub struct Waiting {
    places: usize,
    gauge: Gauge,
    list: Mutex<List>,
}

/// What is waited for: by which caller, as the policy calls it, of which identity, for what.
pub type Wanted = (String, Principal, Scope);

/// Why somebody may not wait, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recalled {
    /// All places are taken by others with as much right to them.
    Busy,
    /// The sidecar is about to end.
    Draining,
}

impl Recalled {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Busy, Self::Draining];

    /// As one stable word: the header `x-cambist-reason`, the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Draining => "draining",
        }
    }

    /// What has happened, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Busy => {
                "As many callers wait for new tokens as may, and held ones are answered meanwhile."
            }
            Self::Draining => "The sidecar ended before the token came that was waited for.",
        }
    }

    /// What was compared with what.
    pub const fn compared(self) -> &'static str {
        match self {
            Self::Busy => "how many wait for new tokens with the most that may",
            Self::Draining => "the time that new tokens took with what was left before the end",
        }
    }

    /// What to look at and what to change.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Busy => {
                "find out why new tokens take long: `cambist explain --resource R` and the log say what the exchange waits for; apps ask again by themselves"
            }
            Self::Draining => {
                "nothing, if the pod was to end: what asks then is answered by the next one; a native sidecar ends after the app's containers"
            }
        }
    }
}

#[derive(Debug, Default)]
struct List {
    /// Those who wait, by what they wait for and in the order they came.
    seats: HashMap<Wanted, BTreeMap<u64, Seat>>,
    taken: usize,
    next: u64,
    draining: bool,
}

#[derive(Debug)]
struct Seat {
    link: Arc<Link>,
    tell: oneshot::Sender<Recalled>,
}

/// A place to wait in; it is given back on drop.
#[derive(Debug)]
pub struct Place {
    waiting: Arc<Waiting>,
    wanted: Wanted,
    id: u64,
    told: oneshot::Receiver<Recalled>,
}

impl Waiting {
    /// So many places, none taken.
    pub fn new(places: usize) -> Arc<Self> {
        let (gauge, list) = (Gauge::default(), Mutex::default());
        Arc::new(Self { places: places.max(1), gauge, list })
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.places
    }

    /// Takes a place, if need be that of somebody who has hung up, or of the last who came for what
    /// most wait for, of the caller that has most. No caller and nothing that is waited for has more than half of
    /// the places while others wait.
    ///
    /// # Errors
    /// If there is none.
    pub fn enter(self: &Arc<Self>, wanted: Wanted, link: Arc<Link>) -> Result<Place, Recalled> {
        let mut list = self.list();
        if list.draining {
            return Err(Recalled::Draining);
        }
        if !list.make_room(&wanted, self.places) {
            return Err(Recalled::Busy);
        }
        let (tell, told) = oneshot::channel();
        let id = list.next;
        list.next += 1;
        list.taken += 1;
        list.seats.entry(wanted.clone()).or_default().insert(id, Seat { link, tell });
        self.count(&list);
        drop(list);
        Ok(Place { waiting: self.clone(), wanted, id, told })
    }

    /// Ends all waiting, now and for good.
    pub fn end(&self) {
        let mut list = self.list();
        list.draining = true;
        list.recall(Recalled::Draining, |_| true);
        self.count(&list);
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, list: &List) {
        self.gauge.set(i64::try_from(list.taken).unwrap_or(i64::MAX));
    }
}

impl Counted for Waiting {
    fn register(&self, registry: &mut Registry) {
        registry.register("waiting", "Requests that wait for a new token", self.gauge.clone());
    }
}

impl List {
    fn of(&self, wanted: &Wanted) -> usize {
        self.seats.get(wanted).map_or(0, BTreeMap::len)
    }

    fn of_caller(&self, caller: &str) -> usize {
        self.seats
            .iter()
            .filter(|(wanted, _)| wanted.0 == caller)
            .map(|(_, seats)| seats.len())
            .sum()
    }

    /// Neither a caller nor what it waits for has more than half, unless nobody else waits.
    fn fits(&self, wanted: &Wanted, places: usize) -> bool {
        let fair = |own: usize| own < half(places) || own == self.taken;
        self.taken < places && fair(self.of_caller(&wanted.0)) && fair(self.of(wanted))
    }

    fn make_room(&mut self, wanted: &Wanted, places: usize) -> bool {
        if self.fits(wanted, places) {
            return true;
        }
        // They may still be listening, with only their own side closed; but most likely nobody is.
        self.recall(Recalled::Busy, |seat| seat.link.has_hung_up());
        let own = self.of(wanted);
        if self.taken >= places && own < half(places) {
            let caller = self.crowding(&wanted.0);
            let theirs = self.seats.iter().filter(|(other, _)| other.0 == caller);
            let most = theirs.max_by_key(|(_, seats)| seats.len());
            // One more is no reason: they would take turns for ever.
            let most = most.filter(|(_, seats)| caller != wanted.0 || seats.len() > own + 1);
            let last =
                most.and_then(|(most, seats)| Some((most.clone(), *seats.last_key_value()?.0)));
            if let Some((most, id)) = last {
                self.tell(&most, id, Recalled::Busy);
            }
        }
        self.fits(wanted, places)
    }

    /// Who is to give up a place for this caller: the one that has most of them, or itself.
    fn crowding(&self, caller: &str) -> String {
        let mut callers = HashMap::<&str, usize>::new();
        for (wanted, seats) in &self.seats {
            *callers.entry(&wanted.0).or_default() += seats.len();
        }
        let own = callers.get(caller).copied().unwrap_or(0);
        let most = callers.into_iter().max_by_key(|(_, seats)| *seats);
        let most = most.filter(|(_, seats)| *seats > own + 1);
        most.map_or(caller, |(most, _)| most).to_owned()
    }

    /// Takes the place from all of these, and tells them so.
    fn recall(&mut self, why: Recalled, which: impl Fn(&Seat) -> bool) {
        let ids = |(wanted, seats): (&Wanted, &BTreeMap<u64, Seat>)| {
            let theirs = seats.iter().filter(|(_, seat)| which(seat));
            theirs.map(|(id, _)| (wanted.clone(), *id)).collect::<Vec<_>>()
        };
        for (wanted, id) in self.seats.iter().flat_map(ids).collect::<Vec<_>>() {
            self.tell(&wanted, id, why);
        }
    }

    /// Takes one place, and says why.
    fn tell(&mut self, wanted: &Wanted, id: u64, why: Recalled) {
        if let Some(seat) = self.remove(wanted, id) {
            // Who is leaving by itself does not hear it.
            let _ = seat.tell.send(why);
        }
    }

    fn remove(&mut self, wanted: &Wanted, id: u64) -> Option<Seat> {
        let seats = self.seats.get_mut(wanted)?;
        let seat = seats.remove(&id)?;
        self.taken -= 1;
        if seats.is_empty() {
            self.seats.remove(wanted);
        }
        Some(seat)
    }
}

fn half(places: usize) -> usize {
    (places / 2).max(1)
}

impl Place {
    /// Returns when the place is taken back, with the reason.
    pub async fn recalled(&mut self) -> Recalled {
        // The other end goes only when this one has been told, or is itself about to go.
        (&mut self.told).await.unwrap_or(Recalled::Busy)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut list = self.waiting.list();
        // It may have been taken back.
        list.remove(&self.wanted, self.id);
        self.waiting.count(&list);
    }
}

#[cfg(test)]
mod tests;

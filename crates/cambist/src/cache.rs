//! The cache of one identity's tokens.
//!
//! A reader of a fresh token touches no lock and allocates nothing: the map of scopes is copied on
//! insert and read through an `ArcSwap`, and so is each scope's state. Work for a scope runs as a
//! *flight*: everybody who needs its result waits for the same one, and nobody who
//! leaves cancels it. A flight that fails never touches the token that is held.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cambist_core::clock::BootTime;
use cambist_core::scope::Scope;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::context::Context;
use crate::error::{Error, Kind};
use crate::event::{Event, Fetched, Served, ServedHow};
use crate::exchange::AccessToken;
use crate::flight::Joined;
use crate::principal::Principal;

mod budget;
mod mended;
mod room;
mod shelf;
mod slot;

use budget::{Budget, MAX_SCOPES};
use mended::Mended;
pub(crate) use room::Room;
use shelf::Shelf;
use slot::{Answer, Outcome, Slot};

/// How long an entry that nobody reads is kept once it holds no valid token.
const IDLE: Duration = Duration::from_secs(3600);

/// How long a refresh may have been under way for a reader to wait for it; then it gets the held
/// token.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who makes tokens when the cache has none.
pub(crate) trait Maker: fmt::Debug + Send + Sync {
    /// Does the whole work for one token, once.
    fn fetch<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<AccessToken, Error>>;

    /// Whether what vouched for a held token has lost its standing, so that the token is to be
    /// replaced when that can be done.
    fn is_withdrawn(&self, _token: &AccessToken) -> bool {
        false
    }

    /// There is another projected token, for work that something of its own is kept of.
    fn assertion_renewed(&self) {}
}

/// What a reader of tokens is answered, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// The token, or why there is none.
    pub outcome: Result<Arc<AccessToken>, Error>,
    /// Where it is from.
    pub how: ServedHow,
    /// How long it was waited for; zero for what was there.
    pub waited: Duration,
}

#[derive(Debug)]
pub(crate) struct Cache {
    shelf: Arc<Shelf>,
    // What failed before that, for want of it, may try again.
    mended: Arc<Mended>,
    principal: Principal,
    // Told when something else may have to be looked after than was reckoned.
    stirred: watch::Sender<()>,
    maker: Arc<dyn Maker>,
    context: Context,
}

impl Cache {
    /// With room of its own.
    pub(crate) fn new(principal: Principal, maker: Arc<dyn Maker>, context: Context) -> Self {
        Self::within(&Room::of(MAX_SCOPES), principal, maker, context)
    }

    /// With room that it shares.
    pub(crate) fn within(
        room: &Room,
        principal: Principal,
        maker: Arc<dyn Maker>,
        context: Context,
    ) -> Self {
        let shelf = room.shelf(context.clock.boot());
        let (mended, stirred) = (Arc::default(), watch::Sender::new(()));
        Self { shelf, mended, stirred, principal, maker, context }
    }

    /// Whose tokens they are.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The token for a resource if one can be handed out as it is; starts its refresh when due.
    pub(crate) fn peek(&self, resource: &str) -> Option<Arc<AccessToken>> {
        self.settled(resource, Duration::ZERO, self.context.clock.boot(), false)?.outcome.ok()
    }

    /// What [`get`](Self::get) would tell without waiting: a token, or why there is none for now.
    pub(crate) fn at_once(
        &self,
        resource: &str,
        min_ttl: Duration,
        now: BootTime,
    ) -> Option<Answered> {
        self.settled(resource, min_ttl, now, true)
    }

    fn settled(
        &self,
        resource: &str,
        min_ttl: Duration,
        now: BootTime,
        failures: bool,
    ) -> Option<Answered> {
        let slots = self.shelf.slots.load();
        let slot = slots.get(resource)?;
        slot.touch(now);
        let (outcome, how) = match slot.answer(now, &self.mended, min_ttl) {
            Answer::Fresh(token) => (Ok(token), ServedHow::Hit),
            Answer::Due(token) => {
                self.refresh(slot);
                (Ok(token), ServedHow::Hit)
            }
            Answer::Held(token) => (Ok(token), ServedHow::Held),
            Answer::Failed(error) if failures => (Err(error), ServedHow::Failed),
            Answer::Aging(_) | Answer::Failed(_) | Answer::Nothing => return None,
        };
        let answered = Answered { outcome, how, waited: Duration::ZERO };
        self.tell(slot.scope(), &answered);
        Some(answered)
    }

    /// The token for a scope, waiting for the work if there is none that lives for `min_ttl`.
    pub(crate) async fn get(&self, scope: &Scope, min_ttl: Duration) -> Answered {
        let now = self.context.clock.boot();
        let (outcome, how) = self.find(scope, min_ttl, now).await;
        let waited = match how {
            ServedHow::Hit => Duration::ZERO,
            _ => self.context.clock.boot().since(now),
        };
        let answered = Answered { outcome, how, waited };
        self.tell(scope, &answered);
        answered
    }

    /// The same for further work of ours, which is no reader that anybody counts.
    pub(crate) async fn take(&self, scope: &Scope) -> Outcome {
        self.find(scope, Duration::ZERO, self.context.clock.boot()).await.0
    }

    /// Another token for a scope than this one, which was found to be of no use before its time: the one
    /// that is there by now, or one that is made for it.
    pub(crate) async fn take_other(&self, scope: &Scope, useless: &Arc<AccessToken>) -> Outcome {
        let slot = self.slot(scope)?;
        let is_it = |token: &Arc<AccessToken>| Arc::ptr_eq(token, useless);
        if slot.held(self.context.clock.boot()).as_ref().is_some_and(is_it) {
            slot.withdraw();
        }
        match self.join(&slot, Duration::ZERO).outcome().await {
            Some(Ok(token)) if is_it(&token) => {
                // It is held because making others failed a moment ago.
                let failure = slot.failure(self.context.clock.boot());
                Err(failure.unwrap_or_else(|| Error::new(Kind::Lost)))
            }
            outcome => outcome.unwrap_or_else(|| Err(Error::new(Kind::Lost))),
        }
    }

    async fn find(&self, scope: &Scope, min_ttl: Duration, now: BootTime) -> (Outcome, ServedHow) {
        let slot = match self.slot(scope) {
            Ok(slot) => slot,
            Err(error) => return (Err(error), ServedHow::Failed),
        };
        slot.touch(now);
        match slot.answer(now, &self.mended, min_ttl) {
            Answer::Fresh(token) => (Ok(token), ServedHow::Hit),
            Answer::Due(token) => {
                self.refresh(&slot);
                (Ok(token), ServedHow::Hit)
            }
            Answer::Held(token) => (Ok(token), ServedHow::Held),
            Answer::Aging(token) => {
                let flight = self.join(&slot, min_ttl);
                match flight.outcome_within(PATIENCE, now).await {
                    Some(Ok(fresh)) => (Ok(fresh), ServedHow::Fetched),
                    Some(Err(_)) | None => (Ok(token), ServedHow::Held),
                }
            }
            Answer::Failed(error) => (Err(error), ServedHow::Failed),
            Answer::Nothing => match self.join(&slot, min_ttl).outcome().await {
                Some(Ok(token)) => (Ok(token), ServedHow::Fetched),
                Some(Err(error)) => (Err(error), ServedHow::Failed),
                None => (Err(Error::new(Kind::Lost)), ServedHow::Failed),
            },
        }
    }

    /// Tells that a reader was answered. On the path of every hit: an event is a few borrowed
    /// references.
    fn tell(&self, scope: &Scope, answered: &Answered) {
        let Answered { outcome, how, waited } = answered;
        let (principal, outcome) = (&self.principal, outcome.as_deref());
        let served = Served { principal, scope, how: *how, outcome, waited: *waited };
        self.context.observer.event(&Event::Served(served));
    }

    /// Makes room for scopes that are to be held always, asked for or not.
    pub(crate) fn pin(&self, scopes: impl IntoIterator<Item = Scope>) {
        for scope in scopes {
            // What is pinned is always taken in.
            drop(self.insert(&scope, true));
        }
        self.stirred.send_replace(());
    }

    /// The same, and nothing else is held always any more.
    pub(crate) fn pin_only(&self, scopes: &[Scope]) {
        for slot in self.shelf.slots.load().values().filter(|slot| !scopes.contains(slot.scope())) {
            slot.unpin();
        }
        self.pin(scopes.iter().cloned());
    }

    /// There is another projected token: what failed for want of a good one, in work that began before,
    /// may be tried again at once.
    pub(crate) fn assertion_renewed(&self) {
        self.maker.assertion_renewed();
        self.mended.assertion_is(self.context.clock.boot());
        self.stirred.send_replace(());
    }

    /// Changes when it is to be [looked after](Self::tend) sooner than it has [said](Self::due_in).
    pub(crate) fn stirs(&self) -> watch::Receiver<()> {
        self.stirred.subscribe()
    }

    /// How long it is until something is to be done for what is held always, if that is anything.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        let now = self.context.clock.boot();
        let slots = self.shelf.slots.load();
        let due = slots.values().filter(|slot| slot.pinned()).map(|slot| slot.due_at(&self.mended));
        due.min().map(|due| due.since(now))
    }

    /// The scopes that are to be held always.
    pub(crate) fn pinned(&self) -> Vec<Scope> {
        let slots = self.shelf.slots.load();
        slots.values().filter(|slot| slot.pinned()).map(|slot| slot.scope().clone()).collect()
    }

    /// What is held for a scope, whether or not it is due.
    pub(crate) fn held(&self, scope: &Scope) -> Option<Arc<AccessToken>> {
        self.shelf.slots.load().get(scope)?.held(self.context.clock.boot())
    }

    /// All scopes that are known, with the token and the failure each holds.
    pub(crate) fn contents(&self) -> Vec<Entry> {
        let now = self.context.clock.boot();
        let entry = |slot: &Arc<Slot>| Entry {
            scope: slot.scope().clone(),
            token: slot.held(now),
            was_held: slot.was_held(),
            failure: slot.failure(now),
            pinned: slot.pinned(),
            under_way: slot.in_flight(),
            last_asked: slot.last_used(),
        };
        self.shelf.slots.load().values().map(entry).collect()
    }

    /// Refreshes what is pinned and due or no longer vouched for, and forgets what nobody needs.
    pub(crate) fn tend(&self) {
        let now = self.context.clock.boot();
        let slots = self.shelf.slots.load_full();
        for slot in slots.values() {
            if slot.held(now).is_some_and(|token| self.maker.is_withdrawn(&token)) {
                slot.withdraw();
                self.refresh(slot);
            }
        }
        for slot in slots.values().filter(|slot| slot.pinned()) {
            match slot.answer(now, &self.mended, Duration::ZERO) {
                Answer::Due(_) | Answer::Aging(_) | Answer::Nothing => self.refresh(slot),
                Answer::Fresh(_) | Answer::Held(_) | Answer::Failed(_) => {}
            }
        }
        let stale =
            |slot: &Slot| slot.evictable() && slot.held(now).is_none() && slot.idle(now) > IDLE;
        if slots.values().any(|slot| stale(slot)) {
            self.shelf.retain(|slot| !stale(slot));
        }
    }

    fn slot(&self, scope: &Scope) -> Result<Arc<Slot>, Error> {
        match self.shelf.slots.load().get(scope) {
            Some(slot) => Ok(slot.clone()),
            None => self.insert(scope, false),
        }
    }

    /// Finds or makes a scope's slot; fails if the cache is full of what must stay, or if new scopes
    /// come in a flood.
    fn insert(&self, scope: &Scope, pinned: bool) -> Result<Arc<Slot>, Error> {
        let mut budget = self.shelf.inserting();
        let now = self.context.clock.boot();
        let slots = self.shelf.slots.load();
        if let Some(slot) = slots.get(scope) {
            slot.pin(pinned);
            return Ok(slot.clone());
        }
        if !pinned && !budget.spend(scope, now) {
            let error = Error::new(Kind::TooManyScopes(MAX_SCOPES));
            return Err(error.with_retry_after(Budget::REFILL));
        }
        let victim = if pinned {
            self.shelf.take_place();
            None
        } else {
            self.shelf.make_place(now)?
        };
        // Copied for a newcomer that is sure of its place only: a flood costs no copies.
        let mut map = HashMap::clone(&slots);
        if let Some(victim) = victim {
            map.remove(victim.scope());
        }
        let slot = Arc::new(Slot::new(scope.clone(), pinned, now));
        map.insert(scope.clone(), slot.clone());
        self.shelf.slots.store(Arc::new(map));
        Ok(slot)
    }

    /// Starts a flight that nobody waits for, unless one is under way.
    fn refresh(&self, slot: &Arc<Slot>) {
        if !slot.in_flight() {
            drop(self.join(slot, Duration::ZERO));
        }
    }

    /// Joins the scope's flight, starting it if there is none and there is still need.
    fn join(&self, slot: &Arc<Slot>, min_ttl: Duration) -> Joined<Outcome> {
        slot.join(&self.context, &self.mended, min_ttl, || {
            let (mended, stirred) = (self.mended.clone(), self.stirred.clone());
            let (slot, maker, context) = (slot.clone(), self.maker.clone(), self.context.clone());
            let principal = self.principal.clone();
            async move {
                let started = context.clock.boot();
                let outcome = maker.fetch(slot.scope()).await;
                let took = context.clock.boot().since(started);
                let (principal, scope) = (&principal, slot.scope());
                let fetched = Fetched { principal, scope, outcome: outcome.as_ref(), took };
                context.observer.event(&Event::Fetched(fetched));
                if outcome.is_ok() {
                    mended.upstream_is(context.clock.boot());
                    stirred.send_replace(());
                }
                outcome
            }
            .boxed()
        })
    }
}

/// What the cache knows of one scope.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The scope.
    pub scope: Scope,
    /// The valid token that is held, if one is.
    pub token: Option<Arc<AccessToken>>,
    /// Whether there was a token for it since it was taken in, valid still or not.
    pub was_held: bool,
    /// The last failure, if there was one since the last success, with the time left until the next
    /// try as its `retry_after`.
    pub failure: Option<Error>,
    /// Whether it is prefetched.
    pub pinned: bool,
    /// Whether work for a new token is under way.
    pub under_way: bool,
    /// When somebody last asked for it, in whole seconds; if nobody has, when it was taken in.
    pub last_asked: BootTime,
}

impl Entry {
    /// What is known of a scope that is prefetched, before it was fetched.
    pub fn prefetched(scope: Scope) -> Self {
        Self {
            scope,
            token: None,
            was_held: false,
            failure: None,
            pinned: true,
            under_way: false,
            last_asked: BootTime::default(),
        }
    }
}

#[cfg(test)]
mod tests;

//! The issuer's keys: fetched as seldom as can be, kept when fetching fails.
//!
//! A look for keys is a *flight*: whoever needs it waits for the same one, and a caller that
//! hangs up changes nothing. After one that did not find the key it was for the next may come after
//! [`COOLDOWN`]; after a failed one sooner, as long as somebody asks.
//!
//! A token may name a key that the held set does not have. Whether that key is new or made up is settled by
//! a look that begins after the name was first asked for, and by no older one: until then nobody gets keys
//! to judge that token by, unless looking fails.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cambist_core::clock::{BootTime, Reading};
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::{KeyId, KeySet};

use crate::clock::Heard;
use crate::context::Context;
use crate::event::{Event, KeySource, KeysFetched};
use crate::flight::Joined;
use crate::key_age::KeyAge;

pub(crate) mod error;
pub(crate) mod fetch;
mod freshness;
mod origin;
mod pace;
mod place;

use place::{Held, Place};

pub use error::{FetchError, KeysError};
pub use origin::KeyOrigin;
pub use pace::COOLDOWN;

/// So many issuers' keys are kept. There is one as a rule; a token that names its own may name others.
const MOST_ISSUERS: usize = 8;

/// So many looks may begin within [`COOLDOWN`] for issuers that nobody decided for, all of them
/// together: somewhat more than one that is down is looked at.
const MOST_LOOKS: usize = 12;

/// Keys that nobody asked for in this time are not looked after: longer than tokens live, since each
/// new one asks.
const IDLE: Duration = Duration::from_secs(48 * 3600);

/// The keys of one issuer, or of whichever issuer the token names if none is configured. Cheap to
/// clone; clones share what they hold.
#[derive(Clone)]
pub struct IssuerKeys(Arc<Inner>);

struct Inner {
    sources: Vec<KeyOrigin>,
    key_age: Option<KeyAge>,
    context: Context,
    heard: Heard,
    // Copied on insert; readers take no lock.
    places: ArcSwap<Vec<Arc<Place>>>,
    // Held while the list is copied, and says when the last looks began.
    begun: Mutex<Vec<BootTime>>,
}

/// How far a caller goes along with the looking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// How long it waits for a look that may not begin yet.
    for_next: Duration,
    /// Whether it also waits for a look after one that failed; else that is made behind its back.
    through_failures: bool,
    /// Whether the keys open a door: then what they say must be of late, and what they do not say is
    /// not said by anybody while looking fails.
    opens: bool,
}

impl Waiting {
    /// For whoever has nothing to do without keys.
    pub(crate) const THROUGH_EVERYTHING: Self =
        Self { for_next: origin::PATIENCE, through_failures: true, opens: false };
    /// For whoever goes on unchecked: an issuer that is down holds up the first one only.
    pub(crate) const WHILE_IT_HELPS: Self =
        Self { for_next: origin::PATIENCE, through_failures: false, opens: false };
    /// For strangers, of whom there may be any number: nobody stays for more than the look under way.
    pub(crate) const BRIEFLY: Self =
        Self { for_next: Duration::ZERO, through_failures: false, opens: true };

    const FOR_LOOKS: Self = Self { for_next: Duration::ZERO, through_failures: true, opens: false };
}

impl IssuerKeys {
    /// Looks in these places, in this order, until one has a usable set.
    pub fn new(sources: Vec<KeyOrigin>, context: Context) -> Self {
        Self::judged(sources, None, context)
    }

    /// The same, telling what is seen to `key_age`, if ages are to be judged.
    pub fn judged(sources: Vec<KeyOrigin>, key_age: Option<KeyAge>, context: Context) -> Self {
        let heard = key_age.as_ref().map(|key_age| key_age.heard().clone()).unwrap_or_default();
        let (places, begun) = (ArcSwap::default(), Mutex::default());
        Self(Arc::new(Inner { sources, key_age, context, heard, places, begun }))
    }

    /// Says that this issuer is one that somebody decided for: its keys stay, whatever others are asked
    /// for, and how often it is looked at is a matter of its own.
    pub fn keep(&self, issuer: &IssuerUrl) {
        self.place(issuer).keep();
    }

    /// The issuer's keys, preferably with the one named `kid`.
    ///
    /// A held set that has the key is returned at once. Otherwise somebody looks again, in vain at most
    /// once in [`COOLDOWN`]; what is held stays in use if that fails. A set without the key is returned only
    /// if a look that began after the key was first asked for did not find it either, or if looking fails. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// If nothing is held and nothing could be fetched, or if the key is not in the held set and may be
    /// looked for only in a while.
    pub async fn with(
        &self,
        issuer: &IssuerUrl,
        kid: Option<&KeyId>,
    ) -> Result<Arc<KeySet>, KeysError> {
        self.find(issuer, kid, Waiting::FOR_LOOKS).await
    }

    /// The same, waiting no further than said.
    pub(crate) async fn find(
        &self,
        issuer: &IssuerUrl,
        kid: Option<&KeyId>,
        waiting: Waiting,
    ) -> Result<Arc<KeySet>, KeysError> {
        let place = self.place(issuer);
        let serves = |held: &Arc<Held>| held.has(kid) && held.serves(waiting.opens, self.now());
        if let Some(held) = place.held().filter(serves) {
            self.renew(&place);
            return Ok(held.keys.clone());
        }
        let since = place.pace().misses(kid);
        self.look(&place, waiting).await;
        match place.answer(kid, since, waiting.opens, self.now()) {
            Err(error) if error.is_pending() && error.again_in() <= waiting.for_next => {
                tokio::time::sleep(error.again_in()).await;
                self.look(&place, waiting).await;
                place.answer(kid, since, waiting.opens, self.now())
            }
            answer => answer,
        }
    }

    /// Another set than this one, of which a key did not verify what it should have: an issuer may put
    /// another key under the same name. Looks again for it, at most once in [`COOLDOWN`], unless this
    /// set was read after `asked`.
    pub(crate) async fn other_than(
        &self,
        issuer: &IssuerUrl,
        keys: &Arc<KeySet>,
        asked: BootTime,
        waiting: Waiting,
    ) -> Option<Arc<KeySet>> {
        let place = self.place(issuer);
        let doubts = place.held().is_some_and(|held| held.read_at < asked);
        if doubts && place.pace().may_doubt(self.now()) {
            self.look(&place, waiting).await;
        }
        place.held().map(|held| held.keys.clone()).filter(|held| !Arc::ptr_eq(held, keys))
    }

    /// How long it is of no use to ask for this issuer's keys again: at most 5 seconds, and zero if a
    /// look may begin now.
    pub fn next_look_in(&self, issuer: &IssuerUrl) -> Duration {
        let next = self.place(issuer).pace().next();
        next.since(self.now()).min(error::MOST_PAUSE)
    }

    /// The held keys, fetched or not; for reports.
    pub fn peek(&self) -> Option<(IssuerUrl, Arc<KeySet>, BootTime)> {
        let places = self.0.places.load();
        let held = places.iter().filter_map(|place| Some((place, place.held()?)));
        let (place, held) = held.max_by_key(|(place, held)| (place.is_kept(), held.read_at))?;
        Some((place.issuer().clone(), held.keys.clone(), held.read_at))
    }

    /// What is known of the keys' age, if that is judged.
    pub fn key_age(&self) -> Option<&KeyAge> {
        self.0.key_age.as_ref()
    }

    /// Looks again in the background if what is held is no longer fresh. Must be called within a
    /// tokio runtime.
    pub fn tend(&self) {
        let now = self.now();
        for place in self.0.places.load().iter().filter(|place| place.idle(now) < IDLE) {
            self.renew(place);
        }
    }

    /// How long it is until a look is due for what is held, if anything is.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        let now = self.now();
        let places = self.0.places.load();
        let awake = places.iter().filter(|place| place.idle(now) < IDLE);
        awake.filter_map(|place| place.due_at()).min().map(|due| due.since(now))
    }

    /// What an https server's `Date` said last, carried forward to `now`; `None` if none was heard
    /// yet.
    pub fn upstream_time(&self, now: BootTime) -> Option<Reading> {
        self.0.heard.time(now)
    }

    /// What https servers say the time is.
    pub(crate) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    fn now(&self) -> BootTime {
        self.0.context.clock.boot()
    }

    /// The place of an issuer's keys; a new one takes that of the stranger whom nobody asked for longest.
    fn place(&self, issuer: &IssuerUrl) -> Arc<Place> {
        let (now, of) = (self.now(), |place: &&Arc<Place>| place.issuer() == issuer);
        if let Some(place) = self.0.places.load().iter().find(of) {
            place.touch(now);
            return place.clone();
        }
        let _inserting = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = Vec::clone(&self.0.places.load());
        if let Some(place) = places.iter().find(of) {
            return place.clone();
        }
        if places.len() >= MOST_ISSUERS {
            let strangers = places.iter().enumerate().filter(|(_, place)| !place.is_kept());
            if let Some((at, _)) = strangers.max_by_key(|(_, place)| place.idle(now)) {
                places.remove(at);
            }
        }
        let place = Arc::new(Place::new(issuer.clone(), now));
        places.push(place.clone());
        self.0.places.store(Arc::new(places));
        place
    }

    /// Has what is no longer fresh read anew behind the reader's back.
    fn renew(&self, place: &Arc<Place>) {
        let now = self.now();
        if place.held().is_some_and(|held| now.since(held.read_at) > held.fresh_for) {
            drop(self.board(place));
        }
    }

    /// Waits for the look under way, or for the next one if it may begin now.
    async fn look(&self, place: &Arc<Place>, waiting: Waiting) {
        let failing = place.pace().problem().is_some();
        let look = self.board(place);
        if waiting.through_failures || !failing {
            // Without an outcome the flight was lost, and nothing was learnt.
            let _ = look.outcome().await;
        }
    }

    fn board(&self, place: &Arc<Place>) -> Joined<()> {
        let now = self.now();
        let may_begin = || now >= place.pace().next() && (place.is_kept() || self.may_begin(now));
        place.flight().join(
            now,
            || (!may_begin()).then_some(()),
            || {
                place.pace().begin(now);
                let (keys, place) = (self.clone(), place.clone());
                async move { keys.fly(&place).await }
            },
        )
    }

    /// Whether one more look may begin now for a stranger; if so, it is counted.
    fn may_begin(&self, now: BootTime) -> bool {
        let mut begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|at| now.since(*at) < COOLDOWN);
        if begun.len() >= MOST_LOOKS {
            return false;
        }
        begun.push(now);
        true
    }

    /// One look at one source after the other.
    async fn fly(&self, place: &Place) {
        let Inner { sources, context, .. } = &*self.0;
        let mut problems = Vec::new();
        for source in sources {
            let (kind, began) = (source.kind(), self.now());
            let etag = place.held().and_then(|held| held.etag.clone());
            let fetch = source.fetch(place.issuer(), etag.as_deref());
            let fetched = tokio::time::timeout(origin::PATIENCE, fetch).await;
            let fetched = fetched.unwrap_or(Err(FetchError::Timeout(origin::PATIENCE)));
            context.observer.event(&Event::KeysFetched(KeysFetched {
                issuer: place.issuer(),
                source: kind,
                result: fetched.as_ref().map(|_| ()),
                at: context.clock.wall(),
                took: self.now().since(began),
            }));
            match fetched {
                Ok(fetched) => return self.take(place, kind, fetched),
                Err(error) => problems.push(format!("{}: {error}", kind.as_str())),
            }
        }
        place.pace().fail(problems.join("; "), context.jitter);
    }

    fn take(&self, place: &Place, source: KeySource, fetched: fetch::Fetched) {
        let read_at = self.now();
        if let Some(date) = fetched.date {
            self.0.heard.hear(date, &*self.0.context.clock);
        }
        if let Some(key_age) = &self.0.key_age {
            key_age.observe_keys(place.issuer(), fetched.look(source));
        }
        let keys = match fetched.keys {
            Some(keys) => Arc::new(keys),
            // Not modified: what is held was read anew, so to speak.
            None => match place.held() {
                Some(held) => held.keys.clone(),
                None => return,
            },
        };
        let (etag, fresh_for) = (fetched.etag, fetched.fresh_for);
        let held = Held { keys, etag, read_at, fresh_for };
        let mut pace = place.pace();
        pace.succeed(|kid| held.has(kid));
        place.hold(held);
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("IssuerKeys");
        out.field("sources", &self.0.sources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

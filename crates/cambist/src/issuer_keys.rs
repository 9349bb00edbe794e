//! The issuer's keys: fetched as seldom as can be, kept when fetching fails.
//!
//! A look for keys is a *flight*: whoever needs it waits for the same one, and a caller that
//! hangs up changes nothing. After a good look the next may come after [`COOLDOWN`]; after a failed one
//! sooner, as long as somebody asks.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cambist_core::clock::{BootTime, Reading};
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::{Choice, KeyId, KeySet};

use crate::clock::Heard;
use crate::context::Context;
use crate::key_age::KeyAge;
use crate::observer::{KeySource, KeysOutcome};

mod fetch;
mod freshness;
mod place;
mod source;

use place::{Held, Place};

pub use fetch::FetchError;
pub use place::{COOLDOWN, KeysError};
pub use source::Source;

/// So many issuers' keys are kept. There is one as a rule; a token that names its own may name others.
const MOST_ISSUERS: usize = 8;

/// So many looks may begin within [`COOLDOWN`], whoever's keys are looked for: a little more than one
/// issuer that is down is looked at.
const MOST_LOOKS: usize = 12;

/// Keys that nobody asked for in this time are not looked after: longer than tokens live, since each
/// new one asks.
const IDLE: Duration = Duration::from_secs(48 * 3600);

/// The keys of one issuer, or of whichever issuer the token names if none is configured. Cheap to
/// clone; clones share what they hold.
#[derive(Clone)]
pub struct IssuerKeys(Arc<Inner>);

struct Inner {
    sources: Vec<Source>,
    key_age: Option<KeyAge>,
    context: Context,
    heard: Heard,
    // Copied on insert; readers take no lock.
    places: ArcSwap<Vec<Arc<Place>>>,
    // Held while the list is copied, and says when the last looks began.
    begun: Mutex<Vec<BootTime>>,
}

/// What is known of an issuer's keys, to judge a token by.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) keys: Arc<KeySet>,
    /// They were read before the name of the token's key was met, which is not among them.
    pub(crate) look_owed: bool,
}

impl IssuerKeys {
    /// Looks in these places, in this order, until one has a usable set.
    pub fn new(sources: Vec<Source>, context: Context) -> Self {
        Self::judged(sources, None, context)
    }

    /// The same, telling what is seen to `key_age`, if ages are to be judged.
    pub fn judged(sources: Vec<Source>, key_age: Option<KeyAge>, context: Context) -> Self {
        let heard = key_age.as_ref().map(|key_age| key_age.heard().clone()).unwrap_or_default();
        let (places, begun) = (ArcSwap::default(), Mutex::default());
        Self(Arc::new(Inner { sources, key_age, context, heard, places, begun }))
    }

    /// The issuer's keys, preferably with the one named `kid`.
    ///
    /// A held set that has the key is returned at once. Otherwise somebody looks again, at most once
    /// in [`COOLDOWN`]; what is held stays in use if that fails. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If nothing is held and nothing could be fetched.
    pub async fn with(
        &self,
        issuer: &IssuerUrl,
        kid: Option<&KeyId>,
    ) -> Result<Arc<KeySet>, KeysError> {
        let place = self.place(issuer);
        if let Some(held) = place.held()
            && !matches!(held.keys.choose(kid), Choice::Unknown)
        {
            self.renew(&place);
            return Ok(held.keys.clone());
        }
        self.look(&place).await;
        place.held().map(|held| held.keys.clone()).ok_or_else(|| place.problem())
    }

    /// The same for a token of our own, with whether somebody must look again before it is believed
    /// that no key has that name.
    pub(crate) async fn known(
        &self,
        issuer: &IssuerUrl,
        kid: Option<&KeyId>,
    ) -> Result<Known, KeysError> {
        let place = self.place(issuer);
        let looked = place.looked();
        let keys = self.with(issuer, kid).await?;
        let unknown = matches!(keys.choose(kid), Choice::Unknown);
        let look_owed = unknown && place.owes_a_look(kid, looked);
        Ok(Known { keys, look_owed })
    }

    /// The issuer's keys if they are others than these, after one more look if one may begin now: for
    /// whom these do not help, although they have a key of the right name.
    ///
    /// Must be called within a tokio runtime.
    pub async fn others(&self, issuer: &IssuerUrl, than: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let place = self.place(issuer);
        let others = || Some(place.held()?.keys.clone()).filter(|keys| !Arc::ptr_eq(keys, than));
        if let Some(others) = others() {
            return Some(others);
        }
        self.look(&place).await;
        others()
    }

    /// How long it is of no use to ask for this issuer's keys again; zero if a look may begin now.
    pub fn next_look_in(&self, issuer: &IssuerUrl) -> Duration {
        let now = self.now();
        self.place(issuer).next_look().max(next_of_all(&self.begun(), now)).since(now)
    }

    /// The held keys, fetched or not; for reports.
    pub fn peek(&self) -> Option<(IssuerUrl, Arc<KeySet>, BootTime)> {
        let places = self.0.places.load();
        let held = places.iter().filter_map(|place| Some((place.issuer(), place.held()?)));
        let (issuer, held) = held.max_by_key(|(_, held)| held.read_at)?;
        Some((issuer.clone(), held.keys.clone(), held.read_at))
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

    /// The place of an issuer's keys; a new one takes that of whom nobody asked for longest.
    fn place(&self, issuer: &IssuerUrl) -> Arc<Place> {
        let (now, of) = (self.now(), |place: &&Arc<Place>| place.issuer() == issuer);
        if let Some(place) = self.0.places.load().iter().find(of) {
            place.touch(now);
            return place.clone();
        }
        let _inserting = self.begun();
        let mut places = Vec::clone(&self.0.places.load());
        if let Some(place) = places.iter().find(of) {
            return place.clone();
        }
        if places.len() >= MOST_ISSUERS {
            let idlest = places.iter().enumerate().max_by_key(|(_, place)| place.idle(now));
            if let Some((at, _)) = idlest {
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
    async fn look(&self, place: &Arc<Place>) {
        // Without an outcome the flight was lost, and nothing was learnt.
        let _ = self.board(place).outcome().await;
    }

    fn board(&self, place: &Arc<Place>) -> crate::flight::Joined<()> {
        let now = self.now();
        let cooling = || (now < place.next_look() || !self.may_begin(now)).then_some(());
        place.flight().join(now, cooling, || {
            place.begin(now);
            let (keys, place) = (self.clone(), place.clone());
            async move { keys.fly(&place).await }
        })
    }

    /// Whether one more look may begin now, over all issuers; if so, it is counted.
    fn may_begin(&self, now: BootTime) -> bool {
        let mut begun = self.begun();
        let may = next_of_all(&begun, now) <= now;
        if may {
            begun.retain(|at| now.since(*at) < COOLDOWN);
            begun.push(now);
        }
        may
    }

    fn begun(&self) -> MutexGuard<'_, Vec<BootTime>> {
        self.0.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One look at one source after the other.
    async fn fly(&self, place: &Place) {
        let Inner { sources, context, .. } = &*self.0;
        let mut problems = Vec::new();
        for source in sources {
            let kind = source.kind();
            let etag = place.held().and_then(|held| held.etag.clone());
            let fetch = source.fetch(place.issuer(), etag.as_deref());
            let fetched = tokio::time::timeout(source::PATIENCE, fetch).await;
            match fetched.unwrap_or(Err(FetchError::Timeout(source::PATIENCE))) {
                Ok(fetched) => {
                    context.observer.keys_fetched(kind, KeysOutcome::Read, "");
                    return self.keep(place, kind, fetched);
                }
                Err(error) => {
                    let detail = error.to_string();
                    context.observer.keys_fetched(kind, KeysOutcome::Failed, &detail);
                    problems.push(format!("{}: {detail}", kind.as_str()));
                }
            }
        }
        place.failed(problems.join("; "), self.now(), context.jitter);
    }

    fn keep(&self, place: &Place, source: KeySource, fetched: fetch::Fetched) {
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
        place.read(Held { keys, etag, read_at, fresh_for });
    }
}

/// When the next look may begin, over all issuers, if the last ones began at these times.
fn next_of_all(begun: &[BootTime], now: BootTime) -> BootTime {
    // The oldest of those that leave no room for another.
    let oldest = begun.len().checked_sub(MOST_LOOKS).and_then(|at| begun.get(at));
    oldest.map_or(now, |oldest| *oldest + COOLDOWN)
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("IssuerKeys");
        out.field("sources", &self.0.sources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

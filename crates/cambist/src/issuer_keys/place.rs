//! One issuer's keys.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cambist_core::clock::BootTime;
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::{Choice, KeyId, KeySet};

use super::error::KeysError;
use super::pace::Pace;
use crate::flight::Flight;

#[derive(Debug)]
pub(super) struct Place {
    issuer: IssuerUrl,
    held: ArcSwapOption<Held>,
    pace: Mutex<Pace>,
    flight: Arc<Flight<()>>,
    // Seconds of boot time.
    last_asked: AtomicU64,
    // Somebody decided for this issuer: no stranger takes its place.
    kept: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) keys: Arc<KeySet>,
    pub(super) etag: Option<String>,
    pub(super) read_at: BootTime,
    pub(super) fresh_for: Duration,
}

/// For how long beyond its freshness a set goes on opening doors: as long as a token may live that a
/// withdrawn key signed.
const STALE: Duration = Duration::from_secs(24 * 3600);

impl Held {
    /// Whether it may be used now. What is the pod's own goes on with any set; what `opens` a door to
    /// others does not.
    pub(super) fn serves(&self, opens: bool, now: BootTime) -> bool {
        !opens || now.since(self.read_at) <= self.fresh_for.saturating_add(STALE)
    }

    pub(super) fn has(&self, kid: Option<&KeyId>) -> bool {
        !matches!(self.keys.choose(kid), Choice::Unknown)
    }
}

impl Place {
    pub(super) fn new(issuer: IssuerUrl, now: BootTime) -> Self {
        let place = Self {
            issuer,
            held: ArcSwapOption::empty(),
            pace: Mutex::default(),
            flight: Arc::new(Flight::new()),
            last_asked: AtomicU64::new(0),
            kept: AtomicBool::new(false),
        };
        place.touch(now);
        place
    }

    pub(super) fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    pub(super) fn hold(&self, held: Held) {
        self.held.store(Some(Arc::new(held)));
    }

    /// When what is held is to be read anew.
    pub(super) fn due_at(&self) -> Option<BootTime> {
        let held = self.held()?;
        Some((held.read_at + held.fresh_for).max(self.pace().next()))
    }

    pub(super) fn flight(&self) -> &Arc<Flight<()>> {
        &self.flight
    }

    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    pub(super) fn touch(&self, now: BootTime) {
        self.last_asked.store(now.since(BootTime::default()).as_secs(), Ordering::Relaxed);
    }

    pub(super) fn idle(&self, now: BootTime) -> Duration {
        let asked = Duration::from_secs(self.last_asked.load(Ordering::Relaxed));
        now.since(BootTime::from_origin(asked))
    }

    /// What is to be said now to somebody who has asked for this key since the look `since`.
    pub(super) fn answer(
        &self,
        kid: Option<&KeyId>,
        since: u64,
        opens: bool,
        now: BootTime,
    ) -> Result<Arc<KeySet>, KeysError> {
        let pace = self.pace();
        let again_in = pace.next().since(now);
        let unavailable = || Err(KeysError::unavailable(&self.issuer, pace.problem(), again_in));
        match self.held() {
            None => unavailable(),
            Some(held) if !held.serves(opens, now) => unavailable(),
            Some(held) if held.has(kid) => Ok(held.keys.clone()),
            // As long as looking fails, more is not to be had: the pod's own token goes on unchecked,
            // and nobody is let in or sent away for good.
            Some(_) if pace.problem().is_some() && opens => unavailable(),
            Some(held) if pace.problem().is_some() || pace.has_looked_since(since) => {
                Ok(held.keys.clone())
            }
            Some(_) => Err(KeysError::pending(&self.issuer, kid, again_in)),
        }
    }
}

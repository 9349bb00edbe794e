//! One issuer's keys, and when somebody may look for them again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cambist_core::clock::BootTime;
use cambist_core::foreign::Foreign;
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::KeySet;
use cambist_core::refresh::{Failure, Holding, Jitter, wait};

use crate::flight::Flight;

/// Least time between a good look for keys and the next, whatever asks for it: a flood of made-up
/// `kid`s costs the issuer one request in this time, and a genuine rotation is seen within it. After a
/// failed look the next may come within 5 seconds.
pub const COOLDOWN: Duration = Duration::from_secs(30);

/// No source gave a usable key set, and none is held: what each of them said.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no keys of the issuer {} could be had: {problems}", Foreign::new(.issuer.as_str()))]
pub struct KeysError {
    issuer: IssuerUrl,
    problems: String,
}

#[derive(Debug)]
pub(super) struct Place {
    issuer: IssuerUrl,
    held: ArcSwapOption<Held>,
    looks: Mutex<Looks>,
    flight: Arc<Flight<()>>,
    // Seconds of boot time.
    last_asked: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) keys: Arc<KeySet>,
    pub(super) etag: Option<String>,
    pub(super) read_at: BootTime,
    pub(super) fresh_for: Duration,
}

/// What became of the last looks.
#[derive(Debug, Default)]
struct Looks {
    next: BootTime,
    failed_in_a_row: u32,
    problem: Option<String>,
}

impl Place {
    pub(super) fn new(issuer: IssuerUrl, now: BootTime) -> Self {
        let place = Self {
            issuer,
            held: ArcSwapOption::empty(),
            looks: Mutex::default(),
            flight: Arc::new(Flight::new()),
            last_asked: AtomicU64::new(0),
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

    pub(super) fn flight(&self) -> &Arc<Flight<()>> {
        &self.flight
    }

    pub(super) fn touch(&self, now: BootTime) {
        self.last_asked.store(now.since(BootTime::default()).as_secs(), Ordering::Relaxed);
    }

    pub(super) fn idle(&self, now: BootTime) -> Duration {
        let asked = Duration::from_secs(self.last_asked.load(Ordering::Relaxed));
        now.since(BootTime::from_origin(asked))
    }

    /// When the next look may begin.
    pub(super) fn next_look(&self) -> BootTime {
        self.looks().next
    }

    /// A look begins. Should it be lost, the next one may come as after a good one.
    pub(super) fn begin(&self, now: BootTime) {
        self.looks().next = now + COOLDOWN;
    }

    /// The look brought a set.
    pub(super) fn read(&self, held: Held) {
        self.held.store(Some(Arc::new(held)));
        let mut looks = self.looks();
        (looks.failed_in_a_row, looks.problem) = (0, None);
    }

    /// The look brought nothing.
    pub(super) fn failed(&self, problem: String, now: BootTime, jitter: Jitter) {
        let mut looks = self.looks();
        looks.failed_in_a_row = looks.failed_in_a_row.saturating_add(1);
        looks.problem = Some(problem);
        // Counted from its end, or everybody would wait for an issuer that hangs.
        let pause = wait(Failure::Looking, looks.failed_in_a_row, Holding::Nothing, None, jitter);
        looks.next = now + pause;
    }

    /// Why nothing is held.
    pub(super) fn problem(&self) -> KeysError {
        let problem = self.looks().problem.clone();
        let problems = problem.unwrap_or_else(|| "they were not looked for yet".to_owned());
        KeysError { issuer: self.issuer.clone(), problems }
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

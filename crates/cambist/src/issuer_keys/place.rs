//! One issuer's keys, and when somebody may look for them again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cambist_core::clock::BootTime;
use cambist_core::foreign::Foreign;
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::{KeyId, KeySet};
use cambist_core::refresh::{Failure, Holding, Jitter, wait};

use crate::flight::Flight;

/// Least time between a good look for keys and the next, whatever asks for it: a flood of made-up
/// `kid`s costs the issuer one request in this time, and a genuine rotation is seen within it. After a
/// failed look the next may come within 5 seconds.
pub const COOLDOWN: Duration = Duration::from_secs(30);

/// So many names of keys that are not published are remembered. They come from our own tokens alone.
const MOST_UNKNOWN: usize = 8;

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
    /// How many came to an end.
    ended: u64,
    /// Names that no key had, with how many looks had ended when each was first met.
    unknown: VecDeque<(Option<KeyId>, u64)>,
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
        looks.ended += 1;
    }

    /// The look brought nothing.
    pub(super) fn failed(&self, problem: String, now: BootTime, jitter: Jitter) {
        let mut looks = self.looks();
        looks.failed_in_a_row = looks.failed_in_a_row.saturating_add(1);
        looks.problem = Some(problem);
        looks.ended += 1;
        // Counted from its end, or everybody would wait for an issuer that hangs.
        let pause = wait(Failure::Looking, looks.failed_in_a_row, Holding::Nothing, None, jitter);
        looks.next = now + pause;
    }

    /// How many looks there were.
    pub(super) fn looked(&self) -> u64 {
        self.looks().ended
    }

    /// Whether no look has ended since this name, which no held key has, was first met; now it was when
    /// `looked` had. While looks fail none is owed: there is nothing to be had by waiting.
    pub(super) fn owes_a_look(&self, kid: Option<&KeyId>, looked: u64) -> bool {
        let mut looks = self.looks();
        let met = looks.unknown.iter().find(|(name, _)| name.as_ref() == kid).map(|(_, met)| *met);
        let met = met.unwrap_or_else(|| {
            if looks.unknown.len() >= MOST_UNKNOWN {
                looks.unknown.pop_front();
            }
            looks.unknown.push_back((kid.cloned(), looked));
            looked
        });
        looks.failed_in_a_row == 0 && looks.ended == met
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

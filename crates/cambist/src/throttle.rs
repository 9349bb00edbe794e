//! Who asked to be left alone, and until when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cambist_core::clock::BootTime;
use cambist_core::refresh::{Failure, Holding, Jitter, Pause, wait};

use crate::error::Error;

/// So many pauses are remembered at once; beyond that, the one that ends first is given up.
const MOST: usize = 1000;

/// The pauses that Entra asked for, by identity: it throttles an application of a tenant, not a scope
/// and not a credential, so whoever asks as that one keeps the same pause. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle(Arc<Mutex<HashMap<Arc<str>, Paused>>>);

/// A pause and the error that it was asked with.
#[derive(Debug)]
struct Paused {
    pause: Pause,
    error: Error,
}

impl Paused {
    fn error(&self, now: BootTime) -> Error {
        self.error.with_retry_after(self.pause.left(now))
    }
}

impl Throttle {
    /// The error that a pause was asked with, while the pause lasts.
    pub(crate) fn paused(&self, who: &str, now: BootTime) -> Option<Error> {
        let pauses = self.pauses();
        let paused = pauses.get(who).filter(|paused| !paused.pause.left(now).is_zero())?;
        Some(paused.error(now))
    }

    /// The same, for whoever is to go now if there is none: one of them may be its probe.
    pub(crate) fn pausing(&self, who: &str, now: BootTime) -> Option<Error> {
        let mut pauses = self.pauses();
        let paused = pauses.get_mut(who)?;
        if !paused.pause.admits(now) {
            return Some(paused.error(now));
        }
        if paused.pause.is_over(now) {
            pauses.remove(who);
        }
        None
    }

    /// Ends the pause that a request of `sent` probed: it was granted.
    pub(crate) fn granted(&self, who: &str, sent: BootTime) {
        let mut pauses = self.pauses();
        if pauses.get(who).is_some_and(|paused| paused.pause.is_lifted_by(sent)) {
            pauses.remove(who);
        }
    }

    /// Takes up the pause that the refusal of a request of `sent` asks for, if it does.
    pub(crate) fn refused(
        &self,
        who: &Arc<str>,
        error: &Error,
        sent: BootTime,
        now: BootTime,
        jitter: Jitter,
    ) {
        let asked = error.asked_pause();
        let looping = error.failure() == Failure::Looping;
        let asked =
            looping.then(|| wait(Failure::Looping, 1, Holding::Nothing, asked, jitter)).or(asked);
        if let Some(asked) = asked {
            self.pause(who, error, sent, now, asked);
        }
    }

    fn pause(&self, who: &Arc<str>, error: &Error, sent: BootTime, now: BootTime, asked: Duration) {
        let mut pauses = self.pauses();
        if let Some(paused) = pauses.get_mut(who) {
            if paused.pause.asked_again(sent, now, asked) {
                paused.error = error.clone();
            }
            return;
        }
        if pauses.len() >= MOST {
            pauses.retain(|_, paused| !paused.pause.is_over(now));
        }
        if pauses.len() >= MOST {
            let first = pauses.iter().min_by_key(|(_, paused)| paused.pause.left(now));
            if let Some(first) = first.map(|(who, _)| who.clone()) {
                pauses.remove(&first);
            }
        }
        let paused = Paused { pause: Pause::new(now, asked), error: error.clone() };
        pauses.insert(who.clone(), paused);
    }

    fn pauses(&self) -> MutexGuard<'_, HashMap<Arc<str>, Paused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn of_more_pauses_than_are_kept_those_that_end_first_are_given_up() {
        let (throttle, now) = (Throttle::default(), BootTime::default());
        let error = Error::new(Kind::Lost);
        let name = |n: usize| -> Arc<str> { format!("tenant/{n}").into() };
        let pause = |n: usize| {
            // The first ones are the longest.
            let asked = Duration::from_millis(600_000 - n as u64);
            throttle.pause(&name(n), &error, now, now, asked);
        };
        (0..MOST + 20).for_each(pause);
        assert_eq!(throttle.pauses().len(), MOST);
        assert!(throttle.paused(&name(0), now).is_some());
        assert!(throttle.paused(&name(MOST - 1), now).is_none());
        let later = now + Duration::from_secs(601);
        throttle.pause(&name(5000), &error, later, later, Duration::from_secs(60));
        assert_eq!(throttle.pauses().len(), 1, "those that are over go first");
    }
}

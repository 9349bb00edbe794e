//! Since when the keys that sign are known.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cambist_core::clock::BootTime;
use cambist_core::jwks::KeyId;

/// So many keys are remembered, those used last: more than take turns while a cluster rotates.
const MOST: usize = 8;

/// The names of the keys that signed what was sent, each with the time when it first was.
#[derive(Debug, Default)]
pub(super) struct Signers(Mutex<Vec<(Option<KeyId>, BootTime)>>);

impl Signers {
    /// For how long a key has been known at `now`, when it signed again; not at all the first time.
    pub(super) fn known_for(&self, kid: Option<&KeyId>, now: BootTime) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = seen.iter().position(|(known, _)| known.as_ref() == kid);
        let this = at.map_or_else(|| (kid.cloned(), now), |at| seen.remove(at));
        let known_for = now.since(this.1);
        if seen.len() >= MOST {
            seen.remove(0);
        }
        seen.push(this);
        known_for
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_take_turns_are_each_known_since_their_first_time() {
        let (signers, at) =
            (Signers::default(), |secs| BootTime::from_origin(Duration::from_secs(secs)));
        let known = |name: &str, now| {
            let kid = KeyId::parse(name).unwrap();
            signers.known_for(Some(&kid), at(now)).as_secs()
        };
        assert_eq!([known("old", 10), known("new", 20), known("old", 30)], [0, 0, 20]);
        assert_eq!((signers.known_for(None, at(40)).as_secs(), known("new", 50)), (0, 30));
        for n in 0..MOST - 1 {
            known(&n.to_string(), 60);
        }
        assert_eq!((known("new", 70), known("old", 70)), (50, 0));
    }
}

//! Keys that were announced: who rotates says beforehand which key will appear.

use std::collections::BTreeMap;
use std::time::Duration;

use super::History;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// Most announcements that are kept, the latest ones.
const MOST: usize = 32;

/// That a key is expected. It ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Expectation {
    /// When it was announced. Of two announcements of a key the later one counts.
    pub at: UnixTime,
    /// The moment from which it is as if it had never been announced.
    pub until: UnixTime,
}

impl Expectation {
    /// Whether it is in force.
    pub fn holds(self, now: UnixTime) -> bool {
        now < self.until
    }
}

impl History {
    /// Announces `key` until a moment, in place of what was announced of it before.
    ///
    /// ```
    /// use cambist_core::clock::UnixTime;
    /// use cambist_core::jwks::Thumbprint;
    /// use cambist_key_age::History;
    ///
    /// let key = Thumbprint::of_spki(b"a key");
    /// let now = UnixTime::from_secs(1_795_407_225);
    /// let mut history = History::new("https://issuer.example/");
    /// history.expect(key, now, UnixTime::from_secs(1_795_500_000));
    /// assert!(history.expected(key).is_some_and(|announced| announced.holds(now)));
    /// ```
    pub fn expect(&mut self, key: Thumbprint, now: UnixTime, until: UnixTime) {
        self.sequence = self.sequence.saturating_add(1);
        // Whatever the clock of who announced it before said, this is said later.
        let after = |held: &Expectation| held.at + Duration::from_secs(1);
        let at = self.expected.get(&key).map_or(now, |held| after(held).max(now));
        self.expected.insert(key, Expectation { at, until });
        self.trim_expected();
    }

    /// What was announced of `key`, whether it is in force still or not.
    pub fn expected(&self, key: Thumbprint) -> Option<Expectation> {
        self.expected.get(&key).copied()
    }

    /// Every announcement on record.
    pub fn expectations(&self) -> &BTreeMap<Thumbprint, Expectation> {
        &self.expected
    }

    /// Takes in what another history of the issuer announces, and nothing else of it: of each key the later
    /// announcement.
    pub fn take_announcements(&mut self, other: &Self) {
        for (key, said) in &other.expected {
            self.expected
                .entry(*key)
                .and_modify(|held| *held = (*held).max(*said))
                .or_insert(*said);
        }
        self.trim_expected();
    }

    /// Keeps the latest. What is dropped would be dropped in every order of merging: those that are
    /// later stay so.
    fn trim_expected(&mut self) {
        while self.expected.len() > MOST {
            let earliest = self.expected.iter().map(|(key, said)| (*said, *key)).min();
            let Some((_, key)) = earliest else { return };
            self.expected.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ISSUER, NOW};
    use crate::vectors::{DAY, key};

    #[test]
    fn an_announcement_ends_by_itself_and_a_later_one_takes_its_place() {
        let mut history = History::new(ISSUER);
        history.expect(key(1), NOW, NOW + DAY);
        let said = history.expected(key(1)).unwrap();
        assert!(said.holds(NOW) && said.holds(NOW + DAY / 2) && !said.holds(NOW + DAY));
        let before = history.clone();
        // By a clock that lags, and shorter: said later all the same, in whatever order they are merged.
        history.expect(key(1), NOW - DAY, NOW + DAY / 4);
        assert!(!history.expected(key(1)).unwrap().holds(NOW + DAY / 2));
        let mut merged = before.clone();
        merged.merge(&history).unwrap();
        assert_eq!(merged.expectations(), history.expectations());
        history.merge(&before).unwrap();
        assert_eq!(merged.expectations(), history.expectations());
        assert_eq!(History::decode(&history.encode().unwrap()), Ok(history));
    }

    #[test]
    fn of_many_announcements_the_latest_are_kept() {
        let mut history = History::new(ISSUER);
        for name in 0..100 {
            history.expect(key(name), NOW + DAY * u32::from(name), NOW + DAY * 200);
        }
        assert_eq!(history.expectations().len(), MOST);
        assert!(history.expected(key(99)).is_some() && history.expected(key(0)).is_none());
    }
}

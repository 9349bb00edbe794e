//! The same trouble again and again, told once a minute and counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// For so many seconds what was told is not told again.
const MINUTE: u64 = 60;

/// So many troubles of one and the same are told apart; what is beyond is counted by its reason and whose it is.
const MOST_EACH: usize = 64;

/// So many of all, which is more than a hundred callers have.
const MOST: usize = 8192;

/// What was told lately, by its reason and what it was about.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<HashMap<Key, Told>>);

/// A reason's word, whose trouble it was, and what it was about; empty for everything that there was no room for.
type Key = (&'static str, Box<str>, Box<str>);

#[derive(Debug)]
struct Told {
    /// The second in which it was.
    at: u64,
    /// How often it came since, without being told.
    since: u64,
}

/// What came again after it was last told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) reason: &'static str,
    /// Whose it was.
    pub(super) who: Box<str>,
    /// What it was about; empty for several.
    pub(super) about: Box<str>,
    pub(super) times: u64,
}

impl Repeats {
    /// Whether to tell this now, in full, with the number of those that were not told since it last
    /// was. What some have in plenty hides nothing of others.
    pub(super) fn tell(
        &self,
        second: u64,
        reason: &'static str,
        who: &str,
        about: &str,
    ) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key: Key = (reason, who.into(), about.into());
        let room = || {
            all.len() < MOST
                && all.keys().filter(|(_, other, _)| **other == *who).count() < MOST_EACH
        };
        let known = all.contains_key(&key) || room();
        let key = if known { key } else { (reason, who.into(), Box::default()) };
        match all.get_mut(&key) {
            None => {
                all.insert(key, Told { at: second, since: 0 });
                Some(0)
            }
            Some(told) if second.saturating_sub(told.at) < MINUTE => {
                told.since += 1;
                None
            }
            Some(told) => {
                told.at = second;
                Some(std::mem::take(&mut told.since))
            }
        }
    }

    /// What has not come again for as long, and was not told to its end. It is forgotten.
    pub(super) fn over(&self, second: u64) -> Vec<Again> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let past = |told: &Told| second.saturating_sub(told.at) >= MINUTE;
        let over = all.extract_if(|_, told| past(told));
        let over = over.filter(|(_, told)| told.since > 0);
        over.map(|((reason, who, about), told)| Again { reason, who, about, times: told.since })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_one_a_second_is_a_line_a_minute() {
        let repeats = Repeats::default();
        let told: Vec<_> = (0..86_400)
            .filter_map(|s| repeats.tell(s, "entra_refused", "app", "api://a"))
            .collect();
        assert_eq!(told.len(), 1440);
        assert_eq!((told[0], told[1]), (0, 59));
        assert_eq!(repeats.over(86_399), [], "its minute is not over");
        let again = Again {
            reason: "entra_refused",
            who: "app".into(),
            about: "api://a".into(),
            times: 59,
        };
        assert_eq!(repeats.over(86_500), [again]);
        assert_eq!(repeats.tell(86_501, "entra_refused", "app", "api://a"), Some(0));
    }

    #[test]
    fn ever_new_resources_are_a_bounded_number_of_lines() {
        let repeats = Repeats::default();
        let tell = |n: u32| repeats.tell(7, "entra_refused", "app", &format!("api://{n}"));
        assert_eq!((0..100_000).filter_map(tell).count(), MOST_EACH + 1);
        assert_eq!(repeats.tell(7, "dns", "app", "api://new"), Some(0), "another reason is told");
        assert_eq!(
            repeats.tell(7, "entra_refused", "other", "api://1"),
            Some(0),
            "and another caller"
        );
        let over = repeats.over(67);
        let rest =
            Again { reason: "entra_refused", who: "app".into(), about: "".into(), times: 99_935 };
        assert_eq!(over, [rest]);
        assert!(repeats.over(67).is_empty());
    }
}

//! What is left of keys that no run remembers: enough that an old one never comes back young.

use std::collections::BTreeMap;

use crate::fact::Source;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// Most keys that are remembered so: ten years of weekly rotation, twice.
const MOST: usize = 1024;

const DAY: i64 = 24 * 3600;

/// The beginning of a thumbprint: nobody meets another's by chance, and who makes one makes his key old.
pub(super) type Prefix = [u8; 8];

/// A day, counted from 1970.
pub(super) type Day = i32;

/// On which day each forgotten key was first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    pub(super) days: BTreeMap<(Source, Prefix), Day>,
    /// There were more: of no key can be said that it was not seen before.
    pub(super) more: bool,
}

/// The day on which a forgotten key was first seen: its beginning and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstDay {
    pub(super) begins: UnixTime,
    pub(super) ends: UnixTime,
}

impl Forgotten {
    pub(super) fn first(&self, source: Source, key: Thumbprint) -> Option<FirstDay> {
        let day = i64::from(*self.days.get(&(source, prefix(key)))?);
        let begins = UnixTime::from_secs(day * DAY);
        Some(FirstDay { begins, ends: UnixTime::from_secs((day + 1) * DAY) })
    }

    pub(super) fn add(&mut self, source: Source, key: Thumbprint, first: UnixTime) {
        self.insert((source, prefix(key)), day(first));
        self.trim();
    }

    /// Both together: the earlier day of each key, and of too many keys those that were first.
    pub(super) fn join(&mut self, other: &Self) {
        self.more |= other.more;
        for (key, day) in &other.days {
            self.insert(*key, *day);
        }
        self.trim();
    }

    fn insert(&mut self, key: (Source, Prefix), day: Day) {
        self.days.entry(key).and_modify(|held| *held = (*held).min(day)).or_insert(day);
    }

    fn trim(&mut self) {
        if self.days.len() <= MOST {
            return;
        }
        let mut days: Vec<_> = self.days.iter().map(|(key, day)| (*day, *key)).collect();
        days.sort_unstable();
        days.truncate(MOST);
        self.days = days.into_iter().map(|(day, key)| (key, day)).collect();
        self.more = true;
    }
}

fn prefix(key: Thumbprint) -> Prefix {
    let mut out = Prefix::default();
    out.iter_mut().zip(key.as_bytes()).for_each(|(to, from)| *to = *from);
    out
}

fn day(moment: UnixTime) -> Day {
    let day = moment.as_secs().div_euclid(DAY);
    Day::try_from(day).unwrap_or(if day < 0 { Day::MIN } else { Day::MAX })
}

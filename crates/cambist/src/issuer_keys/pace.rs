//! When an issuer's keys may be looked for again, and what was asked for in vain: plain rules.

use std::collections::VecDeque;
use std::time::Duration;

use cambist_core::clock::BootTime;
use cambist_core::jwks::KeyId;
use cambist_core::refresh::{Failure, Holding, Jitter, wait};

/// Least time between a look that did not find the key it was for and the next: a flood of made-up `kid`s
/// costs the issuer one request in this time. A genuine rotation is seen at once, or within it if somebody
/// made up a name shortly before. After a look that failed the next may come within 5 seconds.
pub const COOLDOWN: Duration = Duration::from_secs(30);

/// So many names are remembered that no set had. Who makes more of them up only has his own wait longer.
const MOST_MISSING: usize = 16;

/// What became of the looks so far.
#[derive(Debug, Default)]
pub(super) struct Pace {
    began: BootTime,
    next: BootTime,
    /// How many looks have begun, and the number of the last good one that ended.
    looks: u64,
    last_good: u64,
    failed_in_a_row: u32,
    problem: Option<String>,
    missing: VecDeque<Missing>,
    /// How many names the look under way is for.
    sought: usize,
    /// From when on somebody may look because a key did not verify what it should have.
    next_doubt: BootTime,
}

/// A name that no set has, and how many looks had begun when it was asked for.
#[derive(Debug)]
struct Missing {
    name: Option<KeyId>,
    first: u64,
    last: u64,
    /// Whether the look under way is for it: asked for before that began, and after the one before did.
    sought: bool,
}

impl Pace {
    /// When the next look may begin.
    pub(super) fn next(&self) -> BootTime {
        self.next
    }

    /// A look begins. Should it be lost, the next one may come as after one in vain.
    pub(super) fn begin(&mut self, now: BootTime) {
        (self.began, self.next) = (now, now + COOLDOWN);
        self.sought = 0;
        for missing in &mut self.missing {
            missing.sought = missing.last >= self.last_good;
            self.sought += usize::from(missing.sought);
        }
        self.looks += 1;
    }

    /// The look brought a set that has these names, or the word that it still has them. A name that was
    /// asked for while it was under way may have been published since: that is the next look's matter.
    pub(super) fn succeed(&mut self, has: impl Fn(Option<&KeyId>) -> bool) {
        let mut found = 0;
        self.missing.retain(|missing| {
            let has = has(missing.name.as_ref());
            found += usize::from(has && missing.sought);
            !has
        });
        // What others have crowded out of the list counts as not found.
        if found == self.sought {
            self.next = self.began;
        }
        self.last_good = self.looks;
        (self.failed_in_a_row, self.problem) = (0, None);
    }

    /// The look brought nothing.
    pub(super) fn fail(&mut self, problem: String, jitter: Jitter) {
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.problem = Some(problem);
        // Counted from its beginning: a look that hung has taken its time already.
        let pause = wait(Failure::Looking, self.failed_in_a_row, Holding::Nothing, None, jitter);
        self.next = self.began + pause;
    }

    /// Why the last look failed, if it did.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// No set has this key. Tells since which look it has been asked for, for
    /// [`has_looked_since`](Self::has_looked_since).
    pub(super) fn misses(&mut self, kid: Option<&KeyId>) -> u64 {
        let now = self.looks;
        let known = self.missing.iter_mut().find(|missing| missing.name.as_ref() == kid);
        if let Some(missing) = known {
            missing.last = now;
            return missing.first;
        }
        self.missing.truncate(MOST_MISSING - 1);
        let name = kid.cloned();
        self.missing.push_front(Missing { name, first: now, last: now, sought: false });
        now
    }

    /// Whether somebody may look now because a key did not verify what it should have. That is a matter
    /// of its own: a forged token keeps no new name from being looked for.
    pub(super) fn may_doubt(&mut self, now: BootTime) -> bool {
        let may = now >= self.next && now >= self.next_doubt;
        if may {
            self.next_doubt = now + COOLDOWN;
        }
        may
    }

    /// Whether a good look began after that and has ended: if the key is in no set then, it is not
    /// published.
    pub(super) fn has_looked_since(&self, look: u64) -> bool {
        self.last_good > look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> BootTime {
        BootTime::from_origin(Duration::from_secs(secs))
    }

    /// The same set again, or none of these names.
    const NOTHING_NEW: fn(Option<&KeyId>) -> bool = |_| false;

    #[test]
    fn failed_looks_are_followed_soon_and_those_in_vain_after_a_cooldown() {
        let jitter = Jitter::of(b"pod");
        let mut pace = Pace::default();
        assert_eq!(pace.next(), at(0));
        for most in [1, 2, 4, 5, 5] {
            pace.begin(at(100));
            pace.fail("no".to_owned(), jitter);
            let pause = pace.next().since(at(100));
            let secs = Duration::from_secs(most);
            assert!(pause <= secs && pause > secs.mul_f64(0.74), "{pause:?}");
        }
        assert_eq!(pace.problem(), Some("no"));
        pace.begin(at(200));
        assert_eq!((pace.next(), pace.problem()), (at(230), Some("no")), "lost so far");
        pace.succeed(NOTHING_NEW);
        assert_eq!((pace.next(), pace.problem()), (at(200), None), "nobody missed anything");
        // What was found costs nothing, what was not a cooldown.
        let (new, made_up) = (KeyId::parse("new"), KeyId::parse("made-up"));
        pace.misses(new.as_ref());
        pace.begin(at(201));
        pace.succeed(|kid| kid == new.as_ref());
        assert_eq!(pace.next(), at(201));
        for asked in [202, 232] {
            pace.misses(made_up.as_ref());
            pace.begin(at(asked));
            pace.succeed(|kid| kid == new.as_ref());
            assert_eq!(pace.next(), at(asked + 30));
        }
        pace.begin(at(262));
        pace.succeed(NOTHING_NEW);
        assert_eq!(pace.next(), at(262), "asked for before, not now");
        assert!(pace.may_doubt(at(263)));
        pace.begin(at(263));
        pace.succeed(NOTHING_NEW);
        assert_eq!(pace.next(), at(263));
        assert!(!pace.may_doubt(at(292)) && pace.may_doubt(at(293)));
        pace.begin(at(330));
        assert!(!pace.may_doubt(at(359)), "nor before any look may begin");
    }

    /// A look says nothing of what was published while it was under way.
    #[test]
    fn who_asks_during_a_look_waits_for_the_next_one_which_may_begin_at_once() {
        let kid = |n: usize| KeyId::parse(&format!("key-{n}"));
        let mut pace = Pace::default();
        pace.misses(kid(1).as_ref());
        pace.begin(at(100));
        let since = pace.misses(kid(2).as_ref());
        pace.succeed(|name| name == kid(1).as_ref());
        assert!(!pace.has_looked_since(since) && pace.next() == at(100));
        // Asked for again and again, a made-up name is sought all the same.
        pace.begin(at(101));
        assert_eq!(pace.misses(kid(2).as_ref()), since);
        pace.succeed(NOTHING_NEW);
        assert!(pace.has_looked_since(since) && pace.next() == at(131));
        // Nor does a crowd of new names hide it.
        pace.misses(kid(3).as_ref());
        pace.begin(at(131));
        for n in 4..100 {
            pace.misses(kid(n).as_ref());
        }
        pace.succeed(NOTHING_NEW);
        assert_eq!(pace.next(), at(161));
    }

    #[test]
    fn a_name_is_settled_by_a_good_look_after_it_was_first_asked_for() {
        let kid = |n: usize| KeyId::parse(&format!("made-up-{n}"));
        let is_settled = |pace: &mut Pace, kid: Option<KeyId>| {
            let since = pace.misses(kid.as_ref());
            pace.has_looked_since(since)
        };
        let mut pace = Pace::default();
        pace.begin(at(0));
        pace.succeed(NOTHING_NEW);
        let since = pace.misses(kid(1).as_ref());
        assert!(!pace.has_looked_since(since));
        pace.begin(at(30));
        pace.fail("no".to_owned(), Jitter::of(b"pod"));
        assert!(!is_settled(&mut pace, kid(1)));
        pace.begin(at(31));
        pace.succeed(NOTHING_NEW);
        assert!(is_settled(&mut pace, kid(1)));
        assert!(!is_settled(&mut pace, kid(2)));
        for n in 3..10_000 {
            assert!(!is_settled(&mut pace, kid(n)));
        }
        assert_eq!(pace.missing.len(), MOST_MISSING);
        // Forgotten, it waits for a look again.
        assert!(!is_settled(&mut pace, kid(1)));
        assert!(!is_settled(&mut pace, None));
    }
}

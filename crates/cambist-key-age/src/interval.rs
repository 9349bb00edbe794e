//! Interval arithmetic: from facts to how old a key is, at least and at most.

use std::time::Duration;

use serde::Serialize;

use super::fact::{Evidence, Fact, Grade, Subject};
use super::policy::AgeBasis;
use super::serial;
use cambist_core::clock::UnixTime;

/// How old something is: at least this, and at most that, or nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "an interval has two ends")]
pub struct Age {
    /// Proven to be at least this old.
    #[serde(serialize_with = "serial::seconds::serialize", rename = "atLeastSeconds")]
    pub at_least: Duration,
    /// Proven to be at most this old; `None` if there is no bound.
    #[serde(serialize_with = "serial::maybe_seconds::serialize", rename = "atMostSeconds")]
    pub at_most: Option<Duration>,
}

impl Age {
    /// The interval for clocks that may differ by `error`.
    ///
    /// ```
    /// use cambist_key_age::interval::Age;
    /// use std::time::Duration;
    ///
    /// let age = Age { at_least: Duration::from_secs(60), at_most: Some(Duration::from_secs(90)) };
    /// let wide = age.widen(Duration::from_secs(70));
    /// assert_eq!((wide.at_least.as_secs(), wide.at_most.unwrap().as_secs()), (0, 160));
    /// ```
    #[must_use]
    pub fn widen(self, error: Duration) -> Self {
        Self {
            at_least: self.at_least.saturating_sub(error),
            at_most: self.at_most.map(|most| most.saturating_add(error)),
        }
    }

    fn since(now: UnixTime, by: Option<UnixTime>, not_before: Option<UnixTime>) -> Self {
        Self {
            at_least: by.map_or(Duration::ZERO, |by| now.since(by)),
            at_most: not_before.map(|not_before| now.since(not_before)),
        }
    }
}

/// Two facts that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Conflict {
    /// Says that it had not happened yet.
    pub not_before: Fact,
    /// Says that it already had.
    pub not_after: Fact,
}

/// The facts that bound a key's dates most tightly.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Witnesses<'a> {
    born_after: Option<&'a Fact>,
    born_by: Option<&'a Fact>,
    trusted_after: Option<&'a Fact>,
    trusted_by: Option<&'a Fact>,
    signing_after: Option<&'a Fact>,
    signing_by: Option<&'a Fact>,
}

impl<'a> Witnesses<'a> {
    /// Intersects the facts on one key: what shows that it is old needs the grade `old`, what shows
    /// that it is young the grade `young`, and what says that it is of tomorrow says nothing.
    pub(super) fn gather(facts: &[&'a Fact], (old, young): (Grade, Grade), now: UnixTime) -> Self {
        let mut out = Self::default();
        for fact in facts.iter().copied() {
            if fact.grade >= old && fact.not_after.is_some() {
                // A key was made before anything else can have happened to it.
                earliest(&mut out.born_by, fact);
                match fact.subject {
                    Subject::Trusted => earliest(&mut out.trusted_by, fact),
                    Subject::Signing => earliest(&mut out.signing_by, fact),
                    Subject::Born | Subject::Retired => {}
                }
            }
            if fact.grade >= young && fact.not_before.is_some_and(|moment| moment <= now) {
                match fact.subject {
                    Subject::Born => {
                        latest(&mut out.born_after, fact);
                        latest(&mut out.trusted_after, fact);
                        latest(&mut out.signing_after, fact);
                    }
                    Subject::Trusted => latest(&mut out.trusted_after, fact),
                    Subject::Signing => latest(&mut out.signing_after, fact),
                    Subject::Retired => {}
                }
            }
        }
        out
    }

    /// How long others have trusted it.
    pub(super) fn trust(&self, now: UnixTime) -> Age {
        Age::since(now, by(self.trusted_by), after(self.trusted_after))
    }

    /// How long it has existed.
    pub(super) fn material(&self, now: UnixTime) -> Age {
        Age::since(now, by(self.born_by), after(self.born_after))
    }

    /// The fact that shows it to be old, on this basis.
    pub(super) fn old(&self, basis: AgeBasis) -> Option<&'a Fact> {
        match basis {
            AgeBasis::Conservative | AgeBasis::Material => self.born_by,
            AgeBasis::Trust => self.trusted_by,
            AgeBasis::Activation => self.signing_by,
        }
    }

    /// The fact that shows it to be young, on this basis.
    pub(super) fn young(&self, basis: AgeBasis) -> Option<&'a Fact> {
        match basis {
            AgeBasis::Conservative | AgeBasis::Trust => self.trusted_after,
            AgeBasis::Material => self.born_after,
            AgeBasis::Activation => self.signing_after,
        }
    }

    /// The interval that a policy judges.
    pub(super) fn age(&self, basis: AgeBasis, now: UnixTime) -> Age {
        Age::since(now, by(self.old(basis)), after(self.young(basis)))
    }

    /// When it began to be trusted, by these facts.
    pub(super) fn trusted_since(&self) -> (Option<UnixTime>, Option<UnixTime>) {
        (after(self.trusted_after), by(self.trusted_by))
    }

    /// The pairs of facts that contradict each other by more than `error`. (Dates of first signing
    /// are no contradiction: while API servers restart one by one, two keys sign by turns.)
    pub(super) fn conflicts(&self, error: Duration) -> Vec<Conflict> {
        let pairs = [
            (self.born_after, self.born_by),
            (self.trusted_after, self.trusted_by),
            (self.born_after, self.trusted_by),
        ];
        let mut out: Vec<Conflict> = Vec::new();
        for (late, early) in pairs.into_iter().filter_map(|(late, early)| late.zip(early)) {
            let apart = after(Some(late)) > by(Some(early)).map(|moment| moment + error);
            let conflict = Conflict { not_before: late.clone(), not_after: early.clone() };
            if apart && !out.contains(&conflict) {
                out.push(conflict);
            }
        }
        out
    }
}

/// The dates served with a key that looks at the key set show to be wrong by more than `error`, each
/// with the look: a set "not changed since" a moment before it was seen without the key, and a key
/// that dates itself after it was seen.
pub(super) fn disputes(facts: &[&Fact], error: Duration) -> Vec<Conflict> {
    let looks = |source| {
        facts.iter().filter(move |fact| fact.source == source && fact.grade >= Grade::Attested)
    };
    let absent = looks(Evidence::E2).max_by_key(|fact| (fact.not_before, fact.grade));
    let seen = looks(Evidence::E1).filter(|fact| fact.not_after.is_some());
    let seen = seen.min_by_key(|fact| (fact.not_after, std::cmp::Reverse(fact.grade)));
    let dispute = |fact: &&Fact| {
        let (late, early): (&Fact, &Fact) = match fact.source {
            Evidence::E6 => (absent?, fact),
            Evidence::E5 => (fact, seen?),
            _ => return None,
        };
        let apart = late.not_before? > early.not_after? + error;
        apart.then(|| Conflict { not_before: late.clone(), not_after: early.clone() })
    };
    facts.iter().filter(|fact| fact.grade < Grade::Attested).filter_map(dispute).collect()
}

impl Conflict {
    /// Whether this is the fact that gives way.
    pub(super) fn refutes(&self, fact: &Fact) -> bool {
        fact.grade < Grade::Attested && (self.not_before == *fact || self.not_after == *fact)
    }
}

fn by(fact: Option<&Fact>) -> Option<UnixTime> {
    fact.and_then(|fact| fact.not_after)
}

fn after(fact: Option<&Fact>) -> Option<UnixTime> {
    fact.and_then(|fact| fact.not_before)
}

/// Keeps the earlier upper bound; of equal ones, the better known.
fn earliest<'a>(held: &mut Option<&'a Fact>, fact: &'a Fact) {
    let better = |old: &Fact| {
        (fact.not_after, std::cmp::Reverse(fact.grade))
            < (old.not_after, std::cmp::Reverse(old.grade))
    };
    if held.is_none_or(better) {
        *held = Some(fact);
    }
}

/// Keeps the later lower bound; of equal ones, the better known.
fn latest<'a>(held: &mut Option<&'a Fact>, fact: &'a Fact) {
    if held.is_none_or(|old| (fact.not_before, fact.grade) > (old.not_before, old.grade)) {
        *held = Some(fact);
    }
}

//! Verdicts, and the rule that makes them from an age.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::interval::Age;
use super::policy::Limits;
use super::role::Role;
use cambist_core::clock::UnixTime;

/// What is to be said of a key or an issuer, the mildest first. A closed scale: exit codes, alerts and
/// metrics are made of it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
#[expect(clippy::exhaustive_enums, reason = "exit codes, metrics and alerts hang on each of them")]
pub enum Verdict {
    /// Shown to be within the policy.
    Ok,
    /// Nothing is shown, either way.
    #[default]
    Unknown,
    /// Shown to need replacement.
    Due,
    /// Shown to be in use beyond its end.
    Overdue,
    /// Something contradicts itself or looks like somebody else's hand.
    Suspect,
}

impl Verdict {
    /// Every verdict, the best first.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Unknown, Self::Due, Self::Overdue, Self::Suspect];

    /// The word it is printed by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Due => "DUE",
            Self::Overdue => "OVERDUE",
            Self::Suspect => "SUSPECT",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The limits with the grace added, and how far clocks may be wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    rotate: Duration,
    expire: Duration,
    error: Duration,
    doubt: Duration,
}

impl Bar {
    /// With clocks that may be wrong by `error` where a key is shown to be old, and by `doubt` where it is
    /// shown to be young.
    pub(super) fn new(
        limits: Limits,
        grace: Duration,
        (error, doubt): (Duration, Duration),
    ) -> Self {
        Self {
            rotate: limits.rotate_after().saturating_add(grace),
            expire: limits.expire_after().saturating_add(grace),
            error,
            doubt,
        }
    }

    /// Whether a key of this age is too old to sign.
    pub(super) fn too_old_to_sign(self, age: Age) -> bool {
        age.widen(self.error).at_least > self.rotate
    }

    /// Judges an age. `none_young` says that every published key is too old to sign, so that
    /// whichever signs is due.
    pub(super) fn judge(self, role: Role, age: Age, none_young: bool) -> Verdict {
        let limit = match role {
            Role::Signer | Role::Ghost | Role::Unknown => self.rotate,
            Role::Verifier | Role::Next => self.expire,
        };
        let due = match role {
            Role::Signer | Role::Ghost => self.too_old_to_sign(age),
            Role::Unknown => none_young,
            Role::Verifier | Role::Next => false,
        };
        // Of a key made long before it was published, "at least" exceeds "at most"; the former
        // judges. It also keeps a clock found to be wrong from turning OVERDUE into OK.
        let young = |most: Duration| most.max(age.at_least).saturating_add(self.doubt) <= limit;
        if age.widen(self.error).at_least > self.expire {
            Verdict::Overdue
        } else if due {
            Verdict::Due
        } else if age.at_most.is_some_and(young) {
            Verdict::Ok
        } else {
            Verdict::Unknown
        }
    }

    /// When a key of this role, known to exist by `by` and still unknown, is decided against.
    /// `youngest` is by when every published key is known to exist.
    pub(super) fn decides(self, role: Role, by: UnixTime, youngest: Option<UnixTime>) -> UnixTime {
        let at = |by: UnixTime, limit: Duration| by + limit.saturating_add(self.error);
        let expires = at(by, self.expire);
        match role {
            Role::Signer | Role::Ghost => at(by, self.rotate),
            Role::Verifier | Role::Next => expires,
            Role::Unknown => youngest.map_or(expires, |by| at(by, self.rotate).min(expires)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn verdict(role: Role, at_least: u32, at_most: Option<u32>) -> Verdict {
        let bar = Bar::new(Limits::AZURE_LOCAL, DAY * 3, (Duration::ZERO, Duration::ZERO));
        let age = Age { at_least: DAY * at_least, at_most: at_most.map(|days| DAY * days) };
        bar.judge(role, age, bar.too_old_to_sign(age))
    }

    #[test]
    fn each_role_has_its_limits() {
        use Verdict::{Due, Ok, Overdue, Unknown};
        for (role, at_least, at_most, expected) in [
            (Role::Signer, 94, None, Overdue),
            (Role::Signer, 93, None, Due),
            (Role::Signer, 49, None, Due),
            (Role::Signer, 48, None, Unknown),
            (Role::Signer, 48, Some(48), Ok),
            (Role::Signer, 10, Some(49), Unknown),
            (Role::Ghost, 49, None, Due),
            (Role::Verifier, 94, None, Overdue),
            (Role::Verifier, 93, Some(93), Ok),
            (Role::Verifier, 60, None, Unknown),
            (Role::Next, 1, Some(2), Ok),
            (Role::Unknown, 94, None, Overdue),
            (Role::Unknown, 60, None, Due),
            (Role::Unknown, 10, Some(11), Ok),
            (Role::Unknown, 10, Some(60), Unknown),
            // Made long before it was published: judged by its making.
            (Role::Signer, 50, Some(10), Due),
        ] {
            assert_eq!(verdict(role, at_least, at_most), expected, "{role} {at_least} {at_most:?}");
        }
    }

    #[test]
    fn the_worst_wins() {
        use Verdict::{Due, Ok, Overdue, Suspect, Unknown};
        assert!(Ok < Unknown && Unknown < Due && Due < Overdue && Overdue < Suspect);
    }
}

//! Rotation: the order in which a signing key is replaced without an outage, and its dates.
//!
//! Two rules make every order. Nothing signs that is not yet known everywhere: to all API servers,
//! or one of them refuses the others' tokens, and to those who read the published set, caches
//! included. And nothing is withdrawn that still vouches for a token which somebody holds.

use std::fmt;
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration::exact;
use serde::Serialize;

use super::platform::Platform;
use super::policy::Limits;

pub mod gate;
mod steps;

/// What a step brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever carries out or explains the steps of a rotation has to know each"
)]
pub enum Act {
    /// Every API server accepts tokens that the new key signs.
    Accept,
    /// The published set shows the new key.
    Publish,
    /// The API servers sign with the new key.
    Sign,
    /// The published set no longer shows the old key.
    Withdraw,
    /// No API server accepts tokens of the old key.
    Drop,
}

impl Act {
    /// Every act, in the order that is always safe.
    pub const ALL: [Self; 5] =
        [Self::Accept, Self::Publish, Self::Sign, Self::Withdraw, Self::Drop];

    /// In words, for a reader.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept the new key on every API server",
            Self::Publish => "publish the new key beside the old one",
            Self::Sign => "sign with the new key",
            Self::Withdraw => "publish the new key alone",
            Self::Drop => "no longer accept the old key",
        }
    }

    /// What asks whether it is safe now.
    pub const fn gate(self) -> Option<Gate> {
        match self {
            Self::Publish => Some(Gate::Publish),
            Self::Sign => Some(Gate::Sign),
            Self::Withdraw => Some(Gate::Retire),
            Self::Accept | Self::Drop => None,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A point of a rotation at which one has to look before one goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Gate {
    /// May the new key be published? Every API server accepts it.
    Publish,
    /// May the new key sign? It was public for as long as anybody caches the set.
    Sign,
    /// May the old key be withdrawn? Nothing that it signed is alive.
    Retire,
}

impl Gate {
    /// Every gate, in order.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Sign, Self::Retire];

    /// The word it is called by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Sign => "sign",
            Self::Retire => "retire",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step: what somebody does, and what that brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// What it brings about; more than one where the platform does them together.
    pub acts: &'static [Act],
    /// What to do there.
    pub how: &'static str,
}

/// How a platform's signing key is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Course {
    /// The platform does it by itself; nobody else has to.
    Automatic(&'static str),
    /// Steps for whoever runs the cluster.
    Steps {
        /// In order.
        steps: &'static [Step],
        /// What to know before one begins.
        note: Option<&'static str>,
    },
}

impl Course {
    /// How it is done on `platform`.
    pub const fn of(platform: Platform) -> Self {
        steps::of(platform)
    }
}

/// The times that a rotation reckons with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever plans chooses each of them")]
pub struct Times {
    /// When the new key is to be published.
    pub publish: UnixTime,
    /// For how long a relying party may go on with the set as it was. Entra documents no bound, and
    /// was seen to take an hour and more: a day is safe.
    pub cache: Duration,
    /// The longest life of a token.
    pub life: Duration,
    /// What to add before the old key is withdrawn.
    pub margin: Duration,
    /// When keys have to be replaced and gone, if that is limited.
    pub limits: Option<Limits>,
}

/// A step with its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dated {
    /// The earliest moment.
    pub at: UnixTime,
    /// The step.
    pub step: Step,
}

/// A rotation that does not fit the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The old key would be public for longer than it may.
    #[error(
        "a key that is replaced after {} and withdrawn {} later is public for {}, and may be for {}: shorten --max-token-ttl or --margin, or replace it earlier",
        exact(.limits.rotate_after()), exact(*overlap), exact(.limits.rotate_after().saturating_add(*overlap)), exact(.limits.expire_after())
    )]
    Expires {
        /// The limits.
        limits: Limits,
        /// For how long the old key stays public after it signed last.
        overlap: Duration,
    },
    /// The next rotation would have to begin before this one.
    #[error(
        "a key has to be public for {} before it signs, and to be replaced after {}: rotate less often, or show that caches are shorter",
        exact(*cache), exact(.limits.rotate_after())
    )]
    TooOften {
        /// The limits.
        limits: Limits,
        /// For how long caches hold a set.
        cache: Duration,
    },
}

impl Times {
    /// When the new key may sign.
    pub fn sign(&self) -> UnixTime {
        self.publish + self.cache
    }

    /// For how long the old key stays public after it signed last.
    pub fn overlap(&self) -> Duration {
        self.life.saturating_add(self.margin)
    }

    /// When the old key may be withdrawn.
    pub fn withdraw(&self) -> UnixTime {
        self.sign() + self.overlap()
    }

    /// When the next new key has to be published, so that it signs before this one is too old. The
    /// age of a key counts from its publication.
    pub fn next(&self) -> Option<UnixTime> {
        let limits = self.limits?;
        Some(self.publish + limits.rotate_after().saturating_sub(self.cache))
    }

    /// The steps with their dates.
    pub fn date(&self, steps: &[Step]) -> Vec<Dated> {
        let at = |step: &Step| {
            let due = step.acts.iter().map(|act| match act {
                Act::Accept | Act::Publish => self.publish,
                // What a platform does in one go cannot wait in its middle.
                Act::Sign if step.acts.contains(&Act::Publish) => self.publish,
                Act::Sign => self.sign(),
                Act::Withdraw | Act::Drop => self.withdraw(),
            });
            due.max().unwrap_or(self.publish)
        };
        steps.iter().map(|step| Dated { at: at(step), step: *step }).collect()
    }

    /// Whether it can be repeated for ever within the limits.
    ///
    /// # Errors
    /// If a key would be public for longer than it may, or the next rotation would have to begin
    /// before this one.
    pub fn fit(&self) -> Result<(), Misfit> {
        let Some(limits) = self.limits else { return Ok(()) };
        if limits.rotate_after() <= self.cache {
            return Err(Misfit::TooOften { limits, cache: self.cache });
        }
        let overlap = self.overlap();
        if limits.rotate_after().saturating_add(overlap) > limits.expire_after() {
            return Err(Misfit::Expires { limits, overlap });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

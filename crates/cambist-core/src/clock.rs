//! Time, as an argument.
//!
//! Two clocks matter and they are not interchangeable, so they have different types. [`UnixTime`]
//! is what tokens and certificates are dated with; somebody may set it, at any moment, to anything.
//! [`BootTime`] only ever moves forward, at the rate of real time, also while the machine sleeps;
//! it measures how long something has been held. A [`Reading`] is a moment of the former and how
//! wrong it may be.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment of the wall clock, in whole seconds since 1970-01-01T00:00:00Z.
///
/// Whole seconds because that is what RFC 7519's `NumericDate` is in every Kubernetes token.
///
/// ```
/// use cambist_core::clock::UnixTime;
/// use std::time::Duration;
///
/// let issued = UnixTime::from_secs(1_795_407_225);
/// assert_eq!(issued.to_string(), "2026-11-23T04:13:45Z");
/// assert_eq!((issued + Duration::from_secs(60)).since(issued), Duration::from_secs(60));
/// // Time that runs backwards is no time at all, never a panic or a wrap.
/// assert_eq!(issued.since(issued + Duration::from_secs(60)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The moment `secs` seconds after the epoch (before it, if negative).
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs)
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The distance between two moments, whichever comes first.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_secs(self.0.abs_diff(other.0))
    }
}

impl std::ops::Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(rhs.as_secs()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for UnixTime {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(rhs.as_secs()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for UnixTime {
    /// RFC 3339 in UTC; a moment outside the calendar's years prints as its seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(at) => at.fmt(f),
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

/// A moment by somebody's wall clock, and how wrong that may be.
///
/// What nobody else can check must be dated by it: that a key was seen, or that a key is too old.
///
/// ```
/// use cambist_core::clock::{Reading, UnixTime};
/// use std::time::Duration;
///
/// // An https server said what time it is, an hour ago by the clock that nobody sets.
/// let said = Reading::alone(UnixTime::from_secs(1_795_407_225));
/// let now = said.carried(Duration::from_secs(3600));
/// assert_eq!(now.at(), UnixTime::from_secs(1_795_410_825));
/// assert_eq!(now.error(), Duration::from_millis(360));
/// // Meanwhile somebody set this machine's wall clock a day back.
/// let wall = Reading::against(UnixTime::from_secs(1_795_324_425), now);
/// assert_eq!(wall.error().as_secs(), 86_400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    at: UnixTime,
    error: Duration,
}

/// What a boot clock may lose or gain, as a share: 100 ppm, several times what a quartz does.
const DRIFT: u32 = 10_000;

impl Reading {
    /// A moment that may be wrong by `error` either way.
    pub const fn new(at: UnixTime, error: Duration) -> Self {
        Self { at, error }
    }

    /// A moment by a clock that was held against no other.
    pub const fn alone(at: UnixTime) -> Self {
        Self::new(at, Duration::ZERO)
    }

    /// A moment by a clock that was held against another: it may be wrong by as much as they differ,
    /// and by as much as the other may be.
    pub fn against(at: UnixTime, other: Self) -> Self {
        Self::new(at, at.distance(other.at).saturating_add(other.error))
    }

    /// The moment that the same clock would show now, `since` later by the boot clock.
    #[must_use]
    pub fn carried(self, since: Duration) -> Self {
        Self::new(self.at + since, self.error.saturating_add(since / DRIFT))
    }

    /// The moment.
    pub const fn at(self) -> UnixTime {
        self.at
    }

    /// How wrong it may be, either way.
    pub const fn error(self) -> Duration {
        self.error
    }
}

/// A reading of a clock that starts somewhere, never goes back, and runs through suspend.
///
/// ```
/// use cambist_core::clock::BootTime;
/// use std::time::Duration;
///
/// let sent = BootTime::from_origin(Duration::from_secs(100));
/// let now = sent + Duration::from_secs(5);
/// assert_eq!(now.since(sent), Duration::from_secs(5));
/// assert_eq!(sent.since(now), Duration::ZERO);
/// ```
///
/// The default is the clock's origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(Duration);

impl BootTime {
    /// A reading `since_origin` after the clock's unknowable start.
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// How much later than `earlier` this reading is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

/// Where the time comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock: for tokens' claims, key age and what is printed.
    fn wall(&self) -> UnixTime;

    /// The wall clock in milliseconds since 1970, for what is told and nothing else. A clock that knows no better
    /// tells whole seconds.
    fn wall_millis(&self) -> i64 {
        self.wall().as_secs().saturating_mul(1000)
    }

    /// The clock that runs through suspend: for how long a token is still held.
    fn boot(&self) -> BootTime;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let end = UnixTime::from_secs(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(end.since(UnixTime::from_secs(i64::MIN)).as_secs(), i64::MAX as u64);
        assert_eq!(end.to_string(), format!("@{}", i64::MAX));
        let boot = BootTime::from_origin(Duration::MAX);
        assert_eq!(boot + Duration::from_secs(1), boot);
    }
}

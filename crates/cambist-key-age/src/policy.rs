//! How old a key may be, and how well one must know.

use std::time::Duration;

use cambist_core::duration::exact;
use serde::{Deserialize, Serialize};

use super::fact::Grade;
use super::platform::Platform;
use super::serial::seconds;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// From which event a key's age is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AgeBasis {
    /// Existence makes a key old, publication keeps it young: the strictest reading of both.
    #[default]
    Conservative,
    /// First publication.
    Trust,
    /// The making of the key pair. From outside it has no upper bound, so it never yields OK.
    Material,
    /// The first token it signed.
    Activation,
}

impl AgeBasis {
    const ALL: [Self; 4] = [Self::Conservative, Self::Trust, Self::Material, Self::Activation];

    /// The word it is configured by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conservative => "conservative",
            Self::Trust => "trust",
            Self::Material => "material",
            Self::Activation => "activation",
        }
    }
}

impl std::str::FromStr for AgeBasis {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == text).ok_or(())
    }
}

/// When a key must have been replaced, and when it must be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    #[serde(with = "seconds", rename = "rotateAfterSeconds")]
    rotate_after: Duration,
    #[serde(with = "seconds", rename = "expireAfterSeconds")]
    expire_after: Duration,
}

/// Limits that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key that must be gone after {} must be replaced before that, but is to be replaced after {}: lower the one or raise the other",
    exact(*expire_after),
    exact(*rotate_after)
)]
pub struct LimitsError {
    rotate_after: Duration,
    expire_after: Duration,
}

impl Limits {
    /// 45 and 90 days: Microsoft's numbers for Azure Local and for the AKS Edge key manager.
    pub const AZURE_LOCAL: Self =
        Self { rotate_after: DAY.saturating_mul(45), expire_after: DAY.saturating_mul(90) };

    /// 90 days, Microsoft's number for k3s connected through Azure Arc, and a fortnight for the old key to go.
    pub const ARC_K3S: Self =
        Self { rotate_after: DAY.saturating_mul(90), expire_after: DAY.saturating_mul(104) };

    /// Limits: a signing key is replaced after `rotate_after`, and no key is published beyond
    /// `expire_after`.
    ///
    /// # Errors
    /// If a key would have to be gone before it has to be replaced.
    pub fn new(rotate_after: Duration, expire_after: Duration) -> Result<Self, LimitsError> {
        if rotate_after > expire_after {
            return Err(LimitsError { rotate_after, expire_after });
        }
        Ok(Self { rotate_after, expire_after })
    }

    /// After how long a signing key must have been replaced.
    pub const fn rotate_after(self) -> Duration {
        self.rotate_after
    }

    /// After how long a key must no longer be published.
    pub const fn expire_after(self) -> Duration {
        self.expire_after
    }
}

/// What keys are held against.
///
/// ```
/// use cambist_key_age::{Platform, Policy};
///
/// assert_eq!(Policy::default().limits.unwrap().rotate_after().as_secs(), 45 * 24 * 3600);
/// // EKS rotates weekly by itself: without a limit that somebody sets, ages only inform.
/// assert!(Policy::for_platform(Platform::Eks).limits.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Policy {
    /// How old keys may get; `None` if ages only inform.
    pub limits: Option<Limits>,
    /// How far beyond its limit a key may be before anybody says so.
    #[serde(with = "seconds", rename = "graceSeconds")]
    pub grace: Duration,
    /// From which event ages are counted.
    pub basis: AgeBasis,
    /// The least grade of a fact that shows a key to be young. Below it a key is never OK.
    pub ok_grade: Grade,
    /// The least grade of a fact that shows a key to be old: a false alarm is cheap.
    pub alarm_grade: Grade,
    /// The least error of clocks that is reckoned with.
    #[serde(with = "seconds", rename = "clockErrorSeconds")]
    pub clock_error: Duration,
    /// How long a token lives at most (L): how long a retired key must stay published.
    #[serde(with = "seconds", rename = "maxTokenLifeSeconds")]
    pub max_token_life: Duration,
    /// For how long relying parties cache the key set (C): how long a key must be published before
    /// it signs. kube-apiserver serves `max-age=3600`.
    #[serde(with = "seconds", rename = "cacheLifeSeconds")]
    pub cache_life: Duration,
    /// How many keys a set may have before it looks neglected.
    pub max_keys: usize,
    /// How long before its rotation is due a key is worth a word.
    #[serde(with = "seconds", rename = "warnBeforeSeconds")]
    pub warn_before: Duration,
    /// How long observations may pause before the history is called patchy.
    #[serde(with = "seconds", rename = "maxGapSeconds")]
    pub max_gap: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limits: Some(Limits::AZURE_LOCAL),
            grace: DAY.saturating_mul(3),
            basis: AgeBasis::default(),
            ok_grade: Grade::Attested,
            alarm_grade: Grade::Asserted,
            clock_error: Duration::from_secs(300),
            max_token_life: DAY,
            cache_life: HOUR,
            max_keys: 5,
            warn_before: DAY.saturating_mul(7),
            max_gap: DAY,
        }
    }
}

impl Policy {
    /// The default policy for a platform.
    pub fn for_platform(platform: Platform) -> Self {
        Self { limits: platform.limits(), ..Self::default() }
    }

    /// The same policy, content with assumptions as proof of youth.
    #[must_use]
    pub fn accepting_assumptions(self) -> Self {
        Self { ok_grade: Grade::Assumed, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_before_it_is_gone() {
        assert!(Limits::new(DAY, DAY).is_ok());
        let text = Limits::new(DAY * 2, DAY).unwrap_err().to_string();
        assert!(text.contains("after 2d") && text.contains("after 1d"), "{text}");
        assert_eq!("trust".parse(), Ok(AgeBasis::Trust));
        assert!("birth".parse::<AgeBasis>().is_err());
    }
}

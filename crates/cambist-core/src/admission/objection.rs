//! What is known against keys, whoever found it out, and what somebody decided to let pass.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::UnixTime;
use crate::foreign::Foreign;
use crate::jwks::Thumbprint;

/// What is known against keys: plain data, so that whoever judges keys need not be known here.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct KeyVerdicts<'a> {
    /// The keys that may sign nothing that is exchanged where the mode is `enforce`.
    pub refused: &'a [Refused],
    /// The keys that somebody decided to let pass.
    pub exempt: &'a [Exemption],
}

impl<'a> KeyVerdicts<'a> {
    /// These keys, and who of them is let pass all the same.
    pub fn new(refused: &'a [Refused], exempt: &'a [Exemption]) -> Self {
        Self { refused, exempt }
    }

    /// What is said against `key` at `now`. A key that nothing is known of may sign: what cannot be
    /// checked is another matter.
    pub fn against(&self, key: Thumbprint, now: UnixTime) -> Option<&'a Refused> {
        self.refused.iter().find(|refused| refused.key == key && !self.lets_pass(key, now))
    }

    /// Whether somebody decided to let `key` pass, whatever is found.
    pub fn lets_pass(&self, key: Thumbprint, now: UnixTime) -> bool {
        self.exempt.iter().any(|exemption| exemption.covers(key, now))
    }
}

/// Why an assertion may not be exchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the issuer's key {key}, which signed this token, {}: {evidence}. Rotate it; to let it pass meanwhile, set CAMBIST_KEY_AGE_EXEMPT={key}@<last day>", .ground.in_words()
)]
pub struct Refused {
    key: Thumbprint,
    ground: Ground,
    evidence: String,
}

/// The two grounds on which a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever adds one must give its remedy wherever they are told apart"
)]
pub enum Ground {
    /// It is older than it may get, beyond doubt.
    Overdue,
    /// Its private half can be had by others.
    Compromised,
}

impl Ground {
    /// The ground as one stable word, for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "key_overdue",
            Self::Compromised => "key_compromised",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Overdue => "is overdue",
            Self::Compromised => "is in the hands of others",
        }
    }
}

impl Refused {
    /// A refusal of what `key` signs, with what was seen, in words. What others wrote stands quoted in
    /// them.
    pub fn new(key: Thumbprint, ground: Ground, evidence: String) -> Self {
        Self { key, ground, evidence }
    }

    /// The key that signed the assertion.
    pub fn key(&self) -> Thumbprint {
        self.key
    }

    /// Why.
    pub fn ground(&self) -> Ground {
        self.ground
    }

    /// The reason as one stable word, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        self.ground.as_str()
    }

    /// What was seen.
    pub fn evidence(&self) -> &str {
        &self.evidence
    }
}

/// A key that somebody decided to let pass for a while, whatever is found: the break-glass.
///
/// ```
/// use cambist_core::clock::UnixTime;
/// use cambist_core::admission::Exemption;
///
/// let text = "JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU@2026-12-01";
/// let exempt: Exemption = text.parse()?;
/// assert_eq!(exempt.to_string(), text);
/// assert_eq!(exempt.ends().to_string(), "2026-12-02T00:00:00Z");
/// # Ok::<(), cambist_core::admission::ExemptionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemption {
    key: Thumbprint,
    last_day: Date,
    ends: UnixTime,
}

/// A text that is no exemption.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an exemption is <thumbprint>@<date>, such as JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU@2026-12-01 for the whole of that day in UTC; found {0}"
)]
pub struct ExemptionError(Foreign);

impl Exemption {
    /// Reads a list, separated by commas; empty parts are nothing.
    ///
    /// # Errors
    /// If a part is no exemption.
    pub fn list(text: &str) -> Result<Vec<Self>, ExemptionError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect()
    }

    /// The key that it lets pass.
    pub fn key(&self) -> Thumbprint {
        self.key
    }

    /// When it ends: midnight UTC after its last day.
    pub fn ends(&self) -> UnixTime {
        self.ends
    }

    /// Whether it lets `key` pass at `now`.
    pub fn covers(&self, key: Thumbprint, now: UnixTime) -> bool {
        self.key == key && now < self.ends
    }
}

impl FromStr for Exemption {
    type Err = ExemptionError;

    fn from_str(text: &str) -> Result<Self, ExemptionError> {
        let parse = || {
            let (key, day) = text.split_once('@')?;
            let (key, last_day) = (key.parse().ok()?, day.parse::<Date>().ok()?);
            let midnight = last_day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
            let ends = UnixTime::from_secs(midnight.timestamp().as_second());
            Some(Self { key, last_day, ends })
        };
        parse().ok_or_else(|| ExemptionError(Foreign::new(text)))
    }
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key, self.last_day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;

    #[test]
    fn an_exemption_lifts_a_refusal_until_its_day_is_over() {
        let (key, other) = (Thumbprint::of_spki(b"a"), Thumbprint::of_spki(b"b"));
        let refused = [Refused::new(key, Ground::Overdue, "it is old".to_owned())];
        // NOW is 2026-11-23.
        let exempt = |text: &str| Exemption::list(&text.replace("KEY", &key.to_string()));
        for (text, lifted) in [
            ("KEY@2026-11-23", true),
            ("KEY@2026-11-22", false),
            ("", false),
            ("KEY@2026-01-01, KEY@2027-01-01", true),
        ] {
            let exempt = exempt(text).unwrap();
            let verdicts = KeyVerdicts { refused: &refused, exempt: &exempt };
            assert_eq!(verdicts.against(key, NOW).is_none(), lifted, "{text}");
            assert_eq!(verdicts.against(other, NOW), None);
        }
        let exempt_other = [format!("{other}@2030-01-01").parse().unwrap()];
        let verdicts = KeyVerdicts { refused: &refused, exempt: &exempt_other };
        let text = verdicts.against(key, NOW).unwrap().to_string();
        assert!(text.contains("it is old") && text.contains("CAMBIST_KEY_AGE_EXEMPT="), "{text}");
        for bad in
            ["KEY", "KEY@", "KEY@tomorrow", "KEY@2026-02-30", "x@2026-01-01", "KEY@9999-12-31x"]
        {
            assert!(exempt(bad).is_err(), "{bad}");
        }
    }
}

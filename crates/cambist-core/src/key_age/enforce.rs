//! Enforcement: the few findings that may stop an exchange.
//!
//! It must never black out a fleet on a doubt. It refuses only when the key that signed the very
//! assertion at hand is OVERDUE on facts that are Proven or Attested and do not contradict each
//! other, or when that key's private half is public. Everything else alarms. Entra verifies the
//! assertion itself, and whoever holds the issuer's key can call Entra directly: this is a rotation
//! discipline, not a barrier.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::finding::{CheckId, Finding};
use super::judge::{Judgement, KeyJudgement};
use super::platform::Platform;
use super::verdict::Verdict;
use super::words::{facts, span};
use crate::clock::UnixTime;
use crate::foreign::Foreign;
use crate::jwks::Thumbprint;

/// A key that somebody decided to let pass for a while, whatever is found: the break-glass.
///
/// ```
/// use cambist_core::clock::UnixTime;
/// use cambist_core::key_age::enforce::Exemption;
///
/// let text = "JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU@2026-12-01";
/// let exempt: Exemption = text.parse()?;
/// assert_eq!(exempt.to_string(), text);
/// assert_eq!(exempt.ends().to_string(), "2026-12-02T00:00:00Z");
/// # Ok::<(), cambist_core::key_age::enforce::ExemptionError>(())
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

/// Why an assertion may not be exchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the issuer's key {key}, which signed this token, {what}: {evidence}. Rotate it; to let it pass meanwhile, set CAMBIST_KEY_AGE_EXEMPT={key}@<last day>"
)]
pub struct Refused {
    key: Thumbprint,
    id: CheckId,
    what: &'static str,
    evidence: String,
}

impl Refused {
    /// The key that signed the assertion.
    pub fn key(&self) -> Thumbprint {
        self.key
    }

    /// The check that refuses: K001, K101 or K103.
    pub fn id(&self) -> CheckId {
        self.id
    }

    /// The reason as one stable word, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self.id {
            CheckId::K001 => "key_overdue",
            _ => "key_compromised",
        }
    }

    /// What was seen.
    pub fn evidence(&self) -> &str {
        &self.evidence
    }

    /// What to do about it on a platform.
    pub fn remediation(&self, platform: Platform) -> String {
        self.id.remediation(platform)
    }
}

/// Whether an assertion signed by `key` may be exchanged, when the mode is `enforce`.
///
/// A key that nothing is known of may sign: what cannot be checked is another matter, see
/// [`crate::admission`].
///
/// # Errors
/// [`Refused`], with the evidence.
pub fn may_exchange(
    key: Thumbprint,
    judgement: &Judgement,
    findings: &[Finding],
    exempt: &[Exemption],
    now: UnixTime,
) -> Result<(), Refused> {
    if exempt.iter().any(|exemption| exemption.covers(key, now)) {
        return Ok(());
    }
    let named = |finding: &&Finding| finding.id.is_compromise() && finding.key == Some(key);
    if let Some(finding) = findings.iter().find(named) {
        let what = "is in the hands of others";
        return Err(Refused { key, id: finding.id, what, evidence: finding.evidence.join("; ") });
    }
    match judgement.key(key) {
        Some(judged) if judged.overdue_beyond_doubt => Err(overdue(judged)),
        _ => Ok(()),
    }
}

fn overdue(judged: &KeyJudgement) -> Refused {
    debug_assert_eq!(judged.age_verdict, Verdict::Overdue);
    let age = span(judged.age.at_least);
    let evidence = format!("it is at least {age} old ({})", facts(&judged.evidence));
    Refused { key: judged.key, id: CheckId::K001, what: "is overdue", evidence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Reading;
    use crate::key_age::fact::{Fact, Grade};
    use crate::key_age::judge::Known;
    use crate::key_age::policy::Policy;
    use crate::key_age::vectors::{DAY, judge, key, signer_seen_since};
    use crate::testing::NOW;

    fn ask(known: &Known, findings: &[Finding], exempt: &[Exemption]) -> Result<(), Refused> {
        let mut judgement = judge(known, &Policy::default(), NOW);
        judgement.suspect(findings);
        may_exchange(key(1), &judgement, findings, exempt, NOW)
    }

    fn finding(id: CheckId, about: Option<Thumbprint>) -> Finding {
        Finding::new(id, about, "because".to_owned())
    }

    #[test]
    fn an_overdue_signer_is_refused_with_evidence_and_fix() {
        let (_, known) = signer_seen_since(NOW - DAY * 94);
        let refused = ask(&known, &[], &[]).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("at least 93 d") && text.contains("E1 (proven)"), "{text}");
        assert!(text.contains("CAMBIST_KEY_AGE_EXEMPT="), "{text}");
        assert!(refused.remediation(Platform::Kops).contains("kops"));
        assert!(ask(&signer_seen_since(NOW - DAY * 92).1, &[], &[]).is_ok());
    }

    #[test]
    fn hearsay_and_doubt_refuse_nobody() {
        let (history, fresh) = signer_seen_since(NOW - DAY);
        let mut asserted = fresh.clone();
        asserted.facts.extend(Fact::unmodified(key(1), NOW - DAY * 200, NOW));
        assert_eq!(judge(&asserted, &Policy::default(), NOW).verdict, Verdict::Overdue);
        assert!(ask(&asserted, &[], &[]).is_ok());
        let (old, known) = signer_seen_since(NOW - DAY * 200);
        assert!(ask(&known, &[], &[]).is_err());
        let weak = old.facts(history.primary(), Grade::Asserted);
        assert!(ask(&Known { facts: weak, ..known.clone() }, &[], &[]).is_ok());
        // The clock may be half a year off.
        let off = Reading::against(NOW, Reading::alone(NOW - DAY * 180));
        let off = super::super::judge::judge(&known, &Policy::default(), off);
        assert_eq!(off.verdict, Verdict::Overdue, "a wrong date silences no alarm");
        assert!(may_exchange(key(1), &off, &[], &[], NOW).is_ok(), "and stops nobody");
        // Without a limit there is nothing to be overdue by.
        let inform = judge(&known, &Policy::for_platform(Platform::Aks), NOW);
        assert!(may_exchange(key(1), &inform, &[], &[], NOW).is_ok());
    }

    #[test]
    fn of_all_findings_only_a_published_secret_refuses() {
        let (_, known) = signer_seen_since(NOW - DAY);
        for id in CheckId::ALL {
            for about in [None, Some(key(1)), Some(key(2))] {
                let refused = ask(&known, &[finding(*id, about)], &[]).is_err();
                assert_eq!(refused, id.is_compromise() && about == Some(key(1)), "{id} {about:?}");
            }
        }
    }

    #[test]
    fn an_old_key_of_others_stops_nobody() {
        let (_, mut known) = signer_seen_since(NOW - DAY);
        let old = Fact::published(key(2), NOW - DAY * 400, crate::key_age::Source::Public);
        known.facts.push(old);
        known.published.insert(key(2));
        assert_eq!(judge(&known, &Policy::default(), NOW).verdict, Verdict::Overdue);
        assert!(ask(&known, &[], &[]).is_ok());
    }

    #[test]
    fn an_exemption_lifts_it_until_its_day_is_over() {
        let (_, known) = signer_seen_since(NOW - DAY * 200);
        // NOW is 2026-11-23.
        let exempt = |text: &str| Exemption::list(&text.replace("KEY", &key(1).to_string()));
        for (text, lifted) in [
            ("KEY@2026-11-23", true),
            ("KEY@2026-11-22", false),
            ("", false),
            ("KEY@2026-01-01, KEY@2027-01-01", true),
        ] {
            assert_eq!(ask(&known, &[], &exempt(text).unwrap()).is_ok(), lifted, "{text}");
        }
        let other = [format!("{}@2030-01-01", key(2)).parse().unwrap()];
        assert!(ask(&known, &[], &other).is_err());
        let found = [finding(CheckId::K103, Some(key(1)))];
        assert!(ask(&known, &found, &exempt("KEY@2026-11-23").unwrap()).is_ok());
        for bad in
            ["KEY", "KEY@", "KEY@tomorrow", "KEY@2026-02-30", "x@2026-01-01", "KEY@9999-12-31x"]
        {
            assert!(exempt(bad).is_err(), "{bad}");
        }
    }
}

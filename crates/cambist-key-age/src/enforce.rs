//! Enforcement: the few findings that may stop an exchange.
//!
//! It must never black out a fleet on a doubt. It refuses only when the key that signed the very
//! assertion at hand is OVERDUE on facts that are Proven or Attested and do not contradict each
//! other, by a clock that https servers do not call that wrong, or when that key's private half can
//! be had by others. Everything else alarms. Entra verifies the assertion itself, and whoever holds
//! the issuer's key can call Entra directly: this is a rotation discipline, not a barrier.

use super::finding::{CheckId, Finding};
use super::judge::{Judgement, KeyJudgement};
use super::platform::Platform;
use super::verdict::Verdict;
use super::words::{facts, span};
use cambist_core::admission::{Ground, Refused};

/// The keys that may sign nothing that is exchanged, when the mode is `enforce`, each with the
/// evidence.
pub fn refusals(judgement: &Judgement, findings: &[Finding]) -> Vec<Refused> {
    let compromised = findings.iter().filter(|finding| finding.id.is_compromise());
    let compromised = compromised.filter_map(|finding| {
        Some(Refused::new(finding.key?, Ground::Compromised, finding.evidence.join("; ")))
    });
    let overdue = judgement.keys.iter().filter(|judged| judged.overdue_beyond_doubt).map(overdue);
    compromised.chain(overdue).collect()
}

/// What to do about a refused key on a platform.
pub fn remediation(ground: Ground, platform: Platform) -> String {
    match ground {
        Ground::Overdue => CheckId::K001.remediation(platform),
        Ground::Compromised => CheckId::K101.remediation(platform),
    }
}

fn overdue(judged: &KeyJudgement) -> Refused {
    debug_assert_eq!(judged.age_verdict, Verdict::Overdue);
    let age = span(judged.age.at_least);
    let evidence = format!("it is at least {age} old ({})", facts(&judged.evidence));
    Refused::new(judged.key, Ground::Overdue, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Fact, Grade};
    use crate::judge::Known;
    use crate::policy::Policy;
    use crate::testing::NOW;
    use crate::vectors::{DAY, judge, key, signer_seen_since};
    use cambist_core::admission::KeyVerdicts;
    use cambist_core::clock::Reading;
    use cambist_core::jwks::Thumbprint;

    fn against(judgement: &Judgement, findings: &[Finding]) -> Result<(), Refused> {
        let refused = refusals(judgement, findings);
        let verdicts = KeyVerdicts { refused: &refused, exempt: &[] };
        verdicts.against(key(1), NOW).cloned().map_or(Ok(()), Err)
    }

    fn ask(known: &Known, findings: &[Finding]) -> Result<(), Refused> {
        let mut judgement = judge(known, &Policy::default(), NOW);
        judgement.suspect(findings);
        against(&judgement, findings)
    }

    fn finding(id: CheckId, about: Option<Thumbprint>) -> Finding {
        Finding::new(id, about, "because".to_owned())
    }

    #[test]
    fn an_overdue_signer_is_refused_with_evidence_and_fix() {
        let (_, known) = signer_seen_since(NOW - DAY * 94);
        let refused = ask(&known, &[]).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("at least 93d") && text.contains("E1 (proven)"), "{text}");
        assert!(text.contains("CAMBIST_KEY_AGE_EXEMPT="), "{text}");
        assert!(remediation(refused.ground(), Platform::Kops).contains("kops"));
        assert!(ask(&signer_seen_since(NOW - DAY * 92).1, &[]).is_ok());
    }

    #[test]
    fn hearsay_and_doubt_refuse_nobody() {
        let (history, fresh) = signer_seen_since(NOW - DAY);
        let mut asserted = fresh.clone();
        asserted.facts.extend(Fact::unmodified(key(1), NOW - DAY * 200, NOW));
        assert_eq!(judge(&asserted, &Policy::default(), NOW).verdict, Verdict::Overdue);
        assert!(ask(&asserted, &[]).is_ok());
        let (old, known) = signer_seen_since(NOW - DAY * 200);
        assert!(ask(&known, &[]).is_err());
        let weak = old.facts(history.primary(), Grade::Asserted, &Policy::default());
        assert!(ask(&Known { facts: weak, ..known.clone() }, &[]).is_ok());
        // The clock may be half a year off.
        let off = Reading::against(NOW, Reading::alone(NOW - DAY * 180));
        let off = super::super::judge::judge(&known, &Policy::default(), off);
        assert_eq!(off.verdict, Verdict::Overdue, "a wrong date silences no alarm");
        assert!(against(&off, &[]).is_ok(), "and stops nobody");
        // Without a limit there is nothing to be overdue by.
        let inform = judge(&known, &Policy::for_platform(Platform::Aks), NOW);
        assert!(against(&inform, &[]).is_ok());
    }

    #[test]
    fn of_all_findings_only_a_published_secret_refuses() {
        let (_, known) = signer_seen_since(NOW - DAY);
        for id in CheckId::ALL {
            for about in [None, Some(key(1)), Some(key(2))] {
                let refused = ask(&known, &[finding(*id, about)]).is_err();
                assert_eq!(refused, id.is_compromise() && about == Some(key(1)), "{id} {about:?}");
            }
        }
    }

    #[test]
    fn an_old_key_of_others_stops_nobody() {
        let (_, mut known) = signer_seen_since(NOW - DAY);
        let old = Fact::published(key(2), NOW - DAY * 400, crate::Source::Public);
        known.facts.push(old);
        known.published.insert(key(2));
        assert_eq!(judge(&known, &Policy::default(), NOW).verdict, Verdict::Overdue);
        assert!(ask(&known, &[]).is_ok());
    }
}

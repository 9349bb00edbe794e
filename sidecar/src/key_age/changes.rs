//! The judgements as events of the log: when something is said otherwise than before, and only then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use cambist::key_age::Report;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::{CheckId, Finding, KeyJudgement, Platform, Role, Verdict};

use crate::telemetry::WORK;

/// What was said last.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    verdict: Option<Verdict>,
    keys: BTreeMap<Thumbprint, (Role, Verdict)>,
    suspicions: BTreeSet<(CheckId, Option<Thumbprint>)>,
    history_problem: Option<String>,
}

impl Changes {
    /// Says what this report says otherwise than the one before.
    pub(crate) fn tell(&self, report: &Report) {
        let platform = report.platform;
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let judgement = &report.judgement;

        let mut keys: BTreeMap<_, _> = BTreeMap::new();
        for key in &judgement.keys {
            let before = said.keys.get(&key.key).copied();
            // Between two tokens nobody knows who signs: that is no news.
            let silent = key.role == Role::Unknown;
            let held = before.filter(|(_, verdict)| silent && *verdict == key.verdict);
            let now = held.unwrap_or((key.role, key.verdict));
            keys.insert(key.key, now);
            if before != Some(now) {
                tell_key(key, before, platform);
            }
        }
        for (key, (role, verdict)) in said.keys.iter().filter(|(key, _)| !keys.contains_key(key)) {
            tracing::info!(
                target: WORK,
                %key,
                role = role.as_str(),
                verdict = verdict.as_str(),
                "an issuer's key is gone"
            );
        }
        said.keys = keys;

        let suspicious = report.findings.iter().filter(|found| found.is_suspicion());
        let now: BTreeSet<_> = suspicious.clone().map(|found| (found.id, found.key)).collect();
        for found in suspicious.filter(|found| !said.suspicions.contains(&(found.id, found.key))) {
            tell_suspicion(found, platform);
        }
        said.suspicions = now;

        if said.verdict != Some(judgement.verdict) {
            let before = said.verdict.replace(judgement.verdict).map(Verdict::as_str);
            let (verdict, keys) = (judgement.verdict.as_str(), judgement.keys.len());
            let decides_at = text(judgement.decides_at);
            let message = "the verdict on the issuer's keys changed";
            if judgement.verdict < Verdict::Due {
                tracing::info!(target: WORK, verdict, before, keys, decides_at, "{message}");
            } else {
                tracing::warn!(target: WORK, verdict, before, keys, decides_at, "{message}");
            }
        }
        said.tell_history(report.history_problem.as_deref());
    }

    /// Says that the history cannot be used, also while there is no key to be judged yet.
    pub(crate) fn tell_history(&self, problem: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).tell_history(Some(problem));
    }
}

impl Said {
    fn tell_history(&mut self, problem: Option<&str>) {
        if self.history_problem.as_deref() != problem {
            match problem {
                Some(problem) => {
                    tracing::warn!(target: WORK, problem, "the key history is ailing")
                }
                None => tracing::info!(target: WORK, "the key history is well again"),
            }
            self.history_problem = problem.map(str::to_owned);
        }
    }
}

fn tell_key(key: &KeyJudgement, before: Option<(Role, Verdict)>, platform: Platform) {
    let (role, verdict) = (key.role.as_str(), key.verdict.as_str());
    let (role_before, verdict_before) = before.map(|(r, v)| (r.as_str(), v.as_str())).unzip();
    let (rotate_by, expire_by) = (text(key.rotate_by), text(key.expire_by));
    let (trusted_by, decides_at) = (text(key.trusted_by), text(key.decides_at));
    let evidence = super::status::evidence(key).join("; ");
    // While the age is unknown, they are bounds.
    let dates = (key.age_verdict == Verdict::Unknown).then_some("at the latest");
    // That as little is known of a key as of any that is new is no news.
    let unknown = |verdict: Verdict| verdict == Verdict::Unknown;
    if unknown(key.verdict) && before.is_none_or(|(_, verdict)| unknown(verdict)) {
        tracing::debug!(
            target: WORK,
            key = %key.key, role, role_before, verdict, verdict_before, trusted_by, rotate_by,
            expire_by, dates, decides_at, evidence,
            "an issuer's key is judged otherwise"
        );
    } else if key.verdict < Verdict::Due {
        tracing::info!(
            target: WORK,
            key = %key.key, role, role_before, verdict, verdict_before, trusted_by, rotate_by,
            expire_by, dates, decides_at, evidence,
            "an issuer's key is judged otherwise"
        );
    } else {
        let remedy = remedy(key).map(|check| check.remediation(platform));
        tracing::warn!(
            target: WORK,
            key = %key.key, role, role_before, verdict, verdict_before, trusted_by, rotate_by,
            expire_by, dates, decides_at, evidence, remedy,
            "an issuer's key is judged otherwise"
        );
    }
}

/// The check that says what to do; suspicions are told, with what to do, by themselves.
fn remedy(key: &KeyJudgement) -> Option<CheckId> {
    match (key.verdict, key.role) {
        (Verdict::Suspect, _) => (!key.conflicts.is_empty()).then_some(CheckId::K005),
        (_, Role::Verifier | Role::Next) => Some(CheckId::K002),
        _ => Some(CheckId::K001),
    }
}

fn tell_suspicion(found: &Finding, platform: Platform) {
    tracing::warn!(
        target: WORK,
        check = found.id.as_str(),
        severity = found.severity.as_str(),
        key = found.key.map(|key| key.to_string()),
        finding = found.id.title(),
        evidence = found.evidence.join("; "),
        remedy = found.remediation(platform),
        "the issuer's keys are suspect"
    );
}

fn text(moment: Option<UnixTime>) -> Option<String> {
    moment.map(|moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use cambist_key_age::{Fact, Known, Policy, Signings, Source, judge};

    use super::*;
    use crate::testing::Lines;

    const NOW: UnixTime = UnixTime::from_secs(1_795_407_225);

    /// What is said of this many keys, seen for this many days; the first signs.
    fn report(keys: u8, days: u64, history_problem: Option<&str>) -> Report {
        let keys: Vec<_> = (0..keys).map(|n| Thumbprint::of_spki(&[n])).collect();
        let at = NOW - std::time::Duration::from_secs(days * 86_400);
        let facts = keys.iter().map(|key| Fact::published(*key, at, Source::Public)).collect();
        let published = keys.iter().copied().collect();
        let token = Signings::of(NOW, NOW + std::time::Duration::from_secs(3600));
        let known =
            Known { facts, published, signings: [(keys[0], token)].into(), ..Known::default() };
        let judgement = judge(&known, &Policy::default(), cambist_core::clock::Reading::alone(NOW));
        let mut report = Report::new(NOW, Platform::Kubeadm, Policy::default(), judgement);
        report.history_problem = history_problem.map(str::to_owned);
        report
    }

    #[test]
    fn what_does_not_change_is_not_said_again() {
        let (lines, _guard) = Lines::listen("info");
        let changes = Changes::default();
        let mut so_far = 0;
        for (report, news) in [
            // The issuer's verdict; that two new keys are UNKNOWN is no news.
            (report(2, 1, None), 1),
            (report(2, 2, None), 0),
            (report(2, 3, Some("torn")), 1),
            (report(2, 4, Some("torn")), 0),
            // The signer is DUE, and so is the issuer; the verifier is not.
            (report(2, 50, None), 3),
            (report(2, 51, None), 0),
            // One key is gone.
            (report(1, 51, None), 1),
        ] {
            for _ in 0..3 {
                changes.tell(&report);
            }
            assert_eq!(lines.events().len() - so_far, news, "{}", lines.text());
            so_far += news;
        }
        let due = lines.events().into_iter().find(|e| e["verdict_before"] == "UNKNOWN").unwrap();
        assert_eq!((&due["verdict"], &due["level"]), (&"DUE".into(), &"WARN".into()), "{due}");
        assert!(due["remedy"].is_string() && due["evidence"].is_string(), "{due}");
    }

    #[test]
    fn a_suspicion_is_told_once_with_its_remedy() {
        let (lines, _guard) = Lines::listen("info");
        let (changes, mut report) = (Changes::default(), report(1, 1, None));
        let key = report.judgement.keys[0].key;
        report.findings = vec![Finding::new(CheckId::K103, Some(key), "an example".to_owned())];
        report.judgement.suspect(&report.findings);
        report.platform = Platform::Aks;
        for _ in 0..3 {
            changes.tell(&report);
        }
        let told = lines.events();
        let told: Vec<_> = told.iter().filter(|e| e["check"] == "K103").collect();
        assert_eq!(told.len(), 1, "{}", lines.text());
        assert!(told[0]["remedy"].as_str().unwrap().contains("rotate"), "{told:?}");
        assert_eq!(told[0]["evidence"], "an example");
    }
}

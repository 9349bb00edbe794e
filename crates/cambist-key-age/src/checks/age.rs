//! K001 to K008 and K220: what verdicts mean, and what they rest on.

use crate::fact::{Grade, Source};
use crate::finding::{CheckId, Finding, Severity};
use crate::history::History;
use crate::interval::Conflict;
use crate::judge::{Judgement, KeyJudgement};
use crate::platform::Platform;
use crate::policy::{AgeBasis, Policy};
use crate::role::Role;
use crate::verdict::Verdict;
use crate::words::{facts, span};
use cambist_core::clock::UnixTime;

/// All that is to be said of the judged ages.
pub fn ages(judgement: &Judgement, policy: &Policy, now: UnixTime) -> Vec<Finding> {
    let mut out = Vec::new();
    for key in &judgement.keys {
        out.extend(signer_too_old(key, policy));
        out.extend(verifier_too_old(key, policy));
        out.extend(undecided(key, policy));
        out.extend(contradictions(key));
        out.extend(assumption(key));
        out.extend(rotation_soon(key, policy, now));
    }
    out
}

/// K001: the key that signs (or may, for all one knows) is DUE or OVERDUE.
pub fn signer_too_old(key: &KeyJudgement, policy: &Policy) -> Option<Finding> {
    let severity = match (key.role, key.age_verdict) {
        (Role::Signer | Role::Ghost, Verdict::Overdue) => Severity::Critical,
        (Role::Signer | Role::Ghost | Role::Unknown, Verdict::Due) => Severity::High,
        // It may be a verifier that should be gone, which is no better than this.
        (Role::Unknown, Verdict::Overdue) => Severity::High,
        _ => return None,
    };
    Some(Finding::new(CheckId::K001, Some(key.key), too_old(key, policy)).severity(severity))
}

/// K002: a key that no longer signs, or not yet, is OVERDUE.
pub fn verifier_too_old(key: &KeyJudgement, policy: &Policy) -> Option<Finding> {
    let retired = matches!(key.role, Role::Verifier | Role::Next);
    let finding = || Finding::new(CheckId::K002, Some(key.key), too_old(key, policy));
    (retired && key.age_verdict == Verdict::Overdue).then(finding)
}

fn too_old(key: &KeyJudgement, policy: &Policy) -> String {
    let limits = policy.limits.map_or_else(String::new, |limits| {
        let (rotate, expire) = (span(limits.rotate_after()), span(limits.expire_after()));
        format!(" (replaced after {rotate}, gone after {expire}, grace {})", span(policy.grace))
    });
    let (role, age) = (key.role, span(key.age.at_least));
    format!("role {role}, at least {age} old{limits}: {}", facts(&key.evidence))
}

/// K003: nothing is shown yet.
pub fn undecided(key: &KeyJudgement, policy: &Policy) -> Option<Finding> {
    let (least, most) = (span(key.age.at_least), key.age.at_most.map(span));
    let most =
        most.map_or_else(|| "without upper bound".to_owned(), |most| format!("at most {most}"));
    let decides = key.turns(policy).map_or_else(String::new, |(at, verdict)| {
        let what = if verdict == Verdict::Overdue { "gone" } else { "replaced" };
        format!("; {verdict} from {at} unless it is {what} before")
    });
    let why = match policy.basis {
        AgeBasis::Activation if key.evidence.is_empty() => {
            "; ages count from the first token that a key signed, and none of this one was seen"
        }
        AgeBasis::Material => {
            "; ages count from the making of a key, which nobody sees from outside"
        }
        _ => "",
    };
    let text = format!("role {}, at least {least} old, {most}{decides}{why}", key.role);
    (key.age_verdict == Verdict::Unknown).then(|| Finding::new(CheckId::K003, Some(key.key), text))
}

/// K004: the one source that counts never had another key.
pub fn never_rotated(history: &History, source: Source) -> Option<Finding> {
    let lives = history.lifetimes(source);
    let [only] = lives.as_slice() else { return None };
    let text = format!("since {} the {source} key set had this key alone", only.first);
    Some(Finding::new(CheckId::K004, Some(only.key), text))
}

/// K005: two facts cannot both be true. Where one of them is a date that is only served with the key,
/// it gives way, which is good to know and no more.
pub fn contradictions(key: &KeyJudgement) -> Vec<Finding> {
    let finding = |conflict: &Conflict, how: &str| {
        let text = format!("{} | {}{how}", conflict.not_before, conflict.not_after);
        Finding::new(CheckId::K005, Some(key.key), text)
    };
    let conflicts = key.conflicts.iter().map(|it| finding(it, ""));
    let disputed = key.disputed.iter().map(|it| {
        finding(it, "; what was seen counts, the date does not").severity(Severity::Info)
    });
    conflicts.chain(disputed).collect()
}

/// K006: OK for less than Attested facts, or anything for an assumption.
pub fn assumption(key: &KeyJudgement) -> Option<Finding> {
    let grade = key.grade?;
    let weak = match key.age_verdict {
        Verdict::Ok => grade < Grade::Attested,
        _ => grade == Grade::Assumed,
    };
    let text = format!("{} on {grade} facts: {}", key.age_verdict, facts(&key.evidence));
    weak.then(|| Finding::new(CheckId::K006, Some(key.key), text))
}

/// K007: the signing key will be due soon.
pub fn rotation_soon(key: &KeyJudgement, policy: &Policy, now: UnixTime) -> Option<Finding> {
    let rotate_by = key.rotate_by?;
    let signs = key.role.may_sign();
    let soon = key.age_verdict < Verdict::Due && now + policy.warn_before >= rotate_by;
    let text = if now < rotate_by {
        format!("it is to be replaced by {rotate_by}")
    } else {
        let due = rotate_by + policy.grace;
        format!("it was to be replaced by {rotate_by}; what is left is grace, until {due}")
    };
    (signs && soon).then(|| Finding::new(CheckId::K007, Some(key.key), text))
}

/// K008: nobody has looked for too long; or nobody did around the last change, so that its date is
/// not known well.
pub fn pauses(history: &History, source: Source, policy: &Policy, now: UnixTime) -> Vec<Finding> {
    let mut out = Vec::new();
    if let Some(latest) = history.latest(source) {
        let pause = now.since(latest.to);
        if pause > policy.max_gap {
            let text = format!("the last observation was at {}, {} ago", latest.to, span(pause));
            out.push(Finding::new(CheckId::K008, None, text));
        }
    }
    for key in history.published(source) {
        let lives = history.lifetimes(source);
        let Some(life) = lives.iter().find(|life| life.key == key) else { continue };
        let Some(absent) = life.absent else { continue };
        let pause = life.first.since(absent.at);
        if pause > policy.max_gap {
            let (from, to) = (absent.at, life.first);
            let text = format!("the key appeared between {from} and {to}: {}", span(pause));
            out.push(Finding::new(CheckId::K008, Some(key), text));
        }
    }
    out
}

/// K220: the platform rotates by itself, and ages only inform; or it lags behind its own schedule.
pub fn platform_schedule(judgement: &Judgement, platform: Platform) -> Option<Finding> {
    let signs = |key: &&KeyJudgement| key.role == Role::Signer;
    let youngest = || judgement.keys.iter().min_by_key(|key| key.age.at_least);
    let key = judgement.keys.iter().find(signs).or_else(youngest)?;
    let (age, cadence) = (span(key.age.at_least), platform.cadence());
    let usual = cadence.map_or_else(
        || format!("{platform} rotates on its own schedule"),
        |cadence| format!("{platform} usually rotates every {}", span(cadence)),
    );
    // A day late is no news.
    let late =
        cadence.is_some_and(|c| key.age.at_least > c + std::time::Duration::from_secs(86_400));
    let judged =
        if judgement.informs_only { "; without --rotate-after ages only inform" } else { "" };
    let text = format!("{usual}; the key is at least {age} old{judged}");
    (late || judgement.informs_only).then(|| Finding::new(CheckId::K220, Some(key.key), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Evidence, Fact};
    use crate::history::tests::look;
    use crate::judge::Known;
    use crate::testing::{ISSUER, NOW};
    use crate::vectors::{DAY, HOUR, judge, key, known, signer_seen_since, watch};

    fn ids(findings: impl IntoIterator<Item = Finding>) -> Vec<(CheckId, Severity)> {
        findings.into_iter().map(|finding| (finding.id, finding.severity)).collect()
    }

    fn aged(days: u32) -> Vec<(CheckId, Severity)> {
        let (_, known) = signer_seen_since(NOW - DAY * days);
        let policy = Policy::default();
        ids(ages(&judge(&known, &policy, NOW), &policy, NOW))
    }

    #[test]
    fn k001_and_k003_and_k007_follow_the_signers_age() {
        assert_eq!(aged(10), [(CheckId::K003, Severity::Medium)]);
        let soon = (CheckId::K007, Severity::Medium);
        assert_eq!(aged(40), [(CheckId::K003, Severity::Medium), soon]);
        assert_eq!(aged(60), [(CheckId::K001, Severity::High)]);
        assert_eq!(aged(100), [(CheckId::K001, Severity::Critical)]);
    }

    #[test]
    fn k001_has_no_role_without_a_token() {
        let (_, known) = signer_seen_since(NOW - DAY * 100);
        let known = Known { signings: Default::default(), ..known };
        let policy = Policy::default();
        let found = ids(ages(&judge(&known, &policy, NOW), &policy, NOW));
        assert_eq!(found, [(CheckId::K001, Severity::High)]);
    }

    #[test]
    fn k003_says_what_nobody_saw() {
        let (_, known) = signer_seen_since(NOW - DAY * 10);
        let mut known = Known { signings: Default::default(), ..known };
        known.facts.retain(|fact| fact.source != Evidence::E3);
        let mut policy = Policy { basis: AgeBasis::Activation, ..Policy::default() };
        let told =
            |policy: &Policy| ages(&judge(&known, policy, NOW), policy, NOW)[0].evidence[0].clone();
        assert!(told(&policy).contains("none of this one was seen"), "{}", told(&policy));
        policy.basis = AgeBasis::Material;
        assert!(told(&policy).contains("which nobody sees"), "{}", told(&policy));
    }

    #[test]
    fn k002_is_about_keys_that_do_not_sign() {
        let mut history = History::new(ISSUER);
        watch(&mut history, &[1], NOW - DAY * 94, NOW - DAY * 21, DAY);
        watch(&mut history, &[1, 2], NOW - DAY * 20, NOW, DAY);
        history.observe_token(key(2), NOW - HOUR, NOW);
        let policy = Policy::default();
        let found = ages(&judge(&known(&history), &policy, NOW), &policy, NOW);
        assert_eq!(ids(found), [(CheckId::K002, Severity::High)]);
        let before = judge(&known(&history), &policy, NOW - DAY * 5);
        assert!(before.keys.iter().all(|key| verifier_too_old(key, &policy).is_none()));
    }

    #[test]
    fn k004_fires_until_a_second_key_was_seen() {
        let mut history = History::new(ISSUER);
        assert!(never_rotated(&history, Source::Public).is_none());
        watch(&mut history, &[1], NOW, NOW + DAY, HOUR);
        assert_eq!(never_rotated(&history, Source::Public).unwrap().id, CheckId::K004);
        history.observe(&look(Source::Public, NOW + DAY * 2, &[1, 2])).unwrap();
        assert!(never_rotated(&history, Source::Public).is_none());
    }

    #[test]
    fn k005_names_both_facts() {
        let (_, mut known) = signer_seen_since(NOW - DAY * 30);
        let policy = Policy::default();
        assert!(contradictions(&judge(&known, &policy, NOW).keys[0]).is_empty());
        known.facts.push(Fact::dated(key(1), NOW - DAY * 5, NOW));
        let found = contradictions(&judge(&known, &policy, NOW).keys[0]);
        assert!(found[0].evidence[0].contains("E5") && found[0].evidence[0].contains("E1"));
        assert_eq!(found[0].severity, Severity::Info);
        let record = (NOW - DAY * 4, NOW - DAY * 3);
        known.facts.push(Fact::rotated(key(1), record, NOW, "the activity log"));
        let found = contradictions(&judge(&known, &policy, NOW).keys[0]);
        assert_eq!(found[0].severity, Severity::Medium);
    }

    #[test]
    fn k006_tells_assumptions() {
        let (_, mut known) = signer_seen_since(NOW - DAY);
        known.facts.push(Fact::installed(key(1), NOW - DAY * 2, NOW));
        let policy = Policy::default().accepting_assumptions();
        assert_eq!(assumption(&judge(&known, &policy, NOW).keys[0]).unwrap().id, CheckId::K006);
        known.facts.push(Fact::absent(key(1), NOW - DAY * 2, HOUR, Source::Public));
        assert!(assumption(&judge(&known, &policy, NOW).keys[0]).is_none());
    }

    #[test]
    fn k008_is_about_silence_and_about_changes_nobody_saw() {
        let policy = Policy::default();
        let mut history = History::new(ISSUER);
        watch(&mut history, &[1], NOW, NOW + DAY, HOUR);
        assert!(pauses(&history, Source::Public, &policy, NOW + DAY * 2).is_empty());
        assert_eq!(pauses(&history, Source::Public, &policy, NOW + DAY * 3).len(), 1);
        history.observe(&look(Source::Public, NOW + DAY * 3, &[2])).unwrap();
        let found = pauses(&history, Source::Public, &policy, NOW + DAY * 3);
        assert_eq!(found[0].key, Some(key(2)));
        // A pause during which nothing changed costs nothing once it is over.
        let mut quiet = History::new(ISSUER);
        watch(&mut quiet, &[1], NOW, NOW + DAY * 9, DAY * 3);
        assert!(pauses(&quiet, Source::Public, &policy, NOW + DAY * 9).is_empty());
    }

    #[test]
    fn k220_informs_on_platforms_that_rotate_by_themselves() {
        let judged =
            |days: u32, policy: &Policy| judge(&signer_seen_since(NOW - DAY * days).1, policy, NOW);
        let eks = Policy::for_platform(Platform::Eks);
        assert!(platform_schedule(&judged(1, &eks), Platform::Eks).is_some());
        let set = Policy::default();
        assert!(platform_schedule(&judged(7, &set), Platform::Eks).is_none());
        let late = platform_schedule(&judged(9, &set), Platform::Eks).unwrap();
        assert_eq!((late.id, late.severity), (CheckId::K220, Severity::Info));
        assert!(platform_schedule(&judged(900, &set), Platform::Kubeadm).is_none());
    }
}

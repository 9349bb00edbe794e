//! The judgement for `/status.json`, and the little of it that `/ready` tells.

use cambist::key_age::Report;
use cambist_core::admission::Mode;
use cambist_core::clock::UnixTime;
use cambist_core::foreign::brief;
use cambist_key_age::{Finding, KeyJudgement, Platform};
use serde_json::{Value, json};

use super::Rules;

/// Most keys, and most findings, that are listed: an issuer has a few, or it is up to something.
const MOST: usize = 20;

/// Everything that is known and what it is held against.
pub(crate) fn status(rules: &Rules, report: Option<&Report>, now: UnixTime) -> Value {
    if rules.mode == Mode::Off {
        return json!({"mode": "off"});
    }
    let policy = report.map_or_else(|| rules.policy(), |report| report.policy.clone());
    let platform = report.map_or_else(|| rules.remedies_for(), |report| report.platform);
    let exempt = rules.exemptions(now);
    let exempt =
        exempt.map(|(key, ends, over)| json!({"key": key, "ends": ends.to_string(), "over": over}));
    let history = rules.settings.history.as_ref().map(|file| {
        json!({
            "path": file.path().display().to_string(),
            "trust": rules.settings.history_trust.as_str(),
            "problem": report.and_then(|report| report.history_problem.as_ref()),
        })
    });
    let judgement = report.map(|report| &report.judgement);
    let keys = judgement.into_iter().flat_map(|judgement| &judgement.keys).take(MOST);
    let findings = report.into_iter().flat_map(|report| &report.findings).take(MOST);
    json!({
        "mode": rules.mode.as_str(),
        "platform": platform.as_str(),
        "policy": {
            "in_words": rules.limits_in_words(),
            "rotate_after_seconds": policy.limits.map(|limits| limits.rotate_after().as_secs()),
            "expire_after_seconds": policy.limits.map(|limits| limits.expire_after().as_secs()),
            "grace_seconds": policy.grace.as_secs(),
        },
        "exempt": exempt.collect::<Vec<_>>(),
        "history": history,
        "judged_at": report.map(|report| report.at.to_string()),
        "verdict": judgement.map(|judgement| judgement.verdict.as_str()),
        "decides_at": judgement.and_then(|judgement| text(judgement.decides_at)),
        "informs_only": policy.limits.is_none(),
        "clock_error_seconds": judgement.map(|judgement| judgement.clock_error.as_secs()),
        "looks_left_out": report.map(|report| report.looks_left_out),
        "keys": keys.map(|judged| key(judged, report, rules, now)).collect::<Vec<_>>(),
        "findings": findings.map(|found| finding(found, platform)).collect::<Vec<_>>(),
    })
}

/// The verdict alone.
pub(crate) fn detail(rules: &Rules, report: Option<&Report>) -> Value {
    let judgement = report.map(|report| &report.judgement);
    json!({
        "mode": rules.mode.as_str(),
        "verdict": judgement.map(|judgement| judgement.verdict.as_str()),
        "decides_at": judgement.and_then(|judgement| text(judgement.decides_at)),
    })
}

/// What a key's verdict rests on, in words.
pub(super) fn evidence(key: &KeyJudgement) -> Vec<String> {
    key.evidence.iter().map(ToString::to_string).collect()
}

fn key(key: &KeyJudgement, report: Option<&Report>, rules: &Rules, now: UnixTime) -> Value {
    let verdicts = report.map(|report| report.verdicts(&rules.settings.exempt));
    let objection = verdicts.and_then(|verdicts| verdicts.against(key.key, now));
    let conflicts = key
        .conflicts
        .iter()
        .map(|conflict| json!([conflict.not_before.to_string(), conflict.not_after.to_string()]));
    json!({
        "key": key.key.to_string(),
        "role": key.role.as_str(),
        "verdict": key.verdict.as_str(),
        "grade": key.grade.map(|grade| grade.as_str()),
        "at_least_seconds": key.age.at_least.as_secs(),
        "at_most_seconds": key.age.at_most.map(|most| most.as_secs()),
        "trusted_not_before": text(key.trusted_not_before),
        "trusted_by": text(key.trusted_by),
        "last_signed": text(key.last_signed),
        "rotate_by": text(key.rotate_by),
        "expire_by": text(key.expire_by),
        "decides_at": text(key.decides_at),
        "evidence": evidence(key),
        "conflicts": conflicts.collect::<Vec<_>>(),
        "exempt": rules.settings.exempt.iter().any(|exempt| exempt.covers(key.key, now)),
        "objection": objection.map(|refused| json!({
            "reason": refused.as_str(),
            "message": refused.to_string(),
        })),
    })
}

fn finding(found: &Finding, platform: Platform) -> Value {
    json!({
        "id": found.id.as_str(),
        "severity": found.severity.as_str(),
        "title": found.id.title(),
        "key": found.key.map(|key| key.to_string()),
        "evidence": found.evidence.iter().take(MOST).map(|it| brief(it, 400)).collect::<Vec<_>>(),
        "remedy": found.remediation(platform),
    })
}

fn text(moment: Option<UnixTime>) -> Option<String> {
    moment.map(|moment| moment.to_string())
}

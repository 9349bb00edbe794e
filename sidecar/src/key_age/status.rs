//! The judgement for `/status.json`, and the little of it that `/ready` tells.

use cambist::key_age::Report;
use cambist_core::admission::Mode;
use cambist_core::clock::UnixTime;
use cambist_core::foreign::brief;
use cambist_key_age::{Finding, KeyJudgement, Platform, Severity, Verdict};
use serde::Serialize;
use serde_json::{Value, json};

use super::Rules;
use crate::status::Moment;

/// Most keys, and most findings, that are listed: an issuer has a few, or it is up to something.
const MOST: usize = 20;

/// Everything that is known and what it is held against.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum KeyAgeStatus {
    /// Keys are not judged.
    Off { mode: &'static str },
    /// They are.
    On(Box<Judged>),
}

/// The judgement, and what it was made by.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    pub(crate) mode: &'static str,
    pub(crate) platform: &'static str,
    pub(crate) policy: LimitsStatus,
    pub(crate) exempt: Vec<ExemptStatus>,
    pub(crate) history: Option<HistoryStatus>,
    pub(crate) judged_at: Option<Moment>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) decides_at: Option<Moment>,
    pub(crate) informs_only: bool,
    pub(crate) clock_error_seconds: Option<u64>,
    pub(crate) looks_left_out: Option<u32>,
    pub(crate) keys: Vec<KeyStatus>,
    pub(crate) findings: Vec<FindingStatus>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LimitsStatus {
    pub(crate) in_words: String,
    pub(crate) rotate_after_seconds: Option<u64>,
    pub(crate) expire_after_seconds: Option<u64>,
    pub(crate) grace_seconds: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ExemptStatus {
    pub(crate) key: String,
    pub(crate) ends: Moment,
    pub(crate) over: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct HistoryStatus {
    pub(crate) path: String,
    pub(crate) trust: &'static str,
    pub(crate) problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct KeyStatus {
    pub(crate) key: String,
    pub(crate) role: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) grade: Option<&'static str>,
    pub(crate) at_least_seconds: u64,
    pub(crate) at_most_seconds: Option<u64>,
    pub(crate) trusted_not_before: Option<Moment>,
    pub(crate) trusted_by: Option<Moment>,
    pub(crate) last_signed: Option<Moment>,
    /// Whether the two dates below are only bounds, since the key's age is unknown: it may have to be replaced earlier.
    pub(crate) dates_at_the_latest: bool,
    pub(crate) rotate_by: Option<Moment>,
    pub(crate) expire_by: Option<Moment>,
    pub(crate) decides_at: Option<Moment>,
    pub(crate) evidence: Vec<String>,
    pub(crate) conflicts: Vec<[String; 2]>,
    pub(crate) exempt: bool,
    pub(crate) objection: Option<ObjectionStatus>,
}

/// Why nothing is exchanged that a key signed.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectionStatus {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct FindingStatus {
    pub(crate) id: &'static str,
    pub(crate) severity: Severity,
    pub(crate) title: &'static str,
    pub(crate) key: Option<String>,
    pub(crate) evidence: Vec<String>,
    pub(crate) remedy: String,
}

/// What is told of the keys.
pub(crate) fn status(rules: &Rules, report: Option<&Report>, now: UnixTime) -> KeyAgeStatus {
    if rules.mode == Mode::Off {
        return KeyAgeStatus::Off { mode: "off" };
    }
    let policy = report.map_or_else(|| rules.policy(), |report| report.policy.clone());
    let platform = report.map_or_else(|| rules.remedies_for(), |report| report.platform);
    let exempt = rules.exemptions(now);
    let exempt = exempt.map(|(key, ends, over)| ExemptStatus { key, ends: Moment(ends), over });
    let history = rules.settings.history.as_ref().map(|file| HistoryStatus {
        path: file.path().display().to_string(),
        trust: rules.settings.history_trust.as_str(),
        problem: report.and_then(|report| report.history_problem.clone()),
    });
    let judgement = report.map(|report| &report.judgement);
    let keys = judgement.into_iter().flat_map(|judgement| &judgement.keys).take(MOST);
    let findings = report.into_iter().flat_map(|report| &report.findings).take(MOST);
    KeyAgeStatus::On(Box::new(Judged {
        mode: rules.mode.as_str(),
        platform: platform.as_str(),
        policy: LimitsStatus {
            in_words: rules.limits_in_words(),
            rotate_after_seconds: policy.limits.map(|limits| limits.rotate_after().as_secs()),
            expire_after_seconds: policy.limits.map(|limits| limits.expire_after().as_secs()),
            grace_seconds: policy.grace.as_secs(),
        },
        exempt: exempt.collect(),
        history,
        judged_at: report.map(|report| Moment(report.at)),
        verdict: judgement.map(|judgement| judgement.verdict),
        decides_at: judgement.and_then(|judgement| judgement.decides_at).map(Moment),
        informs_only: policy.limits.is_none(),
        clock_error_seconds: judgement.map(|judgement| judgement.clock_error.as_secs()),
        looks_left_out: report.map(|report| report.looks_left_out),
        keys: keys.map(|judged| key(judged, report, rules, now)).collect(),
        findings: findings.map(|found| finding(found, platform)).collect(),
    }))
}

/// The verdict alone.
pub(crate) fn detail(rules: &Rules, report: Option<&Report>) -> Value {
    let judgement = report.map(|report| &report.judgement);
    json!({
        "mode": rules.mode.as_str(),
        "verdict": judgement.map(|judgement| judgement.verdict.as_str()),
        "decides_at": judgement.and_then(|judgement| judgement.decides_at).map(Moment),
    })
}

/// What a key's verdict rests on, in words.
pub(super) fn evidence(key: &KeyJudgement) -> Vec<String> {
    key.evidence.iter().map(ToString::to_string).collect()
}

fn key(key: &KeyJudgement, report: Option<&Report>, rules: &Rules, now: UnixTime) -> KeyStatus {
    let verdicts = report.map(|report| report.verdicts(&rules.settings.exempt));
    let objection = verdicts.and_then(|verdicts| verdicts.against(key.key, now));
    let conflicts = key
        .conflicts
        .iter()
        .map(|conflict| [conflict.not_before.to_string(), conflict.not_after.to_string()]);
    KeyStatus {
        key: key.key.to_string(),
        role: key.role.as_str(),
        verdict: key.verdict,
        grade: key.grade.map(|grade| grade.as_str()),
        at_least_seconds: key.age.at_least.as_secs(),
        at_most_seconds: key.age.at_most.map(|most| most.as_secs()),
        trusted_not_before: key.trusted_not_before.map(Moment),
        trusted_by: key.trusted_by.map(Moment),
        last_signed: key.last_signed.map(Moment),
        dates_at_the_latest: key.age_verdict == Verdict::Unknown,
        rotate_by: key.rotate_by.map(Moment),
        expire_by: key.expire_by.map(Moment),
        decides_at: key.decides_at.map(Moment),
        evidence: evidence(key),
        conflicts: conflicts.collect(),
        exempt: rules.settings.exempt.iter().any(|exempt| exempt.covers(key.key, now)),
        objection: objection.map(|refused| ObjectionStatus {
            reason: refused.as_str(),
            message: refused.to_string(),
        }),
    }
}

fn finding(found: &Finding, platform: Platform) -> FindingStatus {
    FindingStatus {
        id: found.id.as_str(),
        severity: found.severity,
        title: found.id.title(),
        key: found.key.map(|key| key.to_string()),
        evidence: found.evidence.iter().take(MOST).map(|it| brief(it, 400)).collect(),
        remedy: found.remediation(platform),
    }
}

//! The report: what every output is made of, and what `-o json` prints.

use std::collections::BTreeMap;

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::{
    Fact, Finding, Judgement, KeyJudgement, Platform, Policy, Severity, Signer, Verdict, Watch,
};
use serde::Serialize;

use crate::case::Case;
use crate::collect::look::Problem;

/// The version of the report's form; `schema/issuer-check.v1.json` describes it.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// A judged issuer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    schema_version: u32,
    /// `cambist` and its version.
    pub(crate) generator: &'static str,
    pub(crate) issuer: String,
    /// Who says that it is this one.
    pub(crate) issuer_named_by: String,
    pub(crate) platform: Platform,
    /// When it was looked at.
    pub(crate) observed_at: UnixTime,
    /// The moment that ages are reckoned to.
    pub(crate) now: UnixTime,
    pub(crate) verdict: Verdict,
    /// When UNKNOWN is decided unless a rotation is seen before.
    pub(crate) decides_at: Option<UnixTime>,
    pub(crate) informs_only: bool,
    pub(crate) assumptions_accepted: bool,
    pub(crate) clock_error_seconds: u64,
    /// How many key sets were read by a clock too wrong to record that.
    pub(crate) looks_left_out: usize,
    /// Which key the newest token shows to sign.
    pub(crate) signer: Option<Signer>,
    /// How long and how well the issuer was watched.
    pub(crate) watch: Watch,
    pub(crate) policy: Policy,
    pub(crate) keys: Vec<ReportedKey>,
    pub(crate) findings: Vec<ReportedFinding>,
    /// Every fact on the keys above.
    pub(crate) facts: Vec<Fact>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) exit_code: u8,
    /// No key set could be had.
    #[serde(skip)]
    pub(crate) blind: bool,
}

/// A key, by name and kind, and its judgement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportedKey {
    pub(crate) kid: Option<String>,
    pub(crate) kty: Option<String>,
    pub(crate) alg: Option<String>,
    pub(crate) rsa_bits: Option<usize>,
    pub(crate) published: bool,
    #[serde(flatten)]
    pub(crate) judged: KeyJudgement,
}

/// A finding, and what to do about it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportedFinding {
    #[serde(flatten)]
    pub(crate) finding: Finding,
    pub(crate) title: &'static str,
    pub(crate) kid: Option<String>,
    pub(crate) remediation: String,
}

impl Report {
    /// The report of a case, without findings below `least`.
    pub(crate) fn of(case: &Case, least: Severity) -> Self {
        let names = names(case);
        let Judgement {
            verdict, decides_at, informs_only, clock_error, signer, watch, keys, ..
        } = &case.judgement;
        let findings = case.findings.iter().filter(|finding| finding.severity >= least);
        Self {
            schema_version: SCHEMA_VERSION,
            generator: concat!("cambist ", env!("CARGO_PKG_VERSION")),
            issuer: case.look.issuer.clone(),
            issuer_named_by: case.look.named_by.to_string(),
            platform: case.platform,
            observed_at: case.look.at,
            now: case.now,
            verdict: *verdict,
            decides_at: *decides_at,
            informs_only: *informs_only,
            assumptions_accepted: case.assumed,
            clock_error_seconds: clock_error.as_secs(),
            looks_left_out: case.looks_left_out,
            signer: *signer,
            watch: watch.clone(),
            policy: case.policy.clone(),
            keys: keys.iter().map(|judged| key(case, &names, judged)).collect(),
            findings: findings
                .map(|finding| ReportedFinding {
                    title: finding.id.title(),
                    kid: finding.key.and_then(|key| names.get(&key).cloned()),
                    remediation: finding.remediation(case.platform),
                    finding: finding.clone(),
                })
                .collect(),
            facts: case
                .known
                .facts
                .iter()
                .filter(|fact| keys.iter().any(|judged| judged.key == fact.key))
                .cloned()
                .collect(),
            problems: case.look.problems.clone(),
            exit_code: 0,
            blind: case.public.is_none() && case.api.is_none(),
        }
    }
}

/// The `kid` of each key, as published now or before.
fn names(case: &Case) -> BTreeMap<Thumbprint, String> {
    let sets = case.api.iter().chain(&case.public).flat_map(|set| set.keys());
    let now = sets.filter_map(|key| Some((key.thumbprint?, key.kid.clone()?)));
    let mut out: BTreeMap<_, _> = now.collect();
    for token in case.look.all().flat_map(|look| &look.tokens) {
        if let (Some(key), Some(kid)) = (token.signer(), &token.kid) {
            out.entry(key).or_insert_with(|| kid.clone());
        }
    }
    for judged in &case.judgement.keys {
        if let Some(kid) = case.history.kids(judged.key).next() {
            out.entry(judged.key).or_insert_with(|| kid.to_owned());
        }
    }
    out
}

fn key(case: &Case, names: &BTreeMap<Thumbprint, String>, judged: &KeyJudgement) -> ReportedKey {
    let mut sets = case.public.iter().chain(&case.api).flat_map(|set| set.keys());
    let jwk = sets.find(|jwk| jwk.thumbprint == Some(judged.key));
    ReportedKey {
        kid: names.get(&judged.key).cloned(),
        kty: jwk.map(|jwk| jwk.kty.clone()),
        alg: jwk.and_then(|jwk| jwk.alg.clone()),
        rsa_bits: jwk.and_then(|jwk| jwk.rsa.as_ref()).map(|rsa| rsa.bits()),
        published: case.known.published.contains(&judged.key),
        judged: judged.clone(),
    }
}

impl Report {
    /// What a key is called, if it is one of the report's.
    pub(crate) fn name(&self, key: Thumbprint) -> String {
        let known = self.keys.iter().find(|known| known.judged.key == key);
        known.map_or_else(|| key.to_string(), ReportedKey::name)
    }
}

impl ReportedKey {
    /// Its `kid`, else its thumbprint.
    pub(crate) fn name(&self) -> String {
        self.kid.clone().unwrap_or_else(|| self.judged.key.to_string())
    }
}

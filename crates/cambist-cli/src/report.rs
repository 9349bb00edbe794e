//! The report: what every output is made of, and what `-o json` prints.

use std::collections::BTreeMap;

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::about::Need;
use cambist_key_age::history::Lifetime;
use cambist_key_age::{
    CheckId, Fact, Finding, History, Judgement, KeyJudgement, Platform, Policy, Severity, Signer,
    Verdict, Watch,
};
use serde::Serialize;
use serde_json::json;

use crate::about::flag;
use crate::case::Case;
use crate::cli::issuer::ExitArgs;
use crate::collect::look::Problem;
use crate::exit;
use crate::output::outlook::Outlook;
use crate::policy::Origin;

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
    /// The keys that are announced.
    pub(crate) expected: Vec<Expected>,
    pub(crate) policy: Policy,
    /// Whose numbers the policy's limits are.
    pub(crate) policy_source: Origin,
    /// What the verdict means, what is ahead, and what is to be done next.
    pub(crate) outlook: Outlook,
    pub(crate) keys: Vec<ReportedKey>,
    pub(crate) findings: Vec<ReportedFinding>,
    /// Every fact on the keys above.
    pub(crate) facts: Vec<Fact>,
    /// The checks that were not made, because something was not looked at.
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) exit_code: u8,
    /// No key set could be had.
    #[serde(skip)]
    pub(crate) blind: bool,
    /// What the history tells beyond the keys above; for who draws it.
    #[serde(skip)]
    pub(crate) past: Past,
}

/// What was seen over time.
#[derive(Debug)]
pub(crate) struct Past {
    /// Every key that was ever published, and what it is called.
    pub(crate) lives: Vec<(Lifetime, Option<String>)>,
    /// When somebody looked, from and to.
    pub(crate) watched: Vec<(UnixTime, UnixTime)>,
}

impl Past {
    fn of(history: &History) -> Self {
        let primary = history.primary();
        let lives = history.lifetimes(primary).into_iter();
        let kid = |life: &Lifetime| history.kids(life.key).next().map(str::to_owned);
        let lives = lives.map(|life| (life.clone(), kid(&life))).collect();
        Self { lives, watched: history.watched(primary) }
    }
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

/// A key that is announced, published or not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Expected {
    pub(crate) key: Thumbprint,
    pub(crate) kid: Option<String>,
    pub(crate) published: bool,
    pub(crate) announced_at: UnixTime,
    pub(crate) until: UnixTime,
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
    /// The exit code says so, too: the verdict that it brings about fails by the flags, or it is as severe as
    /// they ask.
    pub(crate) fails: bool,
}

/// A check that was not made.
#[derive(Debug, Serialize)]
pub(crate) struct Skipped {
    pub(crate) id: CheckId,
    /// What would have to be looked at.
    #[serde(serialize_with = "lacking")]
    pub(crate) needs: Vec<Need>,
}

fn lacking<S: serde::Serializer>(needs: &[Need], serializer: S) -> Result<S::Ok, S::Error> {
    let needs = needs.iter().map(|need| json!({ "what": need.as_str(), "flag": flag(*need) }));
    serializer.collect_seq(needs)
}

impl Report {
    /// The report of a case, without findings below `least`.
    pub(crate) fn of(case: &Case, least: Severity) -> Self {
        let names = names(case);
        let Judgement {
            verdict, decides_at, informs_only, clock_error, signer, watch, keys, ..
        } = &case.judgement;
        let findings = case.findings.iter().filter(|finding| finding.severity >= least);
        let blind = case.public.is_none() && case.api.is_none();
        let name = |key| names.get(&key).cloned().unwrap_or_else(|| key.to_string());
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
            expected: expected(case),
            policy: case.policy.clone(),
            policy_source: case.origin.clone(),
            outlook: Outlook::of(case, &name, blind),
            keys: keys.iter().map(|judged| key(case, &names, judged)).collect(),
            findings: findings
                .map(|finding| ReportedFinding {
                    title: finding.id.title(),
                    kid: finding.key.and_then(|key| names.get(&key).cloned()),
                    remediation: finding.remediation(case.platform),
                    finding: finding.clone(),
                    fails: false,
                })
                .collect(),
            facts: case
                .known
                .facts
                .iter()
                .filter(|fact| keys.iter().any(|judged| judged.key == fact.key))
                .cloned()
                .collect(),
            skipped: skipped(case),
            problems: case.look.problems.clone(),
            exit_code: 0,
            blind,
            past: Past::of(&case.history),
        }
    }
}

/// The checks that found nothing because something that they need was not looked at.
fn skipped(case: &Case) -> Vec<Skipped> {
    let found = |id| case.findings.iter().any(|finding| finding.id == id);
    let unmet = CheckId::ALL.iter().filter(|id| !found(**id)).map(|id| {
        let needs = id.about().needs.iter().filter(|need| !case.met.contains(need));
        Skipped { id: *id, needs: needs.copied().collect() }
    });
    unmet.filter(|skipped| !skipped.needs.is_empty()).collect()
}

/// The announcements that are in force.
fn expected(case: &Case) -> Vec<Expected> {
    let names = names(case);
    let said = case.history.expectations().iter().filter(|(_, said)| said.holds(case.now));
    let expected = said.map(|(key, said)| Expected {
        key: *key,
        kid: names.get(key).cloned(),
        published: case.known.published.contains(key),
        announced_at: said.at,
        until: said.until,
    });
    expected.collect()
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
    /// Has the exit code, and each finding, say what the flags make of it.
    pub(crate) fn settle(&mut self, args: &ExitArgs) {
        let keys = &self.keys;
        let verdict = |finding: &Finding| {
            let key = keys.iter().find(|key| Some(key.judged.key) == finding.key);
            match finding.id {
                CheckId::K001 | CheckId::K002 => key.map(|key| key.judged.age_verdict),
                CheckId::K003 => Some(Verdict::Unknown),
                CheckId::K005 if finding.severity > Severity::Info => Some(Verdict::Suspect),
                _ => finding.is_suspicion().then_some(Verdict::Suspect),
            }
        };
        for found in &mut self.findings {
            let fails = verdict(&found.finding).is_some_and(|it| exit::code(it, false, args) != 0);
            let severe = args.fail_on_severity.is_some_and(|least| found.finding.severity >= least);
            found.fails = fails || severe;
        }
        let severe = self.findings.iter().any(|found| found.fails);
        self.exit_code = match exit::code(self.verdict, self.blind, args) {
            0 if severe => args.exit_code.unwrap_or(1),
            code => code,
        };
    }

    /// What is not looked at, and could be.
    pub(crate) fn not_looked_at(&self) -> Vec<Need> {
        let mut needs: Vec<_> =
            self.skipped.iter().flat_map(|it| it.needs.iter().copied()).collect();
        needs.sort_unstable();
        needs.dedup();
        let node = needs.contains(&Need::Node);
        // What could not be read is told as a problem; a node's manifest comes with the node.
        needs.retain(|need| match need {
            Need::KeySet | Need::PublicSet | Need::Discovery | Need::SeveralNodes => false,
            Need::Manifest => !node,
            _ => true,
        });
        needs
    }

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

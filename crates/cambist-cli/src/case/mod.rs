//! A case: what was seen now and before, judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cambist_core::clock::{Clock, Reading, UnixTime};
use cambist_core::headers;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::about::Need;
use cambist_key_age::history::LeftOut;
use cambist_key_age::{
    Fact, Finding, Grade, History, Judgement, Known, Platform, Policy, PublishedSet, Sighting,
    Signings, Source, Watch, judge,
};

use crate::cli::issuer::{Kept, PolicyArgs, Sources};
use crate::collect::look::Reply;
use crate::collect::{self, CollectError, Look};
use crate::policy::{self, Origin};
use crate::world::World;

mod again;
mod checks;
mod evidence;
mod needs;
mod past;

pub(crate) use again::Again;
pub(crate) use past::{Past, store, store_named};

/// Further from the look than this, a server's clock is not compared under `--now`: the moment was
/// made up to see what would be said then.
const MADE_UP: Duration = Duration::from_secs(24 * 3600);

/// Everything that a report is made of.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) look: Look,
    pub(crate) now: UnixTime,
    pub(crate) platform: Platform,
    pub(crate) policy: Policy,
    /// Whose the policy's numbers are.
    pub(crate) origin: Origin,
    /// The key set that relying parties read, if it could be had.
    pub(crate) public: Option<PublishedSet>,
    /// The API server's.
    pub(crate) api: Option<PublishedSet>,
    /// The history with this look in it.
    pub(crate) history: History,
    /// What is judged: facts, published keys, signers.
    pub(crate) known: Known,
    pub(crate) judgement: Judgement,
    pub(crate) findings: Vec<Finding>,
    /// An assumption was accepted as proof.
    pub(crate) assumed: bool,
    /// How often an external signer's keys are to be fetched.
    pub(crate) signer_refresh: Duration,
    /// This clock and the issuer's were held against each other.
    pub(crate) clocks_compared: bool,
    /// How many key sets were read by a clock too wrong to record that.
    pub(crate) looks_left_out: usize,
    /// What was looked at.
    pub(crate) met: BTreeSet<Need>,
    /// How to look once more.
    pub(crate) again: Again,
}

/// Why there is no case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaseError {
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Policy(#[from] cambist_key_age::policy::LimitsError),
    #[error("the history: {0}")]
    Access(#[from] crate::kubernetes::AccessError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// Looks, remembers and judges.
pub(crate) async fn open(
    sources: &Sources,
    kept: &Kept,
    args: &PolicyArgs,
    world: &World<'_>,
) -> Result<Case, CaseError> {
    let clock = world.clock(sources.now);
    let look = collect::collect(sources, world, &*clock).await?;
    let past = Past::open(kept, sources, world, &look, &*clock).await?;
    let again = Again::of(sources, kept, args, &look.issuer);
    judged(sources, args, look, past, again, &*clock)
}

fn judged(
    sources: &Sources,
    args: &PolicyArgs,
    mut look: Look,
    past: Past,
    again: Again,
    clock: &dyn Clock,
) -> Result<Case, CaseError> {
    let now = clock.wall();
    let platform = policy::platform(args.platform, &look.issuer);
    let policy = policy::policy(args, platform)?;
    let (public, api) = (set(look.public.jwks.as_ref()), set(look.api.jwks.as_ref()));
    let mut history = past.before.clone().unwrap_or_else(|| History::new(&look.issuer));
    remember(&mut history, &look);
    let mut fresh = History::new(&look.issuer);
    let left_out = remember(&mut fresh, &look).left_out;
    // What somebody else collected is his word.
    let own = if sources.offline.is_empty() { Grade::Proven } else { Grade::Attested };
    let primary = history.primary();
    // What only both together show, such as an absence before a first sighting, is known no better
    // than the lesser of them.
    let mut facts = history.facts(primary, past.trust.min(own), &policy);
    facts.extend(past.before.iter().flat_map(|before| before.facts(primary, past.trust, &policy)));
    facts.extend(fresh.facts(primary, own, &policy));
    facts.extend(evidence::facts(&look, &history, public.as_ref(), api.as_ref(), own));
    let published: BTreeSet<Thumbprint> = match (&public, &api) {
        (Some(set), _) | (None, Some(set)) => set.thumbprints().collect(),
        (None, None) => BTreeSet::new(),
    };
    facts.extend(
        args.assume.iter().flat_map(|created| {
            published.iter().map(|key| Fact::installed(*key, *created, look.at))
        }),
    );
    let mut told = std::collections::HashSet::new();
    facts.retain(|fact| told.insert(fact.clone()));
    let watch = Watch::of([&history], primary);
    let known = Known { facts, published, signings: signings(&history, &look), watch };
    let clock_error = clock_error(&look, sources.now.is_some());
    let reading = Reading::new(now, clock_error.unwrap_or_default());
    let mut judgement = judge(&known, &policy, reading);
    let mut findings: Vec<_> = past.findings;
    for problem in past.problems {
        look.problem("history", problem);
    }
    let mut case = Case {
        now,
        platform,
        policy,
        origin: Origin::of(args, platform),
        public,
        api,
        history,
        known,
        judgement: judgement.clone(),
        findings: Vec::new(),
        assumed: args.accept_assumed,
        signer_refresh: args.signer_refresh,
        clocks_compared: clock_error.is_some(),
        looks_left_out: left_out.len(),
        met: BTreeSet::new(),
        again,
        look,
    };
    case.met = needs::met(&case, past.before.as_ref());
    findings.extend(checks::all(&case, past.before.as_ref()));
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.id, finding.key));
    findings.dedup();
    judgement.suspect(&findings);
    case.judgement = judgement;
    case.findings = findings;
    Ok(case)
}

/// What was seen of tokens before, and now: also by a clock that is too wrong for the history.
fn signings(history: &History, look: &Look) -> BTreeMap<Thumbprint, Signings> {
    let mut out = history.signings().clone();
    for token in look.all().flat_map(|look| &look.tokens) {
        let Some(key) = token.signer() else { continue };
        let seen = Signings::of(token.issued_at, token.expires_at);
        out.entry(key).and_modify(|held| *held = held.join(seen)).or_insert(seen);
    }
    out
}

/// What became of the looks that were to be remembered.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// Something that says anything of keys was added.
    pub(crate) added: bool,
    /// What was not, because nobody knows well enough when it was seen.
    pub(crate) left_out: Vec<(Source, LeftOut)>,
}

/// Adds to a history what was seen, here and elsewhere.
pub(crate) fn remember(history: &mut History, look: &Look) -> Remembered {
    let mut out = Remembered::default();
    look.all().for_each(|look| remember_one(history, look, &mut out));
    out
}

fn remember_one(history: &mut History, look: &Look, out: &mut Remembered) {
    let before = out.left_out.len();
    for (source, reply) in [(Source::Public, &look.public.jwks), (Source::Api, &look.api.jwks)] {
        let Some(reply) = reply else { continue };
        let at = reply.reading(look.at);
        let Some(mut seen) = seen(history, source, at, reply) else { continue };
        // What says nothing may be kept for as long as kube-apiserver says.
        let kept = reply.max_age().unwrap_or(seen.stale);
        seen.stale = kept.saturating_add(reply.in_cache());
        let modified = reply.last_modified.as_deref().and_then(headers::date);
        seen.last_modified = modified.or(seen.last_modified);
        seen.etag = reply.etag.clone();
        match history.observe(&seen) {
            Ok(()) => out.added = true,
            Err(left_out) => out.left_out.push((source, left_out)),
        }
    }
    // What is of a clock that is wrong would be of the future for one that is right.
    if out.left_out.len() > before {
        return;
    }
    for token in &look.tokens {
        if let Some(key) = token.signer() {
            history.observe_token(key, token.issued_at, token.expires_at);
            out.added = true;
        }
    }
    if let Some(uri) = jwks_uri(look) {
        history.observe_endpoint(look.at, &uri);
    }
}

/// The set that a reply brings, or says is still the one that the history knows.
pub(crate) fn seen(
    history: &History,
    source: Source,
    at: Reading,
    reply: &Reply,
) -> Option<Sighting> {
    match (reply.status, &reply.etag) {
        (304, Some(etag)) => history.unchanged(source, at, etag),
        _ => Sighting::of(source, at, &set(Some(reply))?),
    }
}

/// Where the issuer's discovery document says that the key set is.
pub(crate) fn jwks_uri(look: &Look) -> Option<String> {
    let body = look.public.discovery.as_ref()?.ok()?;
    let document: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(document.get("jwks_uri")?.as_str()?.to_owned())
}

pub(crate) fn set(reply: Option<&Reply>) -> Option<PublishedSet> {
    PublishedSet::parse(reply?.ok()?.as_bytes()).ok()
}

/// How wrong the collector's clock was, by the issuer's; `None` if that was not compared.
fn clock_error(look: &Look, made_up: bool) -> Option<Duration> {
    let reply = look.public.jwks.as_ref().filter(|reply| reply.server_time().is_some())?;
    let error = reply.reading(look.at).error();
    (!made_up || error <= MADE_UP).then_some(error)
}

#[cfg(test)]
mod tests;

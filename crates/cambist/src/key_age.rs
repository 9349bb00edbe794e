//! How old the issuer's keys are, by what this process saw and what a ledger told it.
//!
//! The rules are [`cambist_core::key_age`]'s. Here is what feeds them: each key set that is fetched,
//! each projected token that is verified, and a history that somebody else keeps (`cambist issuer
//! observe`) and mounts here to be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use cambist_core::clock::{BootTime, UnixTime};
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::Thumbprint;
use cambist_core::key_age::checks::ages;
use cambist_core::key_age::enforce::{Exemption, may_exchange};
use cambist_core::key_age::{
    Finding, Grade, History, Judgement, Known, Limits, Platform, Policy, PublishedSet, Sighting,
    Source, judge,
};

use crate::context::Context;
use crate::history::{HistoryFile, HistoryFileError, Stored};

mod findings;

/// How long a judgement is good for; ages are counted in days.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// How often the ledger is read anew.
const LEDGER_EVERY: Duration = Duration::from_secs(300);

/// How long a vouching key must be gone from complete key sets before its tokens are renewed: one
/// life of a cached set, so that one odd answer does nothing.
const GONE_FOR: Duration = Duration::from_secs(3600);

/// What keys are held against, and where their history is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The platform, if somebody named it; otherwise the issuer at hand tells.
    pub platform: Option<Platform>,
    /// How old keys may get, if somebody said so; otherwise what goes with the platform.
    pub limits: Option<Limits>,
    /// The keys that somebody decided to let pass for a while.
    pub exempt: Vec<Exemption>,
    /// A history that somebody else keeps; it is only read.
    pub ledger: Option<HistoryFile>,
    /// How far the ledger is believed; never further than Attested, because whoever may write it can
    /// write anything.
    pub ledger_trust: Grade,
}

impl Settings {
    /// The platform of an issuer: the named one, or what the issuer's URL gives away.
    pub fn platform_of(&self, issuer: &str) -> Platform {
        let detected =
            || IssuerUrl::parse(issuer).map_or(Platform::Kubeadm, |i| Platform::detect(&i));
        self.platform.unwrap_or_else(detected)
    }

    /// What keys on a platform are held against.
    pub fn policy_on(&self, platform: Platform) -> Policy {
        let usual = Policy::for_platform(platform);
        Policy { limits: self.limits.or(usual.limits), ..usual }
    }
}

/// What is known of the age of one issuer's keys. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct KeyAge(Arc<Inner>);

struct Inner {
    settings: Settings,
    context: Context,
    seen: Mutex<Option<Seen>>,
    ledger: ArcSwapOption<Ledger>,
    report: ArcSwapOption<Report>,
    // Since when a vouching key is gone, and when it was still gone one cache life later.
    gone: ArcSwap<HashMap<Thumbprint, (BootTime, Option<BootTime>)>>,
}

/// What this process saw of an issuer.
struct Seen {
    history: History,
    set: Option<PublishedSet>,
    server_time: Option<(UnixTime, BootTime)>,
    vouching: BTreeSet<Thumbprint>,
}

struct Ledger {
    read_at: BootTime,
    history: Option<History>,
    problem: Option<String>,
}

/// What is to be said of the keys now.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it was made.
    pub at: UnixTime,
    /// The platform that the issuer is of.
    pub platform: Platform,
    /// What the keys were held against.
    pub policy: Policy,
    /// The judgement of each key and of the issuer.
    pub judgement: Judgement,
    /// What was found about them.
    pub findings: Vec<Finding>,
    /// Why the ledger is not used, if it cannot be.
    pub ledger_problem: Option<String>,
}

impl Report {
    /// What admission needs of it.
    pub(crate) fn view<'a>(&'a self, key_age: &'a KeyAge) -> cambist_core::admission::KeyAge<'a> {
        let Self { judgement, findings, .. } = self;
        cambist_core::admission::KeyAge { judgement, findings, exempt: key_age.exempt() }
    }
}

/// A key set as it came.
pub(crate) struct Look<'a> {
    pub(crate) source: Source,
    /// `None` if the server said that it has not changed.
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) stale: Duration,
    pub(crate) last_modified: Option<UnixTime>,
    pub(crate) etag: Option<String>,
    pub(crate) server_time: Option<UnixTime>,
}

impl KeyAge {
    /// Judges by these settings.
    pub fn new(settings: Settings, context: Context) -> Self {
        Self(Arc::new(Inner {
            settings,
            context,
            seen: Mutex::new(None),
            ledger: ArcSwapOption::empty(),
            report: ArcSwapOption::empty(),
            gone: ArcSwap::default(),
        }))
    }

    /// The keys that somebody decided to let pass.
    pub fn exempt(&self) -> &[Exemption] {
        &self.0.settings.exempt
    }

    /// What is to be said of the keys: at most a minute old.
    pub fn report(&self) -> Option<Arc<Report>> {
        let now = self.0.context.clock.wall();
        let recent = |report: &Arc<Report>| report.at.distance(now) < GOOD_FOR;
        self.0.report.load_full().filter(recent).or_else(|| self.judge(now))
    }

    /// Whether a token that this key vouched for is to be replaced when that can be done: the key
    /// was gone from complete key sets for a while, or is refused where that is `enforced`.
    pub(crate) fn is_withdrawn(&self, key: Thumbprint, enforced: bool, now: UnixTime) -> bool {
        let boot = self.0.context.clock.boot();
        let gone = self.0.gone.load();
        gone.get(&key).is_some_and(|(_, again)| again.is_some_and(|again| again <= boot))
            || (enforced
                && self.report().is_some_and(|report| {
                    let view = report.view(self);
                    may_exchange(key, view.judgement, view.findings, view.exempt, now).is_err()
                }))
    }

    /// Takes note of a key set.
    pub(crate) fn observe_keys(&self, issuer: &IssuerUrl, look: Look<'_>) {
        let Inner { context, .. } = &*self.0;
        let (now, boot) = (context.clock.wall(), context.clock.boot());
        let mut seen = self.seen(issuer);
        let Some(seen) = seen.as_mut() else { return };
        if let Some(body) = look.body {
            // A body that cannot be read is no sighting of the set before it.
            let Ok(set) = PublishedSet::parse(body) else { return };
            seen.set = Some(set);
        }
        seen.server_time = look.server_time.map(|time| (time, boot));
        let Some(set) = &seen.set else { return };
        if let Some(mut sighting) = Sighting::of(look.source, now, set) {
            sighting.stale = look.stale;
            sighting.last_modified = look.last_modified;
            sighting.etag = look.etag;
            seen.history.observe(&sighting);
            let gone = self.0.gone.load();
            let absent = seen.vouching.iter().filter(|key| !sighting.keys().contains(key));
            let gone = absent.map(|key| {
                let (since, again) = gone.get(key).copied().unwrap_or((boot, None));
                (*key, (since, again.or((boot.since(since) >= GONE_FOR).then_some(boot))))
            });
            self.0.gone.store(Arc::new(gone.collect()));
        }
        self.0.report.store(None);
    }

    /// Takes note of a verified token: a point of the signer's timeline, for nothing.
    pub(crate) fn observe_token(
        &self,
        issuer: &IssuerUrl,
        key: Thumbprint,
        issued: UnixTime,
        expires: UnixTime,
    ) {
        let mut seen = self.seen(issuer);
        let Some(seen) = seen.as_mut() else { return };
        seen.vouching.insert(key);
        let known = seen.history.signings().get(&key);
        if known.is_none_or(|known| issued < known.first || known.last < issued) {
            seen.history.observe_token(key, issued, expires);
            self.0.report.store(None);
        }
    }

    /// Whether there is a ledger and it is time to read it.
    pub fn ledger_is_due(&self) -> bool {
        let now = self.0.context.clock.boot();
        let recent = |ledger: &Arc<Ledger>| now.since(ledger.read_at) < LEDGER_EVERY;
        self.0.settings.ledger.is_some() && !self.0.ledger.load().as_ref().is_some_and(recent)
    }

    /// Reads the ledger if it is time, and waits for its file system for 2 seconds at most: call it
    /// where that is allowed, which is while a program starts.
    pub fn read_ledger(&self) {
        if let Some(file) = self.due_ledger() {
            self.take_ledger(file.read_in_time());
        }
    }

    /// The same for later: reads on a thread that may block.
    pub async fn refresh_ledger(&self) {
        if let Some(file) = self.due_ledger() {
            self.take_ledger(file.read_off_workers().await);
        }
    }

    /// Whether somebody else's history is to be read now and then.
    pub(crate) fn has_ledger(&self) -> bool {
        self.0.settings.ledger.is_some()
    }

    fn due_ledger(&self) -> Option<&HistoryFile> {
        self.0.settings.ledger.as_ref().filter(|_| self.ledger_is_due())
    }

    fn take_ledger(&self, read: Result<Option<Stored>, HistoryFileError>) {
        let (now, wall) = (self.0.context.clock.boot(), self.0.context.clock.wall());
        let before = self.0.ledger.load_full();
        let held = before.as_ref().and_then(|ledger| ledger.history.as_ref());
        let read = read.map_err(|e| e.to_string()).and_then(|stored| {
            let stored = stored.ok_or("there is no ledger at the configured path yet")?;
            let known = held.map(History::sequence);
            let checked = stored.history.check(wall, Policy::default().clock_error, known);
            checked.map_err(|e| e.to_string())?;
            Ok(stored)
        });
        if let Err(problem) = &read {
            self.0.context.observer.ledger_ailing(problem);
        }
        let ledger = match read {
            Ok(Stored { history, damage }) => {
                let problem = damage.map(|damage| format!("the ledger {damage}"));
                Ledger { read_at: now, history: Some(history), problem }
            }
            // What was read before is not forgotten for a file that was damaged since.
            Err(problem) => Ledger { read_at: now, history: held.cloned(), problem: Some(problem) },
        };
        self.0.ledger.store(Some(Arc::new(ledger)));
        self.0.report.store(None);
    }

    fn seen(&self, issuer: &IssuerUrl) -> MutexGuard<'_, Option<Seen>> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|seen| seen.history.issuer() != issuer.as_str()) {
            *seen = Some(Seen {
                history: History::new(issuer.as_str()),
                set: None,
                server_time: None,
                vouching: BTreeSet::new(),
            });
        }
        seen
    }

    fn judge(&self, now: UnixTime) -> Option<Arc<Report>> {
        let Inner { settings, context, .. } = &*self.0;
        let ledger = self.0.ledger.load();
        let mut ledger_problem = ledger.as_ref().and_then(|ledger| ledger.problem.clone());
        let (platform, policy, known, mut findings) = {
            let seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = seen.as_ref()?;
            let platform = settings.platform_of(seen.history.issuer());
            let policy = settings.policy_on(platform);
            let mut known = Known::default();
            let primary = seen.history.primary();
            known.facts = seen.history.facts(primary, Grade::Proven);
            known.published = seen.history.published(primary);
            known.signings.clone_from(seen.history.signings());
            let boot = context.clock.boot();
            known.server_time = seen.server_time.map(|(time, heard)| time + boot.since(heard));
            if let Some(history) = ledger.as_ref().and_then(|ledger| ledger.history.as_ref()) {
                match self.add_ledger(history, &mut known, seen, primary) {
                    Ok(()) => {}
                    Err(problem) => ledger_problem = Some(problem),
                }
            }
            let findings = findings::of(seen, &policy, now);
            (platform, policy, known, findings)
        };
        let mut judgement = judge(&known, &policy, now);
        judgement.suspect(&findings);
        findings.extend(ages(&judgement, &policy, now));
        let report = Report { at: now, platform, policy, judgement, findings, ledger_problem };
        let report = Arc::new(report);
        context.observer.keys_judged(&report);
        self.0.report.store(Some(report.clone()));
        Some(report)
    }

    /// Adds what the ledger says, believed no further than is configured; or says why not.
    fn add_ledger(
        &self,
        ledger: &History,
        known: &mut Known,
        seen: &Seen,
        primary: Source,
    ) -> Result<(), String> {
        let issuer = seen.history.issuer();
        if ledger.issuer() != issuer {
            return Err(format!(
                "the ledger is about {}, but the projected token is {issuer}'s: observe that issuer instead",
                ledger.issuer()
            ));
        }
        let trust = self.0.settings.ledger_trust.min(Grade::Attested);
        known.facts.extend(ledger.facts(primary, trust));
        let merged: &mut BTreeMap<_, _> = &mut known.signings;
        for (key, theirs) in ledger.signings() {
            merged
                .entry(*key)
                .and_modify(|ours| {
                    ours.first = ours.first.min(theirs.first);
                    ours.last = ours.last.max(theirs.last);
                    ours.expires = ours.expires.max(theirs.expires);
                })
                .or_insert(*theirs);
        }
        Ok(())
    }
}

impl fmt::Debug for KeyAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyAge").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

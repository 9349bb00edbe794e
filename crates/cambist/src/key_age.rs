//! How old the issuer's keys are, by what this process saw and what a history told it.
//!
//! The rules are [`cambist_key_age`]'s. Here is what feeds them: each key set that is fetched,
//! each projected token that is verified, and a history that somebody else keeps (`cambist issuer
//! observe`) and mounts here to be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use cambist_core::admission::Exemption;
use cambist_core::clock::{BootTime, Reading, UnixTime};
use cambist_core::issuer::IssuerUrl;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::{Grade, History, Limits, Platform, Policy, PublishedSet, Sighting, Source};
use tokio::sync::watch;

use crate::clock::Heard;
use crate::context::Context;
use crate::event::{Event, HistoryAiling};
use crate::history::{HistoryFile, HistoryFileError, Stored};

mod findings;
mod judging;
pub(crate) mod report;

use judging::Judging;

pub use report::Report;

/// How often the history is read anew.
const HISTORY_EVERY: Duration = Duration::from_secs(300);

/// How long a vouching key must be gone from complete key sets before its tokens are renewed: one
/// life of a cached set, so that one odd answer does nothing.
const GONE_FOR: Duration = Duration::from_secs(3600);

/// What keys are held against, and where their history is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The platform, if somebody named it; otherwise the issuer at hand tells.
    pub platform: Option<Platform>,
    /// How old keys may get, if somebody said so; otherwise what goes with the platform.
    pub limits: Option<Limits>,
    /// The keys that somebody decided to let pass for a while.
    pub exempt: Vec<Exemption>,
    /// A history that somebody else keeps; it is only read.
    pub history: Option<HistoryFile>,
    /// How far the history is believed; never further than Attested, because whoever may write it can
    /// write anything.
    pub history_trust: Grade,
}

impl Settings {
    /// The platform of an issuer: the named one, or what the issuer's URL gives away.
    pub fn platform_of(&self, issuer: &str) -> Platform {
        let detected =
            || IssuerUrl::parse(issuer).map_or(Platform::Other, |i| Platform::detect(&i));
        self.platform.unwrap_or_else(detected)
    }

    /// What keys on a platform are held against.
    pub fn policy_on(&self, platform: Platform) -> Policy {
        let mut policy = Policy::for_platform(platform);
        policy.limits = self.limits.or(policy.limits);
        policy
    }
}

/// What is known of the age of one issuer's keys. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct KeyAge(Arc<Inner>);

struct Inner {
    settings: Settings,
    context: Context,
    heard: Heard,
    seen: Mutex<Option<Seen>>,
    last_read: ArcSwapOption<LastRead>,
    // Whoever looks after an identity looks after this, and one of them is enough.
    reading: tokio::sync::Mutex<()>,
    /// The last judgement, and the one under way.
    judging: Judging,
    // Since when a vouching key is gone, and when it was still gone one cache life later.
    gone: ArcSwap<HashMap<Thumbprint, (BootTime, Option<BootTime>)>>,
    // Told when another key may be withdrawn than before.
    stirred: watch::Sender<()>,
}

/// What this process saw of an issuer. Cheap to clone: a judgement works on a copy.
#[derive(Clone)]
struct Seen {
    issuer: IssuerUrl,
    history: Arc<History>,
    set: Option<Arc<PublishedSet>>,
    /// The latest keys of each source, whether that look could be dated or not.
    published: BTreeMap<Source, BTreeSet<Thumbprint>>,
    /// How many looks were not recorded, because nobody knew well enough when they were.
    left_out: u32,
    vouching: BTreeSet<Thumbprint>,
}

impl Seen {
    /// Nothing is known yet.
    fn new(issuer: &IssuerUrl) -> Self {
        Self {
            issuer: issuer.clone(),
            history: Arc::new(History::new(issuer.as_str())),
            set: None,
            published: BTreeMap::new(),
            left_out: 0,
            vouching: BTreeSet::new(),
        }
    }

    /// What a key is called: now, or when it was seen before, here or by who keeps `told`.
    fn kid(&self, key: Thumbprint, told: Option<&History>) -> Option<String> {
        let mut set = self.set.iter().flat_map(|set| set.keys());
        let now = set.find(|jwk| jwk.thumbprint == Some(key)).and_then(|jwk| jwk.kid.as_deref());
        let before = self.history.kids(key).chain(told.into_iter().flat_map(|it| it.kids(key)));
        now.into_iter().chain(before).next().map(str::to_owned)
    }

    /// The source whose sets decide what is trusted: the best that was ever seen.
    fn primary(&self) -> Source {
        self.published.keys().next().copied().unwrap_or(Source::Public)
    }
}

struct LastRead {
    read_at: BootTime,
    history: Option<History>,
    problem: Option<String>,
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
            heard: Heard::default(),
            seen: Mutex::new(None),
            last_read: ArcSwapOption::empty(),
            reading: tokio::sync::Mutex::default(),
            judging: Judging::default(),
            gone: ArcSwap::default(),
            stirred: watch::Sender::new(()),
        }))
    }

    /// What https servers say the time is.
    pub(crate) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    /// The keys that somebody decided to let pass.
    pub fn exempt(&self) -> &[Exemption] {
        &self.0.settings.exempt
    }

    /// Whether a token that this key vouched for is to be replaced when that can be done: the key
    /// was gone from complete key sets for a while, or is refused where that is `enforced`.
    pub(crate) fn is_withdrawn(&self, key: Thumbprint, enforced: bool, now: UnixTime) -> bool {
        let boot = self.0.context.clock.boot();
        let gone = self.0.gone.load();
        gone.get(&key).is_some_and(|(_, again)| again.is_some_and(|again| again <= boot))
            || (enforced
                && self.report().is_some_and(|report| {
                    report.verdicts(self.exempt()).against(key, now).is_some()
                }))
    }

    /// How long a token that was seen still tells who signs.
    pub(crate) fn signer_due_in(&self) -> Duration {
        let now = self.0.context.clock.wall();
        let signer = self.last().and_then(|report| report.judgement.signer);
        signer.map_or(Duration::ZERO, |signer| signer.until.since(now))
    }

    /// Changes when another key may be [withdrawn](Self::is_withdrawn) than before.
    pub(crate) fn stirs(&self) -> watch::Receiver<()> {
        self.0.stirred.subscribe()
    }

    /// Takes note of a key set.
    pub(crate) fn observe_keys(&self, issuer: &IssuerUrl, look: Look<'_>) {
        let Inner { context, .. } = &*self.0;
        let (now, boot) = (context.clock.wall(), context.clock.boot());
        // A body that cannot be read is no sighting of the set before it.
        let Ok(set) = look.body.map(PublishedSet::parse).transpose() else { return };
        let mut seen = self.seen(issuer);
        let Some(Seen { history, set: held, published, left_out, vouching, .. }) = seen.as_mut()
        else {
            return;
        };
        if let Some(set) = set {
            *held = Some(Arc::new(set));
        }
        let Some(set) = held else { return };
        // By the very answer's date, if it has one, else by what was heard before.
        let said = look.server_time.map(Reading::alone).or_else(|| self.0.heard.time(boot));
        let at = said.map(|said| Reading::against(now, said));
        if let Some(mut sighting) =
            Sighting::of(look.source, at.unwrap_or(Reading::alone(now)), set)
        {
            sighting.stale = look.stale;
            sighting.last_modified = look.last_modified;
            sighting.etag = look.etag;
            published.insert(look.source, sighting.keys().clone());
            if at.is_none() || Arc::make_mut(history).observe(&sighting).is_err() {
                *left_out = left_out.saturating_add(1);
            }
            let gone = self.0.gone.load();
            let absent = vouching.iter().filter(|key| !sighting.keys().contains(key));
            let gone = absent.map(|key| {
                let (since, again) = gone.get(key).copied().unwrap_or((boot, None));
                (*key, (since, again.or((boot.since(since) >= GONE_FOR).then_some(boot))))
            });
            self.0.gone.store(Arc::new(gone.collect()));
            self.0.stirred.send_replace(());
        }
        drop(seen);
        self.judge_anew();
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
        let Some(Seen { history, vouching, .. }) = seen.as_mut() else { return };
        vouching.insert(key);
        let known = history.signings().get(&key);
        if known.is_none_or(|known| issued < known.first || known.last < issued) {
            Arc::make_mut(history).observe_token(key, issued, expires);
            drop(seen);
            self.judge_anew();
        }
    }

    /// Whether there is a history and it is time to read it.
    pub fn history_is_due(&self) -> bool {
        let now = self.0.context.clock.boot();
        let recent = |last: &Arc<LastRead>| now.since(last.read_at) < HISTORY_EVERY;
        self.0.settings.history.is_some() && !self.0.last_read.load().as_ref().is_some_and(recent)
    }

    /// How long it is until the history is to be read anew.
    pub(crate) fn history_due_in(&self) -> Duration {
        let now = self.0.context.clock.boot();
        let last = self.0.last_read.load();
        last.as_ref().map_or(Duration::ZERO, |last| (last.read_at + HISTORY_EVERY).since(now))
    }

    /// Reads the history if it is time, and waits for its file system for 2 seconds at most: call it
    /// where that is allowed, which is while a program starts.
    pub fn read_history(&self) {
        if let Some(file) = self.due_history() {
            self.take_history(file, file.read_in_time());
        }
    }

    /// The same for later: reads on a thread that may block. Of several who call it at once one reads.
    pub async fn refresh_history(&self) {
        let _reading = self.0.reading.lock().await;
        if let Some(file) = self.due_history() {
            let read = file.read_off_workers().await;
            self.take_history(file, read);
        }
    }

    /// Whether somebody else's history is to be read now and then.
    pub(crate) fn has_history(&self) -> bool {
        self.0.settings.history.is_some()
    }

    fn due_history(&self) -> Option<&HistoryFile> {
        self.0.settings.history.as_ref().filter(|_| self.history_is_due())
    }

    fn take_history(&self, file: &HistoryFile, read: Result<Option<Stored>, HistoryFileError>) {
        let (now, wall) = (self.0.context.clock.boot(), self.0.context.clock.wall());
        let before = self.0.last_read.load_full();
        let held = before.as_ref().and_then(|last| last.history.as_ref());
        let read = read.map_err(|e| e.to_string()).and_then(|stored| {
            let stored = stored.ok_or("there is no history at the configured path yet")?;
            let known = held.map(History::sequence);
            let checked = stored.history.check(wall, Policy::default().clock_error, known);
            checked.map_err(|e| e.to_string())?;
            Ok(stored)
        });
        if let Err(problem) = &read {
            let ailing = HistoryAiling { path: file.path(), problem };
            self.0.context.observer.event(&Event::HistoryAiling(ailing));
        }
        let last = match read {
            Ok(Stored { history, damage }) => {
                let problem = damage.map(|damage| format!("the history {damage}"));
                LastRead { read_at: now, history: Some(history), problem }
            }
            // What was read before is not forgotten for a file that was damaged since.
            Err(problem) => {
                LastRead { read_at: now, history: held.cloned(), problem: Some(problem) }
            }
        };
        self.0.last_read.store(Some(Arc::new(last)));
        self.judge_anew();
    }

    fn seen(&self, issuer: &IssuerUrl) -> MutexGuard<'_, Option<Seen>> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|seen| seen.issuer != *issuer) {
            *seen = Some(Seen::new(issuer));
        }
        seen
    }
}

impl fmt::Debug for KeyAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyAge").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

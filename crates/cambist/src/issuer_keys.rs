//! The issuer's keys: fetched as seldom as can be, kept when fetching fails.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cambist_core::clock::{BootTime, Reading};
use cambist_core::foreign::Foreign;
use cambist_core::issuer::{IssuerUrl, JwksHost};
use cambist_core::jwks::{Choice, KeyId, KeySet};
use http::HeaderMap;
use tokio::sync::Mutex;

use crate::clock::Heard;
use crate::context::Context;
use crate::key_age::KeyAge;
use crate::observer::{KeySource, KeysOutcome};
use crate::transport::Transport;

mod fetch;

pub use fetch::FetchError;

/// Least time between two looks for keys, whatever asks for them: a flood of made-up `kid`s costs
/// the issuer one request in this time, and a genuine rotation is seen within it.
pub const COOLDOWN: Duration = Duration::from_secs(30);

/// How long one look at one source may take. Whoever waits for it is an app's first request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds on how long a set counts as fresh, whatever its `Cache-Control` says.
const FRESH: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(3600);

/// A place to look for keys.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// The issuer's discovery document and the key set it names.
    Public {
        /// Reaches the issuer.
        transport: Transport,
        /// Whether the key set may live elsewhere.
        host: JwksHost,
    },
    /// The cluster's API server, which publishes its keys at `/openid/v1/jwks`. Its discovery
    /// document is not read: on managed clusters that names an address nobody outside can use.
    Api {
        /// Reaches the API server: the cluster's CA alone, never a proxy.
        transport: Transport,
        /// `https://host:port` of the API server.
        server: String,
        /// A projected token whose audience is the API server's.
        token_file: PathBuf,
    },
    /// A file with a key set, such as a mounted ConfigMap.
    File(PathBuf),
}

/// The keys of one issuer, or of whichever issuer the token names if none is configured. Cheap to
/// clone; clones share what they hold.
#[derive(Clone)]
pub struct IssuerKeys(Arc<Inner>);

struct Inner {
    sources: Vec<Source>,
    key_age: Option<KeyAge>,
    context: Context,
    held: ArcSwapOption<Held>,
    heard: Heard,
    // One look at a time; its content says when the last began and how it ended.
    gate: Mutex<Gate>,
}

#[derive(Default)]
struct Gate {
    last: Option<(BootTime, IssuerUrl)>,
    problem: Option<KeysError>,
}

struct Held {
    issuer: IssuerUrl,
    keys: Arc<KeySet>,
    etag: Option<String>,
    read_at: BootTime,
    fresh_for: Duration,
}

/// No source gave a usable key set, and none is held: what each of them said.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no keys of the issuer {} could be had: {problems}", Foreign::new(.issuer.as_str()))]
pub struct KeysError {
    issuer: IssuerUrl,
    problems: String,
}

impl IssuerKeys {
    /// Looks in these places, in this order, until one has a usable set.
    pub fn new(sources: Vec<Source>, context: Context) -> Self {
        Self::judged(sources, None, context)
    }

    /// The same, telling what is seen to `key_age`, if ages are to be judged.
    pub fn judged(sources: Vec<Source>, key_age: Option<KeyAge>, context: Context) -> Self {
        let heard = key_age.as_ref().map(|key_age| key_age.heard().clone()).unwrap_or_default();
        Self(Arc::new(Inner {
            sources,
            key_age,
            context,
            held: ArcSwapOption::empty(),
            heard,
            gate: Mutex::default(),
        }))
    }

    /// The issuer's keys, preferably with the one named `kid`.
    ///
    /// A held set that has the key is returned at once. Otherwise somebody looks again, at most once
    /// in [`COOLDOWN`]; what is held stays in use if that fails.
    ///
    /// # Errors
    /// If nothing is held and nothing could be fetched.
    pub async fn with(
        &self,
        issuer: &IssuerUrl,
        kid: Option<&KeyId>,
    ) -> Result<Arc<KeySet>, KeysError> {
        if let Some(held) = self.held(issuer)
            && !matches!(held.keys.choose(kid), Choice::Unknown)
        {
            self.tend();
            return Ok(held.keys.clone());
        }
        let problem = self.look(issuer).await;
        match (self.held(issuer), problem) {
            (Some(held), _) => Ok(held.keys.clone()),
            (None, Some(problem)) => Err(problem),
            (None, None) => Err(KeysError {
                issuer: issuer.clone(),
                problems: "another issuer was looked up a moment ago".to_owned(),
            }),
        }
    }

    /// The held keys, fetched or not; for reports.
    pub fn peek(&self) -> Option<(IssuerUrl, Arc<KeySet>, BootTime)> {
        let held = self.0.held.load_full()?;
        Some((held.issuer.clone(), held.keys.clone(), held.read_at))
    }

    /// What is known of the keys' age, if that is judged.
    pub fn key_age(&self) -> Option<&KeyAge> {
        self.0.key_age.as_ref()
    }

    /// Looks again in the background if what is held is no longer fresh. Must be called within a
    /// tokio runtime.
    pub fn tend(&self) {
        let now = self.0.context.clock.boot();
        let held = self.0.held.load_full();
        if let Some(held) = held.filter(|held| now.since(held.read_at) > held.fresh_for) {
            let keys = self.clone();
            tokio::spawn(async move { keys.look(&held.issuer).await });
        }
    }

    /// What an https server's `Date` said last, carried forward to `now`; `None` if none was heard
    /// yet.
    pub fn upstream_time(&self, now: BootTime) -> Option<Reading> {
        self.0.heard.time(now)
    }

    /// What https servers say the time is.
    pub(crate) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    fn held(&self, issuer: &IssuerUrl) -> Option<Arc<Held>> {
        self.0.held.load_full().filter(|held| held.issuer == *issuer)
    }

    /// Looks for the keys unless somebody did within the cooldown. Returns the last problem.
    async fn look(&self, issuer: &IssuerUrl) -> Option<KeysError> {
        let asked = self.0.context.clock.boot();
        let mut gate = self.0.gate.lock().await;
        let cooling = |(began, of): &(BootTime, IssuerUrl)| {
            // Whoever waited for the gate while the look it needed went on need not look again.
            *of == *issuer && (*began >= asked || asked.since(*began) < COOLDOWN)
        };
        if gate.last.as_ref().is_some_and(cooling) {
            return gate.problem.clone();
        }
        // Noted before looking: a caller that gives up does not buy the next one another look.
        gate.last = Some((asked, issuer.clone()));
        let mut problems = Vec::new();
        for source in &self.0.sources {
            let kind = source.kind();
            let etag = self.held(issuer).and_then(|held| held.etag.clone());
            let fetched = tokio::time::timeout(PATIENCE, source.fetch(issuer, etag.as_deref()));
            let fetched = fetched.await.unwrap_or(Err(FetchError::Timeout(PATIENCE)));
            match fetched {
                Ok(fetched) => {
                    self.0.context.observer.keys_fetched(kind, KeysOutcome::Read, "");
                    self.keep(issuer, kind, fetched);
                    gate.problem = None;
                    return None;
                }
                Err(error) => {
                    let detail = error.to_string();
                    self.0.context.observer.keys_fetched(kind, KeysOutcome::Failed, &detail);
                    problems.push(format!("{}: {detail}", kind.as_str()));
                }
            }
        }
        let problems = problems.join("; ");
        gate.problem = Some(KeysError { issuer: issuer.clone(), problems });
        gate.problem.clone()
    }

    fn keep(&self, issuer: &IssuerUrl, source: KeySource, fetched: fetch::Fetched) {
        let now = self.0.context.clock.boot();
        if let Some(date) = fetched.date {
            self.0.heard.hear(date, &*self.0.context.clock);
        }
        if let Some(key_age) = &self.0.key_age {
            key_age.observe_keys(issuer, fetched.look(source));
        }
        let keys = match fetched.keys {
            Some(keys) => Arc::new(keys),
            // Not modified: what is held was read anew, so to speak.
            None => match self.held(issuer) {
                Some(held) => held.keys.clone(),
                None => return,
            },
        };
        self.0.held.store(Some(Arc::new(Held {
            issuer: issuer.clone(),
            keys,
            etag: fetched.etag,
            read_at: now,
            fresh_for: fetched.fresh_for,
        })));
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("IssuerKeys");
        out.field("sources", &self.0.sources).finish_non_exhaustive()
    }
}

/// For how long the reply says it may be used, within bounds; nothing said means the least.
fn fresh_for(headers: &HeaderMap) -> Duration {
    max_age(headers).unwrap_or_default().clamp(*FRESH.start(), *FRESH.end())
}

/// The `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(http::header::CACHE_CONTROL)?.to_str().ok()?;
    let mut directives = value.split(',').filter_map(|directive| directive.trim().split_once('='));
    let (_, secs) = directives.find(|(name, _)| name.eq_ignore_ascii_case("max-age"))?;
    secs.trim_matches('"').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;

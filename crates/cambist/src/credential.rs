//! One identity's Azure tokens.

use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cambist_core::clock::{BootTime, UnixTime};
use cambist_core::scope::Scope;
use futures_util::future::{join3, select};

use crate::assertions::Assertions;
use crate::cache::{Answered, Cache, Entry, Maker, Room};
use crate::context::Context;
use crate::error::Error;
use crate::exchange::{AccessToken, Exchange};
use crate::issuer_keys::IssuerKeys;
use crate::key_age::KeyAge;
use crate::principal::Principal;
use crate::throttle::Throttle;

mod agent;
mod blueprint;
mod worker;

use agent::Agent;
pub(crate) use blueprint::AgentAssertion;
use worker::Worker;

/// How soon what is held is looked after again at the soonest, if nothing stirs.
const SOONEST: Duration = Duration::from_secs(5);

/// And at the latest: what is due is reckoned by a clock that stands still while the machine sleeps.
const LATEST: Duration = Duration::from_secs(60);

/// Azure tokens for one identity: cached, refreshed in the background, held through outages.
///
/// Cheap to clone; clones share everything. The `TokenCredential` trait of the Azure SDK has no room
/// for a second identity, so another one is another `Credential`.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    cache: Cache,
    // None for a developer's own sign-in.
    assertions: Option<Assertions>,
}

/// The work that makes an Azure token out of a projected one: read, judge, exchange.
#[derive(Debug)]
#[non_exhaustive]
pub struct Workload {
    /// What is exchanged.
    pub assertions: Assertions,
    /// Where it is exchanged.
    pub exchange: Exchange,
    /// What is shared.
    pub context: Context,
}

impl Workload {
    /// These assertions, exchanged there.
    pub fn new(assertions: Assertions, exchange: Exchange, context: Context) -> Self {
        Self { assertions, exchange, context }
    }
}

impl Credential {
    /// The tokens of a workload identity. What Entra asks it to leave alone no other credential hears
    /// of; those of one [`Trust`](crate::Trust) do.
    pub fn new(workload: Workload) -> Self {
        Self::sharing(workload, Throttle::default(), &Room::default())
    }

    /// The tokens of a workload identity, which shares this with others.
    pub(crate) fn sharing(workload: Workload, throttle: Throttle, room: &Room) -> Self {
        Self::made(workload, room, |workload| Arc::new(Worker::new(workload, throttle)))
    }

    /// The tokens of an agent identity; the assertions are for its blueprint, which has this client id.
    pub(crate) fn agent(
        workload: Workload,
        blueprint: &str,
        throttle: Throttle,
        room: &Room,
    ) -> Self {
        Self::made(workload, room, |workload| Arc::new(Agent::new(workload, blueprint, throttle)))
    }

    fn made(
        mut workload: Workload,
        room: &Room,
        maker: impl FnOnce(Workload) -> Arc<dyn Maker>,
    ) -> Self {
        let principal = workload.exchange.principal().clone();
        let (assertions, context) = (workload.assertions.clone(), workload.context.clone());
        workload.exchange = workload.exchange.telling(assertions.keys().heard().clone());
        let cache = Cache::within(room, principal, maker(workload), context);
        Self(Arc::new(Inner { cache, assertions: Some(assertions) }))
    }

    #[cfg(any(test, feature = "azure", feature = "test-util"))]
    pub(crate) fn from_maker(
        principal: Principal,
        assertions: Option<Assertions>,
        maker: Arc<dyn Maker>,
        context: Context,
    ) -> Self {
        Self(Arc::new(Inner { cache: Cache::new(principal, maker, context), assertions }))
    }

    /// The same, for who is not to keep it.
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered(Arc::downgrade(&self.0))
    }

    /// The identity's client id.
    pub fn client_id(&self) -> &str {
        self.principal().client_id()
    }

    /// Whose tokens they are, as events name it.
    pub fn principal(&self) -> &Principal {
        self.0.cache.principal()
    }

    /// The token for a resource (without `/.default`) if one can be handed out at once. Takes no
    /// lock, allocates nothing, and starts a refresh in the background when one is due.
    ///
    /// Must be called within a tokio runtime.
    pub fn peek(&self, resource: &str) -> Option<Arc<AccessToken>> {
        self.0.cache.peek(resource)
    }

    /// What [`answer`](Self::answer) would tell at once: the token for a
    /// resource (without `/.default`), or why there is none, as long as Entra is not to be asked
    /// again. `None` if there is something to wait for. Costs no more than [`peek`](Self::peek), and
    /// takes the time from the caller, who needs it as well: a reading of the context's boot clock.
    ///
    /// Must be called within a tokio runtime.
    pub fn at_once(&self, resource: &str, min_ttl: Duration, now: BootTime) -> Option<Answered> {
        self.0.cache.at_once(resource, min_ttl, now)
    }

    /// The valid token that is held for a scope, whether or not it is due; nothing is started.
    pub fn held(&self, scope: &Scope) -> Option<Arc<AccessToken>> {
        self.0.cache.held(scope)
    }

    /// The token for a scope: from the cache, or made now.
    ///
    /// However many callers ask at once, the work is done once, and goes on if they leave. While a
    /// valid token is held it is answered, whatever fails. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If there is no valid token and making one failed, now or a moment ago.
    pub async fn token(&self, scope: &Scope) -> Result<Arc<AccessToken>, Error> {
        self.token_with_min_ttl(scope, Duration::ZERO).await
    }

    /// As [`token`](Self::token), for a caller that needs it to live for at least `min_ttl` more.
    ///
    /// A held token that will not is refreshed first, unless it has not lived half of its life (a
    /// new one would hardly live longer) or the refresh fails: what is valid is still answered, and
    /// tells its own remaining life.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn token_with_min_ttl(
        &self,
        scope: &Scope,
        min_ttl: Duration,
    ) -> Result<Arc<AccessToken>, Error> {
        self.answer(scope, min_ttl).await.outcome
    }

    /// The same, with how it was answered: for who counts that by something that events do not know, such as who
    /// asked.
    pub async fn answer(&self, scope: &Scope, min_ttl: Duration) -> Answered {
        self.0.cache.get(scope, min_ttl).await
    }

    /// Has tokens for these scopes held at all times, as long as [`maintain`](Self::maintain) runs.
    pub fn prefetch(&self, scopes: impl IntoIterator<Item = Scope>) {
        self.0.cache.pin(scopes);
    }

    /// Has tokens for these scopes held at all times, and for no others any more; what else is held is kept for who
    /// asks.
    pub fn prefetch_only(&self, scopes: &[Scope]) {
        self.0.cache.pin_only(scopes);
    }

    /// The scopes that are held at all times.
    pub fn prefetched(&self) -> Vec<Scope> {
        self.0.cache.pinned()
    }

    /// Whether a valid token is held for a scope.
    pub fn holds(&self, scope: &Scope) -> bool {
        self.0.cache.held(scope).is_some()
    }

    /// What is held, for reports.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.cache.contents()
    }

    /// The issuer's keys; none for a developer's own sign-in.
    pub fn issuer_keys(&self) -> Option<&IssuerKeys> {
        self.0.assertions.as_ref().map(Assertions::keys)
    }

    /// When the projected token expires that was last seen in its file, by what it claims itself: seen by an exchange,
    /// or by [`look_at_files`](crate::Trust::look_at_files). `None` if none was, and for a developer's own sign-in.
    pub fn projected_token_expires_on(&self) -> Option<UnixTime> {
        self.0.assertions.as_ref()?.token_file().expires_on()
    }

    /// Looks after what is held: fetches and refreshes prefetched scopes, and forgets what nobody
    /// asks for. Runs for ever; spawn it once. Without it everything still works on demand.
    pub async fn maintain(&self) {
        join3(self.tend(), self.tend_history(), self.tend_signer()).await;
    }

    async fn tend(&self) {
        let (cache, keys) = (&self.0.cache, self.issuer_keys());
        // Whoever stirs them lives as long as this does.
        let mut cache_stirs = cache.stirs();
        let mut keys_stir = keys.and_then(IssuerKeys::key_age).map(KeyAge::stirs);
        loop {
            if let Some(keys) = keys {
                keys.tend();
            }
            cache.tend();
            let due = [keys.and_then(IssuerKeys::due_in), cache.due_in()];
            let due = due.into_iter().flatten().min().unwrap_or(LATEST);
            let of_cache = pin!(cache_stirs.changed());
            let of_keys = pin!(async {
                match &mut keys_stir {
                    Some(stirs) => stirs.changed().await,
                    None => pending().await,
                }
            });
            let stir = select(of_cache, of_keys);
            // Whatever it was, it is time to look.
            let _ = tokio::time::timeout(due.clamp(SOONEST, LATEST), stir).await;
        }
    }

    /// Reads the projected token for who signs, once the last one that was seen no longer tells. Needs
    /// no request; [`maintain`](Self::maintain) does it.
    pub async fn see_signer(&self) {
        if let Some(assertions) = &self.0.assertions {
            assertions.see_signer().await;
        }
    }

    /// Beside the rest: a file that hangs keeps no token from being refreshed.
    async fn tend_signer(&self) {
        let Some(assertions) = &self.0.assertions else { return };
        while let Some(due) = assertions.signer_due_in() {
            tokio::time::sleep(due.clamp(LATEST, 10 * LATEST)).await;
            assertions.see_signer().await;
        }
    }

    /// Beside the rest: a history that hangs keeps no token from being refreshed.
    async fn tend_history(&self) {
        let key_age = self.issuer_keys().and_then(IssuerKeys::key_age);
        let Some(key_age) = key_age.filter(|key_age| key_age.has_history()) else { return };
        loop {
            key_age.refresh_history().await;
            tokio::time::sleep(key_age.history_due_in().clamp(SOONEST, LATEST)).await;
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Credential");
        out.field("client_id", &self.client_id()).finish_non_exhaustive()
    }
}

/// A credential that somebody remembers without keeping it.
#[derive(Clone)]
pub(crate) struct Remembered(Weak<Inner>);

impl Remembered {
    /// Whether nobody has it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Its file holds a projected token that expires then.
    pub(crate) fn assertion_seen(&self, expires: UnixTime) {
        let credential = self.0.upgrade();
        if let Some(assertions) = credential.as_ref().and_then(|it| it.assertions.as_ref()) {
            assertions.token_file().holds_until(expires);
        }
    }

    /// Its file holds another projected token.
    pub(crate) fn assertion_renewed(&self) {
        if let Some(credential) = self.0.upgrade() {
            credential.cache.assertion_renewed();
        }
    }
}

#[cfg(test)]
mod tests;

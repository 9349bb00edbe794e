//! What stands in for Azure and for a cluster in an app's own tests: no network, no files. For tests
//! alone, and so behind the feature `test-util`.
//!
//! ```toml
//! [dev-dependencies]
//! cambist = { version = "0.1", features = ["test-util"] }
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};
use cambist_core::refresh::Jitter;
use cambist_core::scope::Scope;
use cambist_core::secret::Secret;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::cache::Maker;
use crate::clock::SystemClock;
use crate::context::Context;
use crate::credential::Credential;
use crate::error::{Error, Kind};
use crate::exchange::AccessToken;
use crate::observer::Unobserved;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::receipt::{Moment, Receipt};

mod issuer;

pub use issuer::FixedIssuer;

/// How long a token is valid.
const LIFE: Duration = Duration::from_secs(3600);

/// Azure tokens that a test decides, of a [`Credential`] as any other: whoever takes one, by itself,
/// in a [`BearerLayer`](crate::layer::BearerLayer) or as the Azure SDK's `TokenCredential`, takes this
/// one. Cheap to clone; clones are the same.
///
/// Everything behind it is what an app has in a pod: what is held is answered through an outage,
/// refreshed when it is due, and a failure is kept for a while. Only, time stands still until
/// [`advance`](Self::advance).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cambist::core::scope::Scope;
/// use cambist::fixed::FixedTokens;
/// use cambist::layer::BearerLayer;
/// use cambist::{Class, Error, Reason};
/// use http::{Request, Response, header::AUTHORIZATION};
/// use std::time::Duration;
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// let azure = FixedTokens::new("token-1");
/// let orders = Scope::parse("api://orders/.default")?;
/// let server = service_fn(|request: Request<()>| async move {
///     Ok::<_, tower::BoxError>(Response::new(request.headers()[AUTHORIZATION].clone()))
/// });
/// let app = BearerLayer::new(azure.credential(), orders).layer(server);
/// let seen = app.clone().oneshot(Request::new(())).await?;
/// assert_eq!(seen.body(), "Bearer token-1");
///
/// // What is held is good through an outage, and not for ever.
/// azure.fails(Reason::EntraUnavailable);
/// assert!(app.clone().oneshot(Request::new(())).await.is_ok());
/// azure.advance(Duration::from_secs(3600));
/// let error = app.clone().oneshot(Request::new(())).await.unwrap_err().downcast::<Error>()?;
/// assert_eq!(error.class(), Class::Transient);
///
/// // It is over when it is asked for again.
/// azure.gives("token-2");
/// azure.advance(error.retry_after().unwrap_or_default());
/// assert_eq!(app.oneshot(Request::new(())).await?.body(), "Bearer token-2");
/// # Ok::<_, tower::BoxError>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct FixedTokens(Arc<Inner>);

struct Inner {
    since: UnixTime,
    state: Mutex<State>,
}

struct State {
    passed: Duration,
    answer: Result<Secret, Reason>,
    made: u32,
}

impl FixedTokens {
    /// Gives this token for every scope: some visible ASCII, good for an hour.
    pub fn new(token: impl Into<String>) -> Self {
        let state = State { passed: Duration::ZERO, answer: Ok(Secret::new(token)), made: 0 };
        Self(Arc::new(Inner { since: SystemClock.wall(), state: Mutex::new(state) }))
    }

    /// A credential of these tokens, which holds none yet. Several hold each their own.
    pub fn credential(&self) -> Credential {
        let context = Context {
            clock: self.0.clone(),
            observer: Arc::new(Unobserved),
            jitter: Jitter::of(b"fixed"),
        };
        Credential::from_maker(Principal::fixed(), None, self.0.clone(), context)
    }

    /// Gives this token from now on, to whoever holds none or refreshes.
    pub fn gives(&self, token: impl Into<String>) {
        self.0.state().answer = Ok(Secret::new(token));
    }

    /// Fails from now on: an outage, a refusal, or whatever else has a reason.
    pub fn fails(&self, reason: Reason) {
        self.0.state().answer = Err(reason);
    }

    /// Lets time go by, for the tokens that are held and for the pauses after failures.
    pub fn advance(&self, by: Duration) {
        self.0.state().passed += by;
    }

    /// How many times a token was asked for that no credential held, in vain or not.
    pub fn asked(&self) -> u32 {
        self.0.state().made
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self) -> Result<AccessToken, Error> {
        let now = Moment { wall: self.wall(), boot: self.boot() };
        let mut state = self.state();
        state.made = state.made.saturating_add(1);
        let secret = state.answer.clone().map_err(|reason| Error::new(Kind::Fixed(reason)))?;
        let receipt = Receipt::unexchanged(&secret, now, now);
        Ok(AccessToken::new(secret, LIFE, None, receipt))
    }
}

impl Maker for Inner {
    fn fetch<'a>(&'a self, _scope: &'a Scope) -> BoxFuture<'a, Result<AccessToken, Error>> {
        std::future::ready(self.make()).boxed()
    }
}

impl Clock for Inner {
    fn wall(&self) -> UnixTime {
        self.since + self.state().passed
    }

    fn boot(&self) -> BootTime {
        BootTime::from_origin(self.state().passed)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let fails = state.answer.as_ref().err();
        let mut out = f.debug_struct("Fixed");
        out.field("passed", &state.passed).field("fails", &fails).finish_non_exhaustive()
    }
}

impl fmt::Debug for FixedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;

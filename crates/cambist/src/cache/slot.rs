//! One scope's place in the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use cambist_core::clock::BootTime;
use cambist_core::refresh::{Failure, Holding, Plan, wait};
use cambist_core::scope::Scope;
use futures_util::future::BoxFuture;

use super::mended::Mended;
use crate::context::Context;
use crate::error::Error;
use crate::exchange::AccessToken;
use crate::flight::{Flight, Joined};

pub(super) type Outcome = Result<Arc<AccessToken>, Error>;

#[derive(Debug)]
pub(super) struct Slot {
    scope: Scope,
    state: ArcSwap<State>,
    flight: Arc<Flight<Outcome>>,
    pinned: AtomicBool,
    // What vouched for the held token has lost its standing: it is due whatever its age.
    withdrawn: AtomicBool,
    // Seconds of boot time: finer would cost a shared write on every hit.
    last_used: AtomicU64,
    // Nobody came back for it yet in another second than its first.
    on_probation: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct State {
    held: Option<Held>,
    failure: Option<Failed>,
}

#[derive(Clone, Debug)]
struct Failed {
    error: Error,
    in_a_row: u32,
    began: BootTime,
    at: BootTime,
    retry_at: BootTime,
}

impl Failed {
    /// Whether it was for want of an upstream that was well afterwards, or of a projected token of which
    /// there was another after its work began.
    fn is_over(&self, mended: &Mended) -> bool {
        let of_upstream = matches!(self.error.failure(), Failure::Transient | Failure::Looking);
        of_upstream && self.at < mended.upstream()
            || self.error.is_of_assertion() && self.began < mended.assertion()
    }
}

/// A token with its plan, which depends on the pod.
#[derive(Clone, Debug)]
struct Held {
    token: Arc<AccessToken>,
    plan: Plan,
}

/// What a reader gets at some moment.
#[derive(Debug)]
pub(super) enum Answer {
    /// This token; nothing is to be done.
    Fresh(Arc<AccessToken>),
    /// This token, and a refresh is due.
    Due(Arc<AccessToken>),
    /// This token, although it is old: the upstream is being left alone.
    Held(Arc<AccessToken>),
    /// A fresher token if it comes soon, else this one.
    Aging(Arc<AccessToken>),
    /// No token, and no use trying now.
    Failed(Error),
    /// No token yet.
    Nothing,
}

impl Slot {
    pub(super) fn new(scope: Scope, pinned: bool, now: BootTime) -> Self {
        Self {
            scope,
            state: ArcSwap::default(),
            flight: Arc::new(Flight::new()),
            pinned: AtomicBool::new(pinned),
            withdrawn: AtomicBool::new(false),
            last_used: AtomicU64::new(now.since(BootTime::default()).as_secs()),
            on_probation: AtomicBool::new(true),
        }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn pin(&self, pinned: bool) {
        self.pinned.fetch_or(pinned, Ordering::Relaxed);
    }

    pub(super) fn unpin(&self) {
        self.pinned.store(false, Ordering::Relaxed);
    }

    pub(super) fn pinned(&self) -> bool {
        self.pinned.load(Ordering::Relaxed)
    }

    pub(super) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> bool {
        self.flight.is_under_way()
    }

    pub(super) fn evictable(&self) -> bool {
        !self.pinned() && !self.in_flight()
    }

    pub(super) fn touch(&self, now: BootTime) {
        let secs = now.since(BootTime::default()).as_secs();
        if self.last_used.load(Ordering::Relaxed) != secs {
            self.last_used.store(secs, Ordering::Relaxed);
            self.on_probation.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn is_on_probation(&self) -> bool {
        self.on_probation.load(Ordering::Relaxed)
    }

    pub(super) fn last_used(&self) -> BootTime {
        BootTime::from_origin(Duration::from_secs(self.last_used.load(Ordering::Relaxed)))
    }

    pub(super) fn idle(&self, now: BootTime) -> Duration {
        now.since(self.last_used())
    }

    pub(super) fn held(&self, now: BootTime) -> Option<Arc<AccessToken>> {
        let state = self.state.load();
        let held = state.held.as_ref()?;
        (!held.token.remaining_at(now).is_zero()).then(|| held.token.clone())
    }

    /// Whether there was ever a token, valid still or not.
    pub(super) fn was_held(&self) -> bool {
        self.state.load().held.is_some()
    }

    pub(super) fn failure(&self, now: BootTime) -> Option<Error> {
        let state = self.state.load();
        let failed = state.failure.as_ref()?;
        Some(failed.error.with_retry_after(failed.retry_at.since(now)))
    }

    /// When there is something to be done for it, if it is to be held always.
    pub(super) fn due_at(&self, mended: &Mended) -> BootTime {
        let state = self.state.load();
        let withdrawn = self.withdrawn.load(Ordering::Relaxed);
        let held = state.held.as_ref().filter(|_| !withdrawn);
        let old = held.map_or(BootTime::default(), |Held { token, plan }| {
            token.sent_at() + plan.refresh_after
        });
        let paused = state.failure.as_ref().filter(|f| !f.is_over(mended));
        old.max(paused.map_or(BootTime::default(), |f| f.retry_at))
    }

    /// What a reader that needs `min_ttl` of remaining life gets now.
    pub(super) fn answer(&self, now: BootTime, mended: &Mended, min_ttl: Duration) -> Answer {
        let state = self.state.load();
        let pausing = state.failure.as_ref().filter(|f| now < f.retry_at && !f.is_over(mended));
        let Some(Held { token, plan }) = &state.held else { return no_token(pausing, now) };
        let age = now.since(token.sent_at());
        if age >= plan.valid_for {
            return no_token(pausing, now);
        }
        let token = token.clone();
        // Before half of its life a fresh token would hardly live longer than this one.
        let enough = plan.valid_for - age >= min_ttl || age < plan.valid_for / 2;
        let young = age < plan.refresh_after && !self.withdrawn.load(Ordering::Relaxed);
        match (young, age < plan.floor_after, pausing) {
            (true, _, _) if enough => Answer::Fresh(token),
            (_, _, Some(_)) => Answer::Held(token),
            (_, true, None) if enough => Answer::Due(token),
            _ => Answer::Aging(token),
        }
    }

    /// Joins the flight under way, or starts one with `work` unless the need is gone meanwhile.
    pub(super) fn join(
        self: &Arc<Self>,
        context: &Context,
        mended: &Mended,
        min_ttl: Duration,
        work: impl FnOnce() -> BoxFuture<'static, Result<AccessToken, Error>>,
    ) -> Joined<Outcome> {
        let now = context.clock.boot();
        let known = || match self.answer(now, mended, min_ttl) {
            Answer::Fresh(token) | Answer::Held(token) => Some(Ok(token)),
            Answer::Failed(error) => Some(Err(error)),
            Answer::Due(_) | Answer::Aging(_) | Answer::Nothing => None,
        };
        self.flight.join(now, known, || {
            let (slot, context, work) = (self.clone(), context.clone(), work());
            async move { slot.settle(work.await, now, &context) }
        })
    }

    /// Keeps what a flight brought that began then. A failure leaves the held token alone.
    fn settle(
        &self,
        outcome: Result<AccessToken, Error>,
        began: BootTime,
        context: &Context,
    ) -> Outcome {
        let now = context.clock.boot();
        match outcome {
            Ok(token) => {
                let token = Arc::new(token);
                let plan = Plan::new(token.valid_for(), token.refresh_in(), context.jitter);
                let held = Some(Held { token: token.clone(), plan });
                self.state.store(Arc::new(State { held, failure: None }));
                self.withdrawn.store(false, Ordering::Relaxed);
                Ok(token)
            }
            Err(error) => {
                let state = State::clone(&self.state.load());
                let in_a_row = state.failure.as_ref().map_or(0, |f| f.in_a_row).saturating_add(1);
                let holding = self.held(now).map_or(Holding::Nothing, |_| Holding::Token);
                let (failure, asked) = (error.failure(), error.retry_after());
                let pause = wait(failure, in_a_row, holding, asked, context.jitter);
                let error = error.with_retry_after(pause);
                let (at, retry_at) = (now, now + pause);
                let failed = Failed { error: error.clone(), in_a_row, began, at, retry_at };
                self.state.store(Arc::new(State { failure: Some(failed), ..state }));
                Err(error)
            }
        }
    }
}

fn no_token(pausing: Option<&Failed>, now: BootTime) -> Answer {
    match pausing {
        Some(failed) => Answer::Failed(failed.error.with_retry_after(failed.retry_at.since(now))),
        None => Answer::Nothing,
    }
}

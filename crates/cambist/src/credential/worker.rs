//! The work for one token, done once.

use cambist_core::admission::Standing;
use cambist_core::scope::Scope;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Workload;
use crate::cache::Maker;
use crate::context::Context;
use crate::error::Error;
use crate::exchange::{AccessToken, Exchange, Presented};
use crate::receipt::Purpose;
use crate::throttle::Throttle;

/// A workload and who asked to be left alone.
#[derive(Debug)]
pub(super) struct Worker {
    workload: Workload,
    throttle: Throttle,
}

impl Maker for Worker {
    fn fetch<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<AccessToken, Error>> {
        let Workload { exchange, context, .. } = &self.workload;
        in_turn(exchange, &self.throttle, context, self.fetch_once(scope)).boxed()
    }

    fn is_withdrawn(&self, token: &AccessToken) -> bool {
        match token.standing() {
            Some(Standing::Verified(key)) => self.workload.assertions.is_withdrawn(key),
            _ => false,
        }
    }
}

impl Worker {
    pub(super) fn new(workload: Workload, throttle: Throttle) -> Self {
        Self { workload, throttle }
    }

    async fn fetch_once(&self, scope: &Scope) -> Result<AccessToken, Error> {
        let first = self.attempt(scope).await;
        match first {
            // The file may have been replaced between reading it and Entra's looking at it.
            Err(error) if error.is_stale_assertion() => self.attempt(scope).await,
            outcome => outcome,
        }
    }

    async fn attempt(&self, scope: &Scope) -> Result<AccessToken, Error> {
        let Workload { assertions, exchange, .. } = &self.workload;
        let purpose = Purpose::new(scope);
        let assertion = assertions.next_for(Some(purpose)).await?;
        let verdict = assertions.verdict_on(assertion.standing());
        let presented = Presented::Projected(&assertion);
        let token = exchange.exchange_for(presented, purpose).await.map_err(Error::new)?;
        Ok(token.judged(verdict))
    }
}

/// Does work that asks Entra as somebody, with a place among the exchanges and unless Entra asked them to
/// leave it alone; and keeps in mind if it asks so now.
pub(super) async fn in_turn(
    exchange: &Exchange,
    throttle: &Throttle,
    context: &Context,
    work: impl Future<Output = Result<AccessToken, Error>>,
) -> Result<AccessToken, Error> {
    let who = exchange.identity();
    // Who may not go anyway need not wait for a place.
    if let Some(error) = throttle.paused(who, context.clock.boot()) {
        return Err(error);
    }
    let _passage = exchange.turn().await;
    if let Some(error) = throttle.pausing(who, context.clock.boot()) {
        return Err(error);
    }
    let sent = context.clock.boot();
    let outcome = work.await;
    match &outcome {
        Ok(_) => throttle.granted(who, sent),
        Err(error) => {
            let (now, jitter) = (context.clock.boot(), context.jitter);
            throttle.refused(who, error, sent, now, jitter);
        }
    }
    outcome
}

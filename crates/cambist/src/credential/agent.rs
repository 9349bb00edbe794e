//! The second of an agent identity's two exchanges: a resource's token for what stands for the agent
//! (<https://learn.microsoft.com/entra/agent-id/agent-autonomous-app-oauth-flow>).

use cambist_core::scope::Scope;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Workload;
use super::blueprint::{AgentAssertion, Blueprint};
use super::worker::in_turn;
use crate::cache::Maker;
use crate::error::Error;
use crate::exchange::{AccessToken, Presented};
use crate::receipt::Purpose;
use crate::throttle::Throttle;

/// An agent identity: its blueprint, its own way to its tokens, and who asked to be left alone.
#[derive(Debug)]
pub(super) struct Agent {
    blueprint: Blueprint,
    workload: Workload,
    throttle: Throttle,
}

impl Agent {
    /// The agent identity that this workload asks as; its assertions are its blueprint's, which has this
    /// client id.
    pub(super) fn new(workload: Workload, blueprint: &str, throttle: Throttle) -> Self {
        let blueprint = Blueprint::new(blueprint, &workload, throttle.clone());
        Self { blueprint, workload, throttle }
    }

    async fn fetch_once(&self, scope: &Scope) -> Result<AccessToken, Error> {
        let Workload { exchange, context, .. } = &self.workload;
        // Who may not go anyway needs nothing to show.
        if let Some(error) = self.throttle.paused(exchange.identity(), context.clock.boot()) {
            return Err(error);
        }
        // Before there is a place among the exchanges: this one is an exchange that needs a place.
        let first = self.blueprint.assertion().await?;
        match self.attempt(&first, scope).await {
            Err(error) if error.is_stale_assertion() => {
                let another = self.blueprint.another(&first).await?;
                self.attempt(&another, scope).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        assertion: &AgentAssertion,
        scope: &Scope,
    ) -> Result<AccessToken, Error> {
        let Workload { assertions, exchange, context, .. } = &self.workload;
        let work = async {
            let (presented, purpose) = (Presented::Agent(assertion), Purpose::new(scope));
            let token = exchange.exchange_for(presented, purpose).await.map_err(Error::new)?;
            let verdict = token.standing().and_then(|standing| assertions.verdict_on(standing));
            Ok(token.judged(verdict))
        };
        in_turn(exchange, &self.throttle, context, work).await
    }
}

impl Maker for Agent {
    fn fetch<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<AccessToken, Error>> {
        self.fetch_once(scope).boxed()
    }

    fn is_withdrawn(&self, token: &AccessToken) -> bool {
        self.blueprint.is_withdrawn(token)
    }

    fn assertion_renewed(&self) {
        self.blueprint.assertion_renewed();
    }
}

#[cfg(test)]
mod tests;

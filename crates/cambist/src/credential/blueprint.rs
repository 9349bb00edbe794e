//! The first of an agent identity's two exchanges: what its blueprint gives to stand for it.
//!
//! An agent identity has no credentials; its blueprint has, and asks with them for a token whose
//! `fmi_path` is the agent
//! (<https://learn.microsoft.com/entra/agent-id/autonomous-agent-authentication-authorization-flow>). It is
//! the only token that came of a federated credential and that Entra takes for an assertion again.

use std::sync::Arc;

use cambist_core::scope::Scope;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Workload;
use super::worker::Worker;
use crate::cache::{Cache, Maker};
use crate::error::Error;
use crate::exchange::AccessToken;
use crate::principal::Principal;
use crate::throttle::Throttle;

/// What a blueprint gave to stand for one of its agent identities, which shows it to Entra as its own
/// assertion. [`Blueprint`] is its only maker, so that nothing else that Entra gave can be shown to it
/// again.
#[derive(Debug)]
pub(crate) struct AgentAssertion {
    token: Arc<AccessToken>,
    blueprint: Principal,
}

impl AgentAssertion {
    pub(crate) fn token(&self) -> &AccessToken {
        &self.token
    }

    /// Who gave it, and for which agent.
    pub(crate) fn blueprint(&self) -> &Principal {
        &self.blueprint
    }
}

/// A blueprint, as far as it stands behind one agent identity. What it gives is held and refreshed as an
/// Azure token is: no rule of its own is documented for it.
#[derive(Debug)]
pub(super) struct Blueprint {
    cache: Cache,
    asking: Arc<Asking>,
    scope: Scope,
}

impl Blueprint {
    /// The blueprint with this client id, asked with these assertions for the agent identity that is to be
    /// exchanged for there.
    pub(super) fn new(client_id: &str, agent: &Workload, throttle: Throttle) -> Self {
        let Workload { assertions, exchange, context } = agent;
        let exchange = exchange.of_blueprint(client_id);
        let scope = exchange.authority().exchange_scope();
        let principal = exchange.principal().clone();
        let workload = Workload::new(assertions.clone(), exchange, context.clone());
        let worker = Worker::new(workload, throttle);
        let asking = Arc::new(Asking { worker, principal: principal.clone() });
        let cache = Cache::new(principal, asking.clone(), context.clone());
        Self { cache, asking, scope }
    }

    /// What stands for the agent now.
    ///
    /// What came of a projected token whose key has lost its standing since is not shown any more, since
    /// that token would not be either.
    pub(super) async fn assertion(&self) -> Result<AgentAssertion, Error> {
        let token = self.cache.take(&self.scope).await?;
        if self.is_withdrawn(&token) {
            return self.other_than(&token).await;
        }
        Ok(self.made_of(token))
    }

    /// Another one than this, which Entra did not take for its age.
    pub(super) async fn another(&self, stale: &AgentAssertion) -> Result<AgentAssertion, Error> {
        self.other_than(&stale.token).await
    }

    /// Whether the key of the projected token that this came of has lost its standing.
    pub(super) fn is_withdrawn(&self, token: &AccessToken) -> bool {
        self.asking.is_withdrawn(token)
    }

    /// Its file holds another projected token.
    pub(super) fn assertion_renewed(&self) {
        self.cache.assertion_renewed();
    }

    async fn other_than(&self, useless: &Arc<AccessToken>) -> Result<AgentAssertion, Error> {
        Ok(self.made_of(self.cache.take_other(&self.scope, useless).await?))
    }

    fn made_of(&self, token: Arc<AccessToken>) -> AgentAssertion {
        AgentAssertion { token, blueprint: self.asking.principal.clone() }
    }
}

/// The work of asking it, whose failures say so.
#[derive(Debug)]
struct Asking {
    worker: Worker,
    principal: Principal,
}

impl Maker for Asking {
    fn fetch<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<AccessToken, Error>> {
        let of_blueprint = |error: Error| error.of_blueprint(self.principal.clone());
        let token = self.worker.fetch(scope);
        async move { token.await.map_err(of_blueprint) }.boxed()
    }

    fn is_withdrawn(&self, token: &AccessToken) -> bool {
        self.worker.is_withdrawn(token)
    }
}

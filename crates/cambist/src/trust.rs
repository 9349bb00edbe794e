//! What is trusted, opened once: connections, keys, their ages. Identities are many and cheap.

use std::fmt;
use std::sync::Arc;

use cambist_core::admission::{Admission, Mode};

use crate::assertions::Assertions;
use crate::config::{Identity, IdentityKind, TrustConfig};
use crate::context::Context;
use crate::credential::{Credential, Workload};
use crate::exchange::{Exchange, Gate};
use crate::issuer_keys::{IssuerKeys, KeyOrigin};
use crate::key_age::KeyAge;
use crate::throttle::Throttle;
use crate::token_file::TokenFile;
use crate::transport::Transport;

/// What all identities of a process share: one connection to each peer, one key set, one judgement of
/// its age, one memory of who asked to be left alone. Cheap to clone; clones share everything.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use cambist::config::Identity;
/// use cambist::{Config, Context, env::Process};
///
/// let config = Config::from_env(&Process)?;
/// let trust = config.trust.open(Context::system("pod-name"))?;
/// let orders = trust.credential(&config.identity);
/// // Another identity, with the same projected token: nothing is fetched twice.
/// let Identity { tenant_id, token_file, .. } = config.identity;
/// let other = "00000000-0000-0000-0000-000000000002";
/// let billing = trust.credential(&Identity::new(tenant_id, other, token_file));
/// // Each refreshes ahead of time what it holds.
/// for credential in [orders.clone(), billing.clone()] {
///     tokio::spawn(async move { credential.maintain().await });
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Trust(Arc<Inner>);

struct Inner {
    config: TrustConfig,
    entra: Transport,
    gate: Gate,
    throttle: Throttle,
    keys: IssuerKeys,
    context: Context,
}

impl Trust {
    pub(crate) fn new(
        config: TrustConfig,
        entra: Transport,
        sources: Vec<KeyOrigin>,
        context: Context,
    ) -> Self {
        let key_age = (config.mode != Mode::Off)
            .then(|| KeyAge::new(config.key_age.clone(), context.clone()));
        if let Some(key_age) = &key_age {
            key_age.read_history();
        }
        let keys = IssuerKeys::judged(sources, key_age, context.clone());
        if let Some(issuer) = &config.issuer {
            keys.keep(issuer);
        }
        let (gate, throttle) = (Gate::default(), Throttle::default());
        Self(Arc::new(Inner { config, entra, gate, throttle, keys, context }))
    }

    /// The tokens of one identity. Opens nothing and fetches nothing by itself. Those of an agent identity
    /// need two exchanges, of which the first is shared by all its tokens.
    pub fn credential(&self, identity: &Identity) -> Credential {
        let Inner { config, entra, gate, throttle, context, .. } = &*self.0;
        let direct = Exchange::new(
            entra.clone(),
            identity.authority.clone(),
            identity.tenant_id.clone(),
            &identity.client_id,
            context.clock.clone(),
        )
        .sharing(gate.clone());
        let exchange = match &config.token_proxy {
            Some(proxy) => direct.through(proxy),
            None => direct,
        };
        let workload = Workload::new(self.assertions(identity), exchange, context.clone());
        let credential = match &identity.kind {
            IdentityKind::Workload => Credential::heeding(workload, throttle.clone()),
            IdentityKind::Agent { blueprint } => {
                Credential::agent(workload, blueprint, throttle.clone())
            }
        };
        credential.prefetch(identity.prefetch.iter().cloned());
        credential
    }

    /// One identity's verified assertions alone, for who exchanges them otherwise.
    pub fn assertions(&self, identity: &Identity) -> Assertions {
        let Inner { config, keys, context, .. } = &*self.0;
        Assertions::new(
            identity.federated(),
            TokenFile::new(identity.token_file.clone()),
            keys.clone(),
            Admission::new(config.verifier(identity.audience.clone()), config.mode),
            context.clone(),
        )
    }

    /// The issuer's keys.
    pub fn issuer_keys(&self) -> &IssuerKeys {
        &self.0.keys
    }

    /// What everything here goes by: the time, who is told, and the pod's share of the spread.
    pub fn context(&self) -> &Context {
        &self.0.context
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("config", &self.0.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

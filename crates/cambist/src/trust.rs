//! What is trusted, opened once: connections, keys, their ages. Identities are many and cheap.

use std::fmt;
use std::sync::Arc;

use cambist_core::admission::{Admission, Mode};
use futures_util::future::join_all;

use crate::assertions::Assertions;
use crate::cache::Room;
use crate::config::{Identity, IdentityKind, TrustConfig};
use crate::context::Context;
use crate::credential::{Credential, Workload};
use crate::exchange::{Exchange, Gate};
use crate::files::{Look, Watched};
use crate::issuer_keys::{IssuerKeys, KeyOrigin};
use crate::key_age::KeyAge;
use crate::throttle::Throttle;
use crate::token_file::TokenFile;
use crate::transport::Transport;

mod token_files;

use token_files::TokenFiles;

/// So many files are looked at at once: one that hangs holds up few others, and who reads one for a
/// token never waits long.
const AT_ONCE: usize = 8;

/// What all identities of a process share: one connection to each peer, one key set, one judgement of
/// its age, one memory of who asked to be left alone, one room for all tokens. Cheap to clone; clones share everything.
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
    ca_files: Vec<Watched>,
    token_files: TokenFiles,
    room: Room,
    context: Context,
}

impl Trust {
    pub(crate) fn new(
        config: TrustConfig,
        entra: Transport,
        sources: Vec<KeyOrigin>,
        ca_files: Vec<Watched>,
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
        Self(Arc::new(Inner {
            config,
            entra,
            gate: Gate::default(),
            throttle: Throttle::default(),
            keys,
            ca_files,
            token_files: TokenFiles::default(),
            room: Room::default(),
            context,
        }))
    }

    /// The tokens of one identity. Opens nothing and fetches nothing by itself. Those of an agent identity
    /// need two exchanges, of which the first is shared by all its tokens.
    pub fn credential(&self, identity: &Identity) -> Credential {
        let Inner { config, entra, gate, throttle, room, context, .. } = &*self.0;
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
            IdentityKind::Workload => Credential::sharing(workload, throttle.clone(), room),
            IdentityKind::Agent { blueprint } => {
                Credential::agent(workload, blueprint, throttle.clone(), room)
            }
        };
        credential.prefetch(identity.prefetch.iter().cloned());
        self.0.token_files.remember(&identity.token_file, &credential, &context.observer);
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

    /// Looks at the files that may change while a process runs: those with CAs that this was
    /// [opened](TrustConfig::open) with, and the projected tokens of the credentials it has made and
    /// somebody still has. For a program to call every few seconds; nothing calls it by itself. What
    /// counts is what is in them, not their times, and a change is taken up once two looks in a row
    /// have found the same.
    ///
    /// With other CAs, requests go out under the new ones from then on, while those under way end as
    /// they began. With another projected token, what failed for want of a good one is tried again at
    /// once, unless Entra asked to be left alone. A file that is gone or broken changes nothing. Each
    /// change is told by an [`Event::FileChanged`](crate::Event::FileChanged). The CA file of a token
    /// proxy is not among them: it is looked at before each request. Files take 2 seconds at most for
    /// every eight of them, and are read off the runtime's workers.
    pub async fn look_at_files(&self) -> Look {
        let Inner { ca_files, token_files, .. } = &*self.0;
        let mut files = ca_files.clone();
        files.extend(token_files.watched());
        let mut settled = Look::Settled;
        for some in files.chunks(AT_ONCE) {
            let looks = join_all(some.iter().map(Watched::look)).await;
            if looks.contains(&Look::Settling) {
                settled = Look::Settling;
            }
        }
        settled
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

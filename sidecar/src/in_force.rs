//! What is in force: a policy and a credential for each of its identities, read by every request and replaced as one.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use cambist::cache::Entry;
use cambist::config::Identity;
use cambist::files::Look;
use cambist::issuer_keys::IssuerKeys;
use cambist::{Credential, Principal, Trust};
use cambist_core::clock::BootTime;
use tokio::task::AbortHandle;

use crate::access::Access;
use crate::event::TokenRequest;
use crate::metrics::Held;
use crate::telemetry::{Pair, Telemetry};

/// What makes credentials.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// One for each identity, of what is trusted.
    Trust(Trust),
    /// One that stands in for all: a developer's.
    One(Credential),
}

impl From<Trust> for Origin {
    fn from(trust: Trust) -> Self {
        Self::Trust(trust)
    }
}

impl From<Credential> for Origin {
    fn from(credential: Credential) -> Self {
        Self::One(credential)
    }
}

impl Origin {
    fn credential(&self, identity: &Identity) -> Credential {
        match self {
            Self::Trust(trust) => trust.credential(identity),
            Self::One(credential) => {
                credential.prefetch(identity.prefetch.iter().cloned());
                credential.clone()
            }
        }
    }

    /// Looks at the files that are trusted and at those with projected tokens; whether there is something to be looked
    /// at again soon.
    pub(crate) async fn look_at_files(&self) -> Look {
        match self {
            Self::Trust(trust) => trust.look_at_files().await,
            Self::One(_) => Look::Settled,
        }
    }

    /// The issuer's keys; none where a developer signs in.
    pub fn issuer_keys(&self) -> Option<&IssuerKeys> {
        match self {
            Self::Trust(trust) => Some(trust.issuer_keys()),
            Self::One(credential) => credential.issuer_keys(),
        }
    }
}

/// A policy and a credential for each of its identities.
#[derive(Debug)]
pub struct InForce {
    /// Who may have whose tokens.
    pub(crate) access: Access,
    credentials: Vec<Credential>,
    /// For each caller one of each identity, found when it is first asked for.
    pairs: Vec<OnceLock<Arc<Pair>>>,
}

/// What is in force now.
pub type Current = Arc<ArcSwap<InForce>>;

impl InForce {
    /// This policy with these credentials, in the order of its identities.
    ///
    /// # Panics
    /// If there is not one credential for each identity.
    pub fn new(access: Access, credentials: Vec<Credential>) -> Self {
        assert_eq!(access.policy().identities().len(), credentials.len(), "one for each identity");
        let pairs = access.policy().callers().len() * credentials.len();
        let pairs = std::iter::repeat_with(OnceLock::new).take(pairs).collect();
        Self { access, credentials, pairs }
    }

    /// The same, to be replaced by others.
    pub fn into_current(self) -> Current {
        Arc::new(ArcSwap::from_pointee(self))
    }

    /// The credential of an identity, by its place in the policy.
    pub(crate) fn credential(&self, identity: usize) -> &Credential {
        // A policy decides for none but its own.
        self.credentials.get(identity).expect("a credential for each identity")
    }

    /// What each identity is called.
    pub(crate) fn name(&self, identity: usize) -> &str {
        self.access.policy().identities().get(identity).map_or("", |it| &it.name)
    }

    /// What a caller does with an identity is counted there, both by their places.
    pub(crate) fn pair(&self, caller: usize, identity: usize, telemetry: &Telemetry) -> &Arc<Pair> {
        let made = || telemetry.pair(self.access.caller_name(caller), self.name(identity));
        let pair = self.pairs.get(caller * self.credentials.len() + identity);
        pair.expect("a pair for each of them").get_or_init(made)
    }

    /// What is held, by the names of the identities.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, Entry)> {
        self.credentials.iter().enumerate().flat_map(move |(n, credential)| {
            credential.entries().into_iter().map(move |entry| (self.name(n), entry))
        })
    }

    /// What is held by the clock's time, for a scrape.
    pub(crate) fn held(&self, at: BootTime) -> Held<'_> {
        let each = self.credentials.iter().enumerate();
        let projected =
            each.filter_map(|(n, it)| Some((self.name(n), it.projected_token_expires_on()?)));
        Held { at, entries: self.entries().collect(), projected: projected.collect() }
    }

    /// The identities' names and whose they are.
    pub(crate) fn principals(&self) -> impl Iterator<Item = (&str, &Principal)> {
        let each = self.credentials.iter().enumerate();
        each.map(|(n, credential)| (self.name(n), credential.principal()))
    }

    /// Whether a caller still gets this identity's tokens for this, both by their names.
    pub(crate) fn gives(&self, it: &TokenRequest<'_>) -> bool {
        let TokenRequest { pair, principal, resource, .. } = *it;
        let (caller, identity) = (pair.caller(), pair.identity());
        let policy = self.access.policy();
        let of_it = |at: &usize| {
            self.name(*at) == identity && self.credentials[*at].principal() == principal
        };
        let Some(identity) = (0..self.credentials.len()).find(of_it) else { return false };
        let mut callers = policy.callers().iter();
        callers
            .find(|it| it.name() == caller)
            .is_some_and(|caller| policy.gives(caller, identity, resource))
    }
}

/// The credentials of what is in force, each looked after by a task of its own until it is given up.
#[derive(Debug)]
pub(crate) struct Kept {
    origin: Origin,
    pub(crate) each: HashMap<Principal, Tended>,
}

/// A credential with the task that looks after it.
#[derive(Debug)]
pub(crate) struct Tended {
    identity: Identity,
    credential: Credential,
    upkeep: AbortHandle,
}

impl Drop for Tended {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}

impl Tended {
    fn begin(identity: &Identity, credential: Credential) -> Self {
        let tended = credential.clone();
        let upkeep = tokio::spawn(async move { tended.maintain().await }).abort_handle();
        Self { identity: identity.clone(), credential, upkeep }
    }

    /// From now on it is for this identity, whose tokens it has already.
    fn serve(&mut self, identity: &Identity) {
        if self.identity.prefetch != identity.prefetch {
            self.credential.prefetch_only(&identity.prefetch);
        }
        self.identity = identity.clone();
    }
}

impl Kept {
    /// None yet.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, each: HashMap::new() }
    }

    /// What makes them.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Keeps those of these identities from now on, and gives them in their order: what did not change keeps its tokens
    /// and flights, and what is none of them is let go. Must be called within a tokio runtime.
    pub(crate) fn keep(&mut self, identities: &[Identity]) -> Vec<Credential> {
        let mut before = std::mem::take(&mut self.each);
        let keep = |identity: &Identity| {
            let principal = identity.principal();
            let tended = match before.remove(&principal) {
                Some(mut tended) if tended.identity.has_tokens_of(identity) => {
                    tended.serve(identity);
                    tended
                }
                Some(_) | None => Tended::begin(identity, self.origin.credential(identity)),
            };
            let credential = tended.credential.clone();
            self.each.insert(principal, tended);
            credential
        };
        identities.iter().map(keep).collect()
    }
}

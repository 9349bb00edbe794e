//! Who one is: what tokens are asked for as.

use std::path::PathBuf;

use cambist_core::scope::{Audience, Scope};

use crate::exchange::{Authority, TenantId};
use crate::principal::Principal;

/// One workload identity: whom tokens are asked for, where, and with which projected token.
///
/// Cheap beside what it is used with: a [`Trust`](crate::Trust) opens connections and fetches keys
/// once for as many identities as there are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// What it is.
    pub kind: IdentityKind,
    /// The Entra tenant: a GUID or a domain name. Of an agent, the one that the agent is in, which need
    /// not be its blueprint's.
    pub tenant_id: TenantId,
    /// The client id of the application, managed identity or agent identity.
    pub client_id: String,
    /// Where tokens are exchanged.
    pub authority: Authority,
    /// The audience that the projected token must have.
    pub audience: Audience,
    /// The projected token.
    pub token_file: PathBuf,
    /// What is held from the start, asked for or not.
    pub prefetch: Vec<Scope>,
}

/// What an identity is, which decides how its tokens are had.
///
/// There is no kind that goes through a managed identity: Entra takes no token that came of a federated
/// credential for another one (AADSTS700231).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityKind {
    /// An application or managed identity that the projected token is federated to: one exchange.
    #[default]
    Workload,
    /// An agent identity of Entra Agent ID. It has no credentials of its own: the projected token is
    /// federated to its blueprint, which is asked first, for a token that stands for the agent
    /// (<https://learn.microsoft.com/entra/agent-id/agent-autonomous-app-oauth-flow>).
    Agent {
        /// The client id of the agent identity blueprint.
        blueprint: String,
    },
}

impl Identity {
    /// An application or managed identity of Azure's public cloud, with nothing prefetched.
    pub fn new(
        tenant_id: TenantId,
        client_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        Self {
            kind: IdentityKind::default(),
            tenant_id,
            client_id: client_id.into(),
            authority: Authority::default(),
            audience: Audience::entra(),
            token_file: token_file.into(),
            prefetch: Vec::new(),
        }
    }

    /// The same as an agent identity of the blueprint with this client id.
    ///
    /// ```
    /// use cambist::config::{Identity, IdentityKind};
    /// use cambist::exchange::TenantId;
    ///
    /// let tenant = TenantId::parse("00000000-0000-0000-0000-000000000001").unwrap();
    /// let agent = "00000000-0000-0000-0000-000000000002";
    /// let blueprint = "00000000-0000-0000-0000-000000000003";
    /// let agent = Identity::new(tenant, agent, "/var/run/secrets/tokens/entra").agent_of(blueprint);
    /// assert_eq!(agent.kind, IdentityKind::Agent { blueprint: blueprint.to_owned() });
    /// ```
    #[must_use]
    pub fn agent_of(self, blueprint: impl Into<String>) -> Self {
        Self { kind: IdentityKind::Agent { blueprint: blueprint.into() }, ..self }
    }

    /// Whether the tokens of one are those of the other: they differ at most in what is prefetched.
    pub fn has_tokens_of(&self, other: &Self) -> bool {
        let Self { kind, tenant_id, client_id, authority, audience, token_file, prefetch: _ } =
            self;
        (kind, tenant_id, client_id) == (&other.kind, &other.tenant_id, &other.client_id)
            && (authority, audience, token_file)
                == (&other.authority, &other.audience, &other.token_file)
    }

    /// Whom events name.
    pub fn principal(&self) -> Principal {
        Principal::new(self.tenant_id.clone(), &*self.client_id)
    }

    /// Whom the projected token is federated to, and exchanged as: itself, or an agent's blueprint.
    pub(crate) fn federated(&self) -> Principal {
        match &self.kind {
            IdentityKind::Workload => self.principal(),
            IdentityKind::Agent { blueprint } => {
                Principal::blueprint(self.tenant_id.clone(), blueprint, &*self.client_id)
            }
        }
    }

    /// The same at another authority, with the audience that is usual there.
    #[must_use]
    pub fn at(self, authority: Authority) -> Self {
        Self { audience: authority.default_audience(), authority, ..self }
    }
}

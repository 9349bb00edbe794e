//! Whose tokens they are, in a form that everything that tells of them can share.

use std::fmt;
use std::sync::Arc;

use crate::exchange::tenant::TenantId;

/// Whose tokens they are: an application, managed identity or agent identity of a tenant, the blueprint
/// of an agent identity, or a developer.
///
/// Named once for each credential and borrowed from then on; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal(Arc<Ids>);

#[derive(PartialEq, Eq, Hash)]
struct Ids {
    tenant: Option<TenantId>,
    client: String,
    agent: Option<String>,
}

impl Principal {
    /// An application, managed identity or agent identity, where it is registered.
    pub fn new(tenant_id: TenantId, client_id: impl Into<String>) -> Self {
        Self::of(Some(tenant_id), client_id.into(), None)
    }

    /// A blueprint, as far as it is asked for what stands for one of its agent identities.
    pub(crate) fn blueprint(
        agents_tenant_id: TenantId,
        client_id: impl Into<String>,
        agent: impl Into<String>,
    ) -> Self {
        Self::of(Some(agents_tenant_id), client_id.into(), Some(agent.into()))
    }

    fn of(tenant: Option<TenantId>, client: String, agent: Option<String>) -> Self {
        Self(Arc::new(Ids { tenant, client, agent }))
    }

    /// Whoever is signed in on this machine.
    #[cfg(any(test, feature = "azure"))]
    pub(crate) fn developer() -> Self {
        Self::of(None, "developer".to_owned(), None)
    }

    /// What stands in for an identity in an app's own tests.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn fixed() -> Self {
        Self::of(None, "fixed".to_owned(), None)
    }

    /// The client id; `developer` of a developer.
    pub fn client_id(&self) -> &str {
        &self.0.client
    }

    /// The tenant; not known of a developer.
    pub fn tenant_id(&self) -> Option<&TenantId> {
        self.0.tenant.as_ref()
    }

    /// The client id of the agent identity that this is the blueprint of. Only an agent identity's first
    /// exchange is a blueprint's.
    pub fn agent(&self) -> Option<&str> {
        self.0.agent.as_deref()
    }
}

impl fmt::Display for Principal {
    /// `tenant/client`, of a blueprint with ` for ` and the agent's client id behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = &self.0.tenant {
            write!(f, "{tenant}/")?;
        }
        f.write_str(&self.0.client)?;
        self.agent().map_or(Ok(()), |agent| write!(f, " for {agent}"))
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({self})")
    }
}

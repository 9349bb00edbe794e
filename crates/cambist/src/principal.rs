//! Whose tokens they are, in a form that everything that tells of them can share.

use std::fmt;
use std::sync::Arc;

use crate::exchange::TenantId;

/// Whose tokens they are: an application or managed identity of a tenant, or a developer.
///
/// Named once for each credential and borrowed from then on; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal(Arc<Ids>);

#[derive(PartialEq, Eq, Hash)]
struct Ids {
    tenant: Option<TenantId>,
    client: String,
}

impl Principal {
    /// An application or managed identity, where it is registered.
    pub fn new(tenant_id: TenantId, client_id: impl Into<String>) -> Self {
        Self(Arc::new(Ids { tenant: Some(tenant_id), client: client_id.into() }))
    }

    /// Whoever is signed in on this machine.
    #[cfg(any(test, feature = "azure"))]
    pub(crate) fn developer() -> Self {
        Self(Arc::new(Ids { tenant: None, client: "developer".to_owned() }))
    }

    /// The client id; `developer` of a developer.
    pub fn client_id(&self) -> &str {
        &self.0.client
    }

    /// The tenant; not known of a developer.
    pub fn tenant_id(&self) -> Option<&TenantId> {
        self.0.tenant.as_ref()
    }
}

impl fmt::Display for Principal {
    /// `tenant/client`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = &self.0.tenant {
            write!(f, "{tenant}/")?;
        }
        f.write_str(&self.0.client)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({self})")
    }
}

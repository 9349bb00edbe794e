//! Who one is: what tokens are asked for as.

use std::path::PathBuf;

use cambist_core::scope::{Audience, Scope};

use crate::exchange::{Authority, TenantId};
use crate::principal::Principal;

/// One workload identity: whom tokens are asked for, where, and with which projected token.
///
/// Cheap beside what it is used with: a [`Trust`](crate::Trust) opens connections and fetches keys
/// once for as many identities as there are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Identity {
    /// The Entra tenant: a GUID or a domain name.
    pub tenant_id: TenantId,
    /// The client id of the application or managed identity.
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

impl Identity {
    /// An application or managed identity of Azure's public cloud, with nothing prefetched.
    pub fn new(
        tenant_id: TenantId,
        client_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        Self {
            tenant_id,
            client_id: client_id.into(),
            authority: Authority::default(),
            audience: Audience::entra(),
            token_file: token_file.into(),
            prefetch: Vec::new(),
        }
    }

    /// Whom events name.
    pub fn principal(&self) -> Principal {
        Principal::new(self.tenant_id.clone(), &*self.client_id)
    }

    /// The same at another authority, with the audience that is usual there.
    #[must_use]
    pub fn at(self, authority: Authority) -> Self {
        Self { audience: authority.default_audience(), authority, ..self }
    }
}

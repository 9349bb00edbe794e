//! What several identities share: what is trusted, and what holds for each that does not say otherwise.

use std::path::PathBuf;

use cambist_core::scope::Audience;

use super::reader::{Reader, TOKEN_PROXY};
use super::{ConfigErrors, TrustConfig};
use crate::env::Env;
use crate::exchange::{Authority, TenantId};

/// What is shared by identities that a file names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shared {
    /// What is trusted.
    pub trust: TrustConfig,
    /// What holds for an identity that does not say otherwise.
    pub defaults: Defaults,
}

/// What holds for an identity that does not say otherwise.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Defaults {
    /// The tenant (`AZURE_TENANT_ID`).
    pub tenant_id: Option<TenantId>,
    /// The projected token (`AZURE_FEDERATED_TOKEN_FILE`).
    pub token_file: Option<PathBuf>,
    /// Where tokens are exchanged (`AZURE_AUTHORITY_HOST`).
    pub authority: Authority,
    /// Authorities beside the built-in ones (`CAMBIST_ALLOW_AUTHORITY`).
    pub allowed_authorities: Vec<String>,
    /// The projected token's audience, where it is not what is usual at the authority (`CAMBIST_AUDIENCE`, or that of a
    /// cluster's token proxy).
    pub audience: Option<Audience>,
}

impl Shared {
    /// Reads the same variables as [`Config::from_env`](super::Config::from_env), but for `AZURE_CLIENT_ID`; none of
    /// them has to be there.
    ///
    /// # Errors
    /// All faults at once.
    pub fn from_env(env: &dyn Env) -> Result<Self, ConfigErrors> {
        let mut read = Reader::new(env);
        let tenant_id = env.get("AZURE_TENANT_ID").and_then(|_| read.tenant());
        let allowed_authorities = read.allowed_authorities();
        let authority = read.authority_among(&allowed_authorities);
        let given = [TOKEN_PROXY, "CAMBIST_AUDIENCE"].iter().any(|name| env.get(name).is_some());
        let audience = read.audience(authority.as_ref());
        let trust = read.trust();
        if !read.faults.is_empty() {
            return Err(ConfigErrors::new(read.faults));
        }
        let defaults = Defaults {
            tenant_id,
            token_file: env.get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            authority: authority.unwrap_or_default(),
            allowed_authorities,
            audience: given.then_some(audience),
        };
        Ok(Self { trust, defaults })
    }
}

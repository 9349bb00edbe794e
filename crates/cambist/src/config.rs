//! Configuration: the workload-identity webhook's variables first, then `CAMBIST_*`.
//!
//! Everything is read through an [`Env`] and all that is wrong is said at once. What is trusted
//! ([`TrustConfig`]) is opened once; who one is ([`Identity`]) may be many. [`Config`] is the front
//! for one of each.

use std::path::PathBuf;

use crate::assertions::Assertions;
use crate::context::Context;
use crate::credential::Credential;
use crate::env::Env;

mod ailing;
mod faults;
mod identity;
mod reader;
mod shared;
mod trust;
mod variables;

use reader::Reader;

pub use faults::{ConfigErrors, ConfigFault};
pub use identity::{Identity, IdentityKind};
pub use shared::{Defaults, Shared};
pub use trust::{KeyPlace, TrustConfig};
pub use variables::{RENAMED, VARIABLES, Variable};

/// What one identity needs to get its tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What is trusted.
    pub trust: TrustConfig,
    /// Who one is.
    pub identity: Identity,
}

impl Config {
    /// Reads the configuration.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use cambist::Config;
    ///
    /// let env: BTreeMap<String, String> = [
    ///     ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
    ///     ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
    ///     ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token"),
    ///     ("CAMBIST_LEEWAY", "a while"),
    /// ].map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    /// let faults = Config::from_env(&env).unwrap_err();
    /// assert_eq!(faults.faults()[0].name, "CAMBIST_LEEWAY");
    /// ```
    ///
    /// # Errors
    /// All faults at once, each with the variable's name, what is wrong and what to do.
    pub fn from_env(env: &dyn Env) -> Result<Self, ConfigErrors> {
        let mut read = Reader::new(env);
        let tenant_id = read.tenant();
        let client_id = read.guid("AZURE_CLIENT_ID");
        let token_file = read.required("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
        let authority = read.authority();
        let audience = read.audience(authority.as_ref());
        let trust = read.trust();
        match (tenant_id, client_id, token_file, authority) {
            (Some(tenant_id), Some(client_id), Some(token_file), Some(authority))
                if read.faults.is_empty() =>
            {
                let identity = Identity::new(tenant_id, client_id, token_file);
                Ok(Self { trust, identity: Identity { audience, ..identity.at(authority) } })
            }
            _ => Err(ConfigErrors::new(read.faults)),
        }
    }

    /// The credential of this one identity, with connections of its own. For several identities,
    /// [open](TrustConfig::open) the trust once and ask it for each.
    ///
    /// # Errors
    /// If a CA file cannot be read or a transport cannot be made of it.
    pub fn credential(&self, context: Context) -> Result<Credential, ConfigErrors> {
        Ok(self.trust.open(context)?.credential(&self.identity))
    }

    /// The verified assertions alone, for who exchanges them otherwise: see
    /// [`crate::azure::VerifiedAssertion`] of the feature `azure`.
    ///
    /// # Errors
    /// As [`credential`](Self::credential).
    pub fn assertions(&self, context: Context) -> Result<Assertions, ConfigErrors> {
        Ok(self.trust.open(context)?.assertions(&self.identity))
    }
}

#[cfg(test)]
mod tests;

//! The file of several identities: who may have whose tokens, and what for.
//!
//! Its types are here, [`read`] makes them of YAML (which JSON is), and [`SCHEMA`] is their JSON Schema, published
//! at [`SCHEMA_URL`]. Everything that is wrong is said at once, each with its line and column, what was expected, and the
//! name that comes nearest.
//! [`load`] also finds out what the names in it mean, and makes [`Identities`] of it.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::Defaults;
use crate::exchange::Cloud;
use crate::identities::Identities;

mod check;
mod resolve;
mod schema;
mod tree;
mod warnings;

pub use check::{FileErrors, FileFault};
pub use schema::{SCHEMA, SCHEMA_URL};

/// A policy for several identities.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "The identities of cambist, and who may have their tokens"))]
#[cfg_attr(test, schemars(extend("$id" = SCHEMA_URL)))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyFile {
    /// The version of this form: 1.
    pub version: Version,
    /// What happens to a request that the policy does not allow.
    #[serde(default)]
    pub mode: PolicyMode,
    /// Who the tokens are for.
    pub identities: Vec<IdentityEntry>,
    /// Who may ask, and for what.
    pub callers: Vec<CallerEntry>,
    /// The name of the identity that a caller gets who names none and may have it among others.
    pub default: Option<String>,
}

/// The version of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
#[non_exhaustive]
pub enum Version {
    /// The first.
    One,
}

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number == 1 { Ok(Self::One) } else { Err("the version is 1".to_owned()) }
    }
}

/// What happens to a request that the policy does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PolicyMode {
    /// It is answered, and told in the log and the metrics.
    Audit,
    /// It is refused.
    #[default]
    Enforce,
}

/// Somebody whose tokens can be had.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IdentityEntry {
    /// What it is called in this file and in what is told of it.
    pub name: String,
    /// What kind of identity it is.
    #[serde(default)]
    pub kind: KindEntry,
    /// The tenant whose tokens these are: a GUID, or a domain; that of AZURE_TENANT_ID without it. For a multi-tenant
    /// application this is the target tenant; the cluster's issuer is then a federated credential of the application
    /// itself.
    pub tenant: Option<String>,
    /// The client id of the managed identity, application or agent identity.
    pub client_id: String,
    /// The client id of an agent's blueprint, which is what the projected token is federated to. For the kind agent alone.
    pub blueprint: Option<String>,
    /// The object id of its service principal, for apps that select it by that.
    pub object_id: Option<String>,
    /// Its Azure resource id, for apps that select it by that.
    pub resource_id: Option<String>,
    /// The cloud it is in; that of AZURE_AUTHORITY_HOST, or the public one, without it.
    pub cloud: Option<Cloud>,
    /// The authority by its URL, instead of a cloud; one that is not Entra's has to be in CAMBIST_ALLOW_AUTHORITY.
    pub authority: Option<String>,
    /// The file of the projected service-account token; that of AZURE_FEDERATED_TOKEN_FILE without it.
    pub token_file: Option<PathBuf>,
    /// Resources whose tokens are held from the start.
    #[serde(default)]
    pub prefetch: Vec<String>,
    /// Resources that anybody may have its tokens for at most, by name or pattern; all of them without it.
    pub resources: Option<Vec<String>>,
}

/// A kind of identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KindEntry {
    /// A managed identity or an application, to which the projected token is federated.
    #[default]
    Workload,
    /// An Entra agent identity; the projected token is federated to its blueprint.
    Agent,
}

/// Somebody who may ask. It is known by exactly one of `secret_files`, `secret_variable` and `anonymous`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CallerEntry {
    /// What it is called in what is told of it.
    pub name: String,
    /// Files with its header secret, which its app has in IDENTITY_HEADER: two of them while one replaces the other.
    #[serde(default)]
    pub secret_files: Vec<PathBuf>,
    /// The variable of this process with its header secret: IDENTITY_HEADER, or one that begins so.
    pub secret_variable: Option<String>,
    /// Whether this is whoever shows no secret, which is how `imds` is asked.
    #[serde(default)]
    pub anonymous: bool,
    /// What it may have.
    pub may: Vec<RightEntry>,
}

/// What a caller may have of one identity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RightEntry {
    /// The identity's name.
    pub identity: String,
    /// Resources, by name or pattern: `https://vault.azure.net`, `https://*.blob.core.windows.net`, or `"*"` for all.
    pub resources: Vec<String>,
}

/// Reads a file's text.
///
/// # Errors
/// All that is wrong with its form, at once; of very much, the first hundred.
pub fn read(text: &str) -> Result<PolicyFile, FileErrors> {
    read_placed(text).map(|(file, _)| file).map_err(FileErrors::cut)
}

/// Reads a file's text and finds out what the names in it mean.
///
/// # Errors
/// All that is wrong with its form, at once; or then all that is wrong with what it means, each with its line.
pub fn load(text: &str, defaults: &Defaults) -> Result<Identities, FileErrors> {
    let placed = read_placed(text)
        .and_then(|(file, tree)| file.resolve_all(defaults).map_err(|errors| errors.placed(&tree)));
    placed.map_err(FileErrors::cut)
}

fn read_placed(text: &str) -> Result<(PolicyFile, tree::Node), FileErrors> {
    let tree = tree::read(text)?;
    check::against(&schema::value(), &tree)?;
    let file = serde_saphyr::from_str(text).map_err(|error| FileErrors::of_yaml(&error))?;
    Ok((file, tree))
}

#[cfg(test)]
mod tests;

//! The file of several identities: who may have whose tokens, and what for.
//!
//! Its types are here, [`read`] makes them of YAML (which JSON is), and [`SCHEMA`] is their JSON Schema. Everything
//! that is wrong is said at once, each with its line and column, what was expected, and the name that comes nearest.
//! What the names in it mean is for whoever builds a policy of it.

use std::path::PathBuf;

use serde::Deserialize;

mod check;
mod schema;
mod tree;

pub use check::{FileErrors, FileFault};
pub use schema::SCHEMA;

/// A policy for several identities.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    #[default]
    Audit,
    /// It is refused.
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
    /// The tenant's id: a GUID, or a domain.
    pub tenant: String,
    /// The client id of the managed identity or application.
    pub client_id: String,
    /// The object id of its service principal, for apps that select it by that.
    pub object_id: Option<String>,
    /// Its Azure resource id, for apps that select it by that.
    pub resource_id: Option<String>,
    /// The authority, such as https://login.microsoftonline.us/; the public cloud's without it.
    pub authority: Option<String>,
    /// The file of the projected service-account token; that of AZURE_FEDERATED_TOKEN_FILE without it.
    pub token_file: Option<PathBuf>,
    /// Resources whose tokens are held from the start.
    #[serde(default)]
    pub prefetch: Vec<String>,
    /// Resources that anybody may have its tokens for at most, by name or pattern; all of them without it.
    pub resources: Option<Vec<String>>,
}

/// Somebody who may ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CallerEntry {
    /// What it is called in what is told of it.
    pub name: String,
    /// Files with its header secret: two of them while one replaces the other. None for whoever asks by `imds`, which
    /// has no secret.
    #[serde(default)]
    pub secret_files: Vec<PathBuf>,
    /// Whether this is whoever shows no secret.
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
    /// Resources, by name or pattern (see [`Allowed`](cambist_core::scope::Allowed)).
    pub resources: Vec<String>,
}

/// Reads a file's text.
///
/// # Errors
/// All that is wrong with its form, at once.
pub fn read(text: &str) -> Result<PolicyFile, FileErrors> {
    let tree = tree::read(text)?;
    check::against(&schema::value(), &tree)?;
    serde_saphyr::from_str(text).map_err(|error| FileErrors::of_yaml(&error))
}

#[cfg(test)]
mod tests;

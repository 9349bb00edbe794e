//! The checks, each a function of what was collected; none collects anything.
//!
//! A function returns nothing where its check does not apply: what was not collected is no finding.

use super::finding::{CheckId, Finding};
use super::published::PublishedKey;
use cambist_core::names;

mod age;
mod crypto;
mod discovery;
mod node;
mod rotation;
mod suspicion;
mod timeline;
mod token;
pub(super) mod transport;

pub use age::*;
pub use crypto::*;
pub use discovery::*;
pub use node::*;
pub use rotation::*;
pub use suspicion::*;
pub use timeline::*;
pub use token::*;
pub use transport::*;

/// The host of a URL, with its port if it has one; empty for what is no URL.
fn host(url: &str) -> String {
    names::authority(url).map_or_else(String::new, |at| at.to_string())
}

/// A finding about a published key.
fn key(id: CheckId, jwk: &PublishedKey, text: String) -> Finding {
    Finding::new(id, jwk.thumbprint, text)
}

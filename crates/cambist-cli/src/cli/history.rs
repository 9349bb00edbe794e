//! `cambist issuer expect` and `merge`: what is added to a history by hand.

use clap::Args;

use super::Plain;
use super::issuer::{Kept, Reach, Sources};
use super::value::{Until, place, until};
use crate::store::StoreName;

#[derive(Args, Clone, Debug)]
pub(crate) struct Expect {
    /// The key that will appear: a file with its public half, its kid, or its thumbprint.
    // A kid is base64url, and may begin with a hyphen.
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: String,
    /// When the announcement ends: a duration from now with its unit, such as 3d, or a moment; in 90 days
    /// at the latest.
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub(crate) until: Until,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Merge {
    /// The histories: file:PATH, cm:NAMESPACE/NAME, or a path.
    #[arg(value_name = "HISTORY", num_args = 2.., required = true, value_parser = place)]
    pub(crate) histories: Vec<StoreName>,
    /// Where all of it goes. What is there already is one of the histories.
    #[arg(short, long, value_name = "HISTORY", value_parser = place)]
    pub(crate) output: StoreName,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

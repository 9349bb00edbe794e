//! The table of checks: one file for each thing that is looked at.

use super::check::Check;

mod app;
mod clock;
mod endpoint;
mod entra;
mod environment;
mod issuer;
mod policy;
mod sidecar;
mod token;
mod way;

/// All of them, in the order in which they are told.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    [
        environment::CHECKS,
        token::CHECKS,
        issuer::CHECKS,
        clock::CHECKS,
        entra::CHECKS,
        way::CHECKS,
        policy::CHECKS,
        app::CHECKS,
        endpoint::CHECKS,
        sidecar::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// The failures that leave nothing to be asked of the network.
pub(super) const WAY: &[&str] = &["D601", "D602", "D603", "D604", "D605"];

//! sidecar
#![forbid(unsafe_code)]
/// Runs.
pub fn main() {}

//! The cambist sidecar: Azure access tokens over a local endpoint that every Azure SDK speaks.
#![forbid(unsafe_code)]

pub mod config;
pub mod health;
pub mod log;
pub mod reply;
pub mod request;
pub mod settings;
/// Runs.
pub fn main() {}

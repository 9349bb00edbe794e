//! The cambist sidecar: Azure access tokens over a local endpoint that every Azure SDK speaks.
//!
//! A run is [`Config::read`](config::Config::read), then [`sidecar::start`], which binds, serves and
//! returns; then [`Running::drain`](sidecar::Running::drain). [`main`] does that for the program.
//! What a request gets is decided by two functions without I/O: [`decide::decide`] says who asks and
//! what they may have, and [`reply`] makes the bytes.
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!(
    "the sidecar is for Linux (and builds on macOS, without its confinement, for whoever works on it): run it in \
     a Linux container. The library `cambist`, the command and the simulator build for Windows: docs/systems.md."
);

pub mod access;
pub mod admin;
pub mod config;
pub mod confine;
pub mod decide;
pub mod endpoint;
pub mod event;
mod explain;
pub mod front_door;
pub mod health;
pub mod in_force;
pub mod key_age;
pub mod listener;
pub mod log;
pub mod metrics;
#[cfg_attr(not(feature = "otlp"), path = "otlp/none.rs")]
mod otlp;
mod process;
mod program;
mod reload;
pub mod reply;
pub mod request;
pub mod runway;
pub mod settings;
pub mod sidecar;
mod status;
pub mod telemetry;
#[cfg(test)]
mod testing;

pub use config::Config;
pub use program::main;
pub use sidecar::{Running, StartError, Surroundings, start, start_with};

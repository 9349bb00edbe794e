//! The programs as users meet them: processes, sockets and files, nothing from within.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "all of it is a test")]

mod audit;
mod callers;
mod clocks;
mod configuration;
#[cfg(target_os = "linux")]
mod confinement;
mod crowds;
mod docs;
mod doctor;
mod explain;
mod framing;
mod hostile;
mod identities;
mod lifecycle;
mod network;
mod outages;
mod paths;
mod protocols;
mod refusals;
mod resources;
mod rotation;
mod secrets;
mod token_file;
mod token_get;
mod token_proxy;

use kit::program::Program;
use kit::{Sidecar, World};

const SIDECAR: &str = env!("CARGO_BIN_EXE_shim-sidecar");
const SIM: &str = env!("CARGO_BIN_EXE_shim-sim");

/// A sidecar for a world, ready.
async fn sidecar(world: &World) -> Sidecar {
    Sidecar::start(SIDECAR, world).await
}

/// A sidecar for a world, set up otherwise, ready.
async fn sidecar_with(world: &World, change: impl FnOnce(Program) -> Program) -> Sidecar {
    Sidecar::of(SIDECAR, world, change(program(world))).await
}

/// The sidecar's program, set up for a world but not started.
fn program(world: &World) -> Program {
    kit::sidecar::program(SIDECAR, world)
}

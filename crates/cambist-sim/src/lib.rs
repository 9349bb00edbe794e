#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! [`Sim`] is one such world. In a test, [`Sim::service`] is its network: a `tower::Service` without
//! sockets, which works under tokio's paused time. On real sockets, with TLS and a projected token
//! file, it is [`up::start`], which is also what the program `cambist-sim` runs. [`fault`] has what can go
//! wrong, [`journal`] what was asked, [`clock`] whose clock is wrong by how much.
#![forbid(unsafe_code)]
// Each public type says whether it may grow.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod api;
mod cli;
pub mod clock;
pub mod entra;
pub mod fault;
pub mod issuer;
pub mod journal;
pub mod keys;
mod kube;
pub mod kubelet;
mod random;
pub mod reply;
mod service;
mod settings;
mod strike;
#[cfg_attr(unix, path = "system/unix.rs")]
#[cfg_attr(windows, path = "system/windows.rs")]
mod system;
pub mod token;
pub mod up;
pub mod world;

pub use cli::main;
pub use service::SimService;
pub use settings::Settings;
pub use world::{Sim, SimError};

/// The simulator's state is consistent between any two statements that change it, so a test that
/// panicked while it held the lock has broken nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

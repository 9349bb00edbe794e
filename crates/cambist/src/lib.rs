//! Azure access tokens for a Kubernetes workload that holds no secret.
#![forbid(unsafe_code)]

pub mod assertions;
#[cfg(feature = "azure")]
pub mod azure;
pub mod cache;
pub mod clock;
pub mod config;
mod credential;
pub mod env;
mod error;
pub mod exchange;
pub mod issuer_keys;
pub mod layer;
pub mod observer;
#[cfg(test)]
mod testing;
pub mod token_file;
pub mod transport;

pub use cambist_core as core;
pub use clock::SystemClock;
pub use config::Config;
pub use credential::{Context, Credential, Workload};
pub use env::Env;
pub use error::{Class, Error};
pub use exchange::AccessToken;
pub use observer::Observer;

//! Azure access tokens for a Kubernetes workload that holds no secret.
//!
//! [`Config`] reads the workload-identity webhook's variables and makes a [`Credential`] of them. A
//! credential reads the pod's projected token, verifies it against its issuer's keys, exchanges it
//! through Microsoft Entra ID, caches the Azure token, refreshes it ahead of time and goes on
//! answering through outages for as long as it is valid.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cambist::core::scope::Scope;
//! use cambist::{Config, Context, env::Process};
//!
//! let credential = Config::from_env(&Process)?.credential(Context::system("pod-name"))?;
//! // Refreshes ahead of time what is held; without it, tokens are made when somebody asks.
//! let upkeep = credential.clone();
//! tokio::spawn(async move { upkeep.maintain().await });
//! let token = credential.token(&Scope::parse("https://vault.azure.net/.default")?).await?;
//! println!("a token until {}", token.expires_on());
//! # Ok(()) }
//! ```
//!
//! With the feature `azure` (on by default) a [`Credential`] is an
//! `azure_core::credentials::TokenCredential`, so that every `azure_*` client takes it; see the
//! module `azure`. [`layer`] has tower layers for requests that go out and come in. The feature
//! `test-util` is for your own tests: its module `fixed` has a credential whose tokens and failures
//! the test decides, and an issuer that vouches for whom it says, without network and files.
#![forbid(unsafe_code)]
// Each public type says whether it may grow.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod assertions;
#[cfg(feature = "azure")]
pub mod azure;
pub mod cache;
pub mod clock;
pub mod config;
mod context;
mod credential;
pub mod env;
mod error;
pub mod event;
pub mod exchange;
pub mod files;
#[cfg(any(test, feature = "test-util"))]
pub mod fixed;
mod flight;
pub mod history;
pub mod identities;
pub mod issuer_keys;
pub mod key_age;
pub mod layer;
pub mod observer;
#[cfg(feature = "policy-file")]
pub mod policy_file;
mod principal;
mod reason;
mod receipt;
#[cfg(test)]
mod testing;
mod throttle;
pub mod token_file;
pub mod transport;
mod trust;

pub use cambist_core as core;
pub use cambist_key_age;
pub use clock::SystemClock;
pub use config::Config;
pub use context::Context;
pub use credential::{Credential, Workload};
pub use env::Env;
pub use error::Error;
pub use event::Event;
pub use exchange::AccessToken;
pub use observer::Observer;
pub use principal::Principal;
pub use reason::{Class, Reason, UnknownReason};
pub use receipt::{Fingerprint, Purpose, Receipt, RequestId};
pub use trust::Trust;

/// The README's program is compiled with the documentation.
#[cfg(all(doctest, feature = "azure"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

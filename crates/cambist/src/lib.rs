// Its example is for the Azure SDK.
#![cfg_attr(feature = "azure", doc = include_str!("../README.md"))]
//!
//! # Where to begin
//!
//! [`Config`] reads the workload-identity webhook's variables and makes a [`Credential`] of them, which
//! has a token for each [`Scope`](core::scope::Scope). Several identities under one roof are of one
//! [`Trust`]; who may have whose tokens is [`identities`]. What happens is told to an [`Observer`].
//!
//! Tokens are made when somebody asks. What is held is refreshed ahead of time while
//! [`Credential::maintain`] runs, and what is [prefetched](Credential::prefetch) is held before
//! anybody asks. Here it does, and Entra is one of `cambist-sim`, which goes down:
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! use cambist::core::scope::Scope;
//! use cambist::{Class, Config, Context};
//! use cambist_sim::fault::{Fault, Target};
//! use cambist_sim::up::{Options, start};
//!
//! let dir = tempfile::tempdir()?;
//! let cluster = start(Options::new(dir.path())).await?;
//! let credential = Config::from_env(cluster.env())?.credential(Context::system("pod-name"))?;
//!
//! let vault = Scope::parse("https://vault.azure.net/.default")?;
//! credential.prefetch([vault.clone()]);
//! let upkeep = credential.clone();
//! tokio::spawn(async move { upkeep.maintain().await });
//! let token = credential.token(&vault).await?;
//!
//! // What is held is good through an outage. An error says whether to wait or to change something.
//! cluster.sim().faults().inject(Target::Entra, Fault::Reset);
//! assert_eq!(credential.token(&vault).await?.expires_on(), token.expires_on());
//! let storage = Scope::parse("https://storage.azure.com/.default")?;
//! let error = credential.token(&storage).await.unwrap_err();
//! assert_eq!(error.class(), Class::Transient);
//! # cluster.shutdown().await;
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! [`layer`] has tower layers for requests that go out and come in. The module `azure` has the traits of
//! the Azure SDK, the module `fixed` what stands in for Azure and a cluster in tests of your own.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// Each public type says whether it may grow.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!(
    "cambist builds for Linux, macOS and Windows. Another system needs two files: how a file is opened without \
     waiting (crates/cambist/src/files/unix.rs), and which clock goes on while the machine sleeps (clock/linux.rs)."
);

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

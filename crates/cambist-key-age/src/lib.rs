#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! - [`fact`], [`evidence`]: what is known, how well, and what each source may prove at most.
//! - [`judge()`]: from facts and a [`policy::Policy`] to a verdict for each key and for the issuer.
//! - [`history`]: what was seen so far, as a small document that merges without coordination.
//! - [`checks`]: the numbered checks, each a function of what was collected.
//! - [`about`]: what each check looks at and what shows it, for a page and for `explain`.
//! - [`rotation`]: the order in which a key is replaced without an outage, and its gates.
//! - [`series`]: what a scraper is told.
//! - [`enforce`]: the few findings that may stop an exchange.
#![forbid(unsafe_code)]
// Each public type says whether it may grow.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod about;
pub mod checks;
pub mod enforce;
pub mod evidence;
pub mod fact;
pub mod finding;
pub mod history;
pub mod interval;
pub mod judge;
pub mod platform;
pub mod policy;
pub mod published;
mod remedy;
pub mod role;
pub mod rotation;
mod serial;
pub mod series;
mod text;
pub mod verdict;
mod words;

pub use fact::{Evidence, Fact, Grade, Source, Subject};
pub use finding::{CheckId, Finding, Severity};
pub use history::{History, Sighting, Watch};
pub use judge::{Judgement, KeyJudgement, Known, judge};
pub use platform::Platform;
pub use policy::{AgeBasis, Limits, Policy};
pub use published::PublishedSet;
pub use role::{Role, Signer, Signings};
pub use verdict::Verdict;

/// The same keys and tokens as in the core's tests.
#[cfg(test)]
#[path = "../../cambist-core/src/testing.rs"]
#[expect(dead_code, reason = "not every test of the core has its like here")]
mod testing;
#[cfg(test)]
use cambist_core::clock;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod worlds;

#![doc = include_str!("../README.md")]
//!
//! # The order of a check
//!
//! Each rule is a plain function, and types hold the order in which they are asked:
//!
//! - [`token::ProjectedToken`] is a token somebody presented; nothing is known about it.
//! - [`verify::VerifiedToken`] is made by [`verify::Verifier`] alone, after every check.
//! - [`admission::Assertion`] is made by [`admission::Admission`] alone, and is the only thing that
//!   may be sent to Microsoft Entra ID.
//! - [`admission::Caller`] is a verified caller; it can never become an assertion.
#![forbid(unsafe_code)]
// Each public type says whether it may grow.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod admission;
pub mod clock;
pub mod duration;
pub mod foreign;
pub mod headers;
pub mod issuer;
pub mod json;
pub mod jwks;
pub mod jws;
pub mod names;
pub mod policy;
pub mod refresh;
pub mod scope;
pub mod secret;
pub mod subject;
#[cfg(test)]
mod testing;
pub mod token;
pub mod verify;

pub use json::{Found, JsonError};

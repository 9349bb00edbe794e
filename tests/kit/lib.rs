//! What the black-box tests are made of: a simulated world on real sockets, the real programs as
//! child processes, and an HTTP/1.1 client that sends any bytes at all.
//!
//! Nothing here uses a fixed port, and nothing sleeps in the hope that something has happened:
//! ports are read from the sidecar's own log, and what takes time is asked for until it is so.
#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "a test's tools fail by panicking, with what they saw")]

/// The Rust of docs/rust.md is compiled, and run unless it says `no_run`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rust.md")]
struct Rust;

pub mod http;
pub mod program;
pub mod reloads;
pub mod secrets;
pub mod sidecar;
pub mod volume;
pub mod world;

use std::time::Duration;

pub use http::{Reply, Request};
pub use program::{Ended, Program};
pub use secrets::Secrets;
pub use sidecar::Sidecar;
pub use world::{Counts, World};

/// The README's program is compiled with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// How long anything may take before a test calls it stuck. Generous, since it is only ever waited
/// for in full when something is broken.
pub const STUCK: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is `Some`.
///
/// # Panics
/// If that takes longer than [`STUCK`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    in_time(what, again(Duration::from_millis(25), &mut ask)).await
}

/// The same with a limit of its own, for what takes a whole machine; asks less often.
///
/// # Panics
/// If it takes longer than that.
pub async fn within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = again(Duration::from_millis(200), &mut ask);
    match tokio::time::timeout(limit, asking).await {
        Ok(done) => done,
        Err(_) => panic!("{what} has not happened within {limit:?}"),
    }
}

async fn again<T>(pause: Duration, ask: &mut impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Waits for something that must not get stuck.
///
/// # Panics
/// If it takes longer than [`STUCK`].
pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(STUCK, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} has not happened within {STUCK:?}"),
    }
}

//! The lock, the flag and the executor that flights are made of, in a place of their own so that
//! others can stand in for them.

pub(super) use std::sync::atomic::AtomicBool;
pub(super) use std::sync::{Mutex, MutexGuard};

/// Runs work to its end, whoever waits for it.
pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(work));
}

//! What everything in one process shares.

use std::sync::Arc;

use cambist_core::clock::Clock;
use cambist_core::refresh::Jitter;

use crate::clock::SystemClock;
use crate::observer::{Observer, Unobserved};

/// What everything in one process shares: the time, who is told, and the pod's share of the spread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
    /// The pod's jitter.
    pub jitter: Jitter,
}

impl Context {
    /// These.
    pub fn new(clock: Arc<dyn Clock>, observer: Arc<dyn Observer>, jitter: Jitter) -> Self {
        Self { clock, observer, jitter }
    }

    /// This machine's clocks, nobody who is told, and a jitter by something that differs from pod to
    /// pod, such as its name.
    pub fn system(pod: &str) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unobserved),
            jitter: Jitter::of(pod.as_bytes()),
        }
    }
}

//! The benches' one look at the time.

use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time, and it is read here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

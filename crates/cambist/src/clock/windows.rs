//! Windows: the performance counter, which is what `Instant` reads there. By "Acquiring high-resolution
//! time stamps" of Microsoft's it counts standby, hibernation and connected standby, too.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "this is the place the time comes in")]
pub(super) fn since_origin() -> Duration {
    // An `Instant` tells distances alone, so that the origin is whoever asked first.
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(Instant::now);
    Instant::now().duration_since(origin)
}

//! Who is told what happens.

use std::fmt;

use crate::event::Event;

/// Somebody who is told what happens.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use cambist::event::Event;
/// use cambist::Observer;
///
/// /// Counts the tokens that could not be had.
/// #[derive(Debug, Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn event(&self, event: &Event<'_>) {
///         if let Event::Fetched(fetched) = event
///             && fetched.outcome.is_err()
///         {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync {
    /// Something happened. Called on the path that it happens on: it must return at once.
    fn event(&self, event: &Event<'_>);
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it, and it is made by its name")]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&self, _: &Event<'_>) {}
}

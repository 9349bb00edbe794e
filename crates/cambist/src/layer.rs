//! Tower layers: a fresh bearer on requests that go out, a verified caller on requests that come in.

mod authenticate;
mod bearer;
mod callers;

pub use authenticate::{Authenticate, AuthenticateLayer};
pub use bearer::{Bearer, BearerLayer};
pub use callers::{Callers, CallersError};

#[cfg(test)]
mod tests;

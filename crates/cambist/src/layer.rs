//! Tower layers: a fresh bearer on requests that go out, a verified caller on requests that come in.

mod authenticate;
mod bearer;

pub use authenticate::{Authenticate, AuthenticateLayer};
pub use bearer::{Bearer, BearerLayer};

#[cfg(test)]
mod tests;

//! A question to Entra, for whoever explains the answer.

use std::time::Duration;

use cambist_core::admission::Assertion;
use cambist_core::foreign::{Foreign, ForeignList};
use cambist_core::scope::Scope;

use super::tenant::TenantId;
use crate::receipt::RequestId;

/// What was asked for and with what, to be held against what Entra knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) assertion: &'a Assertion,
    /// For how long its key has signed what was sent.
    pub(super) signer_known_for: Duration,
    pub(super) scope: &'a Scope,
    pub(super) client_id: &'a str,
    pub(super) tenant: &'a TenantId,
    pub(super) request_id: RequestId,
}

impl Asked<'_> {
    pub(super) fn issuer(&self) -> Foreign {
        Foreign::new(&self.assertion.claims().issuer)
    }

    pub(super) fn resource(&self) -> Foreign {
        Foreign::new(self.scope.resource())
    }

    /// The name of the key that signed, quoted.
    pub(super) fn key(&self) -> String {
        self.assertion.kid().map_or_else(|| "(none)".to_owned(), ToString::to_string)
    }

    pub(super) fn subject(&self) -> Foreign {
        Foreign::new(&self.assertion.claims().subject)
    }

    pub(super) fn audiences(&self) -> ForeignList {
        ForeignList::of(&self.assertion.claims().audiences)
    }

    /// Issuer, subject and audience, each quoted.
    pub(super) fn presented(&self) -> String {
        let (issuer, subject, audiences) = (self.issuer(), self.subject(), self.audiences());
        format!("issuer {issuer}, subject {subject}, audience {audiences}")
    }
}

//! A question to Entra, for whoever explains the answer.

use std::time::Duration;

use cambist_core::foreign::Foreign;
use cambist_core::scope::Scope;

use super::presented::Presented;
use super::tenant::TenantId;
use crate::principal::Principal;
use crate::receipt::RequestId;

/// What was asked for and with what, to be held against what Entra knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) presented: Presented<'a>,
    /// For how long its key has signed what was sent.
    pub(super) signer_known_for: Duration,
    pub(super) scope: &'a Scope,
    pub(super) principal: &'a Principal,
    pub(super) tenant: &'a TenantId,
    pub(super) request_id: RequestId,
}

impl Asked<'_> {
    pub(super) fn resource(&self) -> Foreign {
        Foreign::new(self.scope.resource())
    }

    /// What is sent along and never shown again.
    pub(super) fn secret(&self) -> &str {
        self.presented.secret().expose()
    }
}

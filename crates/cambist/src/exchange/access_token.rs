//! The Azure token that is held.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cambist_core::admission::Standing;
use cambist_core::clock::{BootTime, UnixTime};
use cambist_core::secret::Secret;
use cambist_key_age::Verdict;

use crate::receipt::Receipt;

mod uses;

pub use uses::Uses;

/// An Azure access token, and what is known of its life. It does not print.
///
/// How long it is valid is measured from the moment it was *asked for* on a clock that runs through
/// suspend: whoever sets the wall clock changes nothing about it.
#[derive(Clone)]
pub struct AccessToken {
    secret: Secret,
    valid_for: Duration,
    refresh_in: Option<Duration>,
    receipt: Receipt,
    /// Shared by clones: it is the same token.
    uses: Arc<Uses>,
}

/// Whether a text can be a bearer token, see [`AccessToken::secret`].
pub(crate) fn is_bearer(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    !text.is_empty() && text.bytes().all(fits)
}

impl AccessToken {
    pub(crate) fn new(
        secret: Secret,
        valid_for: Duration,
        refresh_in: Option<Duration>,
        receipt: Receipt,
    ) -> Self {
        Self { secret, valid_for, refresh_in, receipt, uses: Arc::default() }
    }

    /// The same, with what is to be said of the age of the key that vouched for it.
    pub(crate) fn judged(mut self, verdict: Option<Verdict>) -> Self {
        self.receipt.verdict = verdict;
        self
    }

    /// The token itself, for an `Authorization: Bearer` header. It is opaque: never take it apart.
    /// It consists of visible ASCII without quotes and backslashes, which is more than RFC 6750
    /// section 2.1 allows and nothing that a header or JSON would have to escape.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// When it was asked for, by the wall clock. Only to be printed.
    pub fn not_before(&self) -> UnixTime {
        self.receipt.asked.wall
    }

    /// When it ends, by the wall clock as it was at asking. Only to be printed, or told to clients.
    pub fn expires_on(&self) -> UnixTime {
        self.not_before() + self.valid_for
    }

    /// When it was asked for.
    pub fn sent_at(&self) -> BootTime {
        self.receipt.asked.boot
    }

    /// How long it is valid, counted from [`sent_at`](Self::sent_at).
    pub fn valid_for(&self) -> Duration {
        self.valid_for
    }

    /// When Entra wishes it to be refreshed, counted from [`sent_at`](Self::sent_at).
    pub fn refresh_in(&self) -> Option<Duration> {
        self.refresh_in
    }

    /// What was known of the assertion that it was given for; nothing is said of a developer's own.
    pub fn standing(&self) -> Option<Standing> {
        self.receipt.standing
    }

    /// How it was had.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// How often it was handed out, as counted by whoever does so. Clones share it.
    pub fn uses(&self) -> &Arc<Uses> {
        &self.uses
    }

    /// How long it is still valid; zero once it is not.
    pub fn remaining_at(&self, now: BootTime) -> Duration {
        self.valid_for.saturating_sub(now.since(self.sent_at()))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("AccessToken");
        out.field("expires_on", &self.expires_on()).field("valid_for", &self.valid_for);
        out.field("refresh_in", &self.refresh_in).field("receipt", &self.receipt);
        out.finish_non_exhaustive()
    }
}

//! What is known of how a token was had.

use std::fmt;
use std::time::Duration;

use cambist_core::admission::Standing;
use cambist_core::clock::{BootTime, UnixTime};
use cambist_core::foreign::Foreign;
use cambist_core::jwks::Thumbprint;
use cambist_core::scope::Scope;
#[cfg(any(test, feature = "azure", feature = "test-util"))]
use cambist_core::secret::Secret;
use cambist_key_age::Verdict;

mod told;

pub use told::Fingerprint;
pub(crate) use told::Told;

/// The id that one exchange goes by, here and in the tenant's sign-in log: it is sent along as
/// `client-request-id`, and Entra takes it for the correlation id. A random GUID (RFC 9562 section
/// 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes)
            .expect("aws-lc aborts the process rather than run without entropy");
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// What an exchange is for, and the id that it goes by; known before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purpose<'a> {
    /// The token's scope.
    pub scope: &'a Scope,
    /// The id that it will be sent with.
    pub request_id: RequestId,
}

impl<'a> Purpose<'a> {
    /// A token for this scope, by an exchange of its own.
    pub(crate) fn new(scope: &'a Scope) -> Self {
        Self { scope, request_id: RequestId::random() }
    }
}

/// The ids of one exchange: ours, and what Entra answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) request: RequestId,
    pub(crate) entra: Option<Foreign>,
    pub(crate) correlation: Option<Foreign>,
}

impl Ids {
    /// Before there is an answer.
    pub(crate) fn new(request: RequestId) -> Self {
        Self { request, entra: None, correlation: None }
    }
}

/// How a token was had: what vouched for it, when, and the ids that join it with Entra's own log.
///
/// It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub(crate) ids: Ids,
    pub(crate) standing: Option<Standing>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) assertion: Option<Foreign>,
    pub(crate) token: Told,
    pub(crate) asked: Moment,
    pub(crate) answered: Moment,
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: UnixTime,
    pub(crate) boot: BootTime,
}

impl Receipt {
    /// Of a token that was had without an exchange.
    #[cfg(any(test, feature = "azure", feature = "test-util"))]
    pub(crate) fn unexchanged(secret: &Secret, asked: Moment, answered: Moment) -> Self {
        let ids = Ids::new(RequestId::random());
        let token = Told::of(secret);
        Self { ids, standing: None, verdict: None, assertion: None, token, asked, answered }
    }

    /// The id of the exchange. Of a developer's own token nobody else knows it.
    pub fn request_id(&self) -> RequestId {
        self.ids.request
    }

    /// What was known of the assertion; nothing is said of a developer's own token.
    pub fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// The issuer's key that vouched for the assertion, if that was verified.
    pub fn key(&self) -> Option<Thumbprint> {
        match self.standing {
            Some(Standing::Verified(key)) => Some(key),
            _ => None,
        }
    }

    /// What was to be said of that key's age, if that was judged.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// The id that Entra gave the request (`x-ms-request-id`), for Microsoft's support.
    pub fn entra_request_id(&self) -> Option<&str> {
        self.ids.entra.as_ref().map(Foreign::as_str)
    }

    /// The correlation id that Entra repeated (`client-request-id`): ours as a rule.
    pub fn correlation_id(&self) -> Option<&str> {
        self.ids.correlation.as_ref().map(Foreign::as_str)
    }

    /// The id (`jti`) of the projected token that it was had for.
    pub fn assertion_id(&self) -> Option<&str> {
        self.assertion.as_ref().map(Foreign::as_str)
    }

    /// What tells the token from others, without being of use to anybody who reads it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.token.fingerprint
    }

    /// The id (`uti`) that Entra gave the token, if it can be read there. The tenant's sign-in log has it as
    /// `UniqueTokenIdentifier`.
    pub fn token_id(&self) -> Option<&str> {
        self.token.id.as_ref().map(Foreign::as_str)
    }

    /// When it was asked for, by the wall clock as it was then.
    pub fn sent_at(&self) -> UnixTime {
        self.asked.wall
    }

    /// When it came, by the wall clock as it was then.
    pub fn received_at(&self) -> UnixTime {
        self.answered.wall
    }

    /// How long that took; no clock that was set meanwhile changes it.
    pub fn took(&self) -> Duration {
        self.answered.boot.since(self.asked.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_guids_and_differ() {
        let (one, two) = (RequestId::random(), RequestId::random());
        assert_ne!(one, two);
        let text = one.to_string();
        assert_eq!((text.len(), &text[14..15]), (36, "4"), "{text}");
        assert!("89ab".contains(&text[19..20]), "{text}");
        assert_eq!(text.matches('-').count(), 4);
    }
}

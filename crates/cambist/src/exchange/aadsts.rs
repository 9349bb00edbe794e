//! What Entra's error codes mean for a federated sign-in.
//!
//! Microsoft calls the codes subject to change, so they refine what status and `error` say and never
//! stand alone: an unknown code is classified by those two.

use cambist_core::refresh::Failure;
use http::StatusCode;

use crate::reason::Reason;

mod codes;
mod fix;

#[cfg(test)]
pub(super) use codes::CODES;

/// What Entra is unhappy about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    // The federated credentials.
    NoMatchingCredential,
    NoIssuer,
    NoAudience,
    NoSubject,
    SubjectCase,
    AudienceForm,
    NoCredential,
    // The token.
    StaleAssertion,
    UnknownSignature,
    WrongSignature,
    BadAssertion,
    BadHeader,
    NoKeyId,
    BadAlgorithm,
    LivesTooLong,
    OtherApp,
    IssuerUnreachable,
    // The application.
    UnknownApp,
    AppDisabled,
    NoServicePrincipal,
    WrongCredential,
    PublicClient,
    // A token of Entra's own in the place of the cluster's.
    EntraIssued,
    EntraIssuedForOthers,
    Chained,
    OtherTenant,
    // Agents.
    BlueprintAlone,
    // The request.
    UnknownTenant,
    NoAssertion,
    Malformed,
    UnknownResource,
    ResourceDisabled,
    BadScope,
    // The tenant's will.
    Policy,
    FederationBlocked,
    // Where and how often.
    Loop,
    Regional,
    WrongCloud,
    Throttled,
    Unavailable,
    Refused,
}

impl Trouble {
    /// The trouble by everything a reply says. Status 429 and 5xx mean "later" whatever the code.
    pub(super) fn of(status: StatusCode, error: &str, codes: &[u32]) -> Self {
        let known = codes.iter().find_map(|code| codes::trouble(*code));
        match (known, status.as_u16(), error) {
            (Some(Self::Loop), ..) => Self::Loop,
            (_, 429, _) => Self::Throttled,
            (Some(Self::IssuerUnreachable), 500.., _) => Self::IssuerUnreachable,
            (_, 408 | 500.., _) => Self::Unavailable,
            (Some(known), ..) => known,
            (None, _, "temporarily_unavailable" | "server_error") => Self::Unavailable,
            (None, _, "invalid_scope") => Self::BadScope,
            (None, _, "invalid_resource") => Self::UnknownResource,
            (None, _, "invalid_tenant") => Self::UnknownTenant,
            (None, ..) => Self::Refused,
        }
    }

    /// The first of these codes that is known here.
    pub(super) fn known_code(codes: &[u32]) -> Option<u32> {
        codes.iter().copied().find(|code| codes::trouble(*code).is_some())
    }

    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::NoMatchingCredential
            | Self::NoIssuer
            | Self::NoAudience
            | Self::NoSubject
            | Self::SubjectCase
            | Self::AudienceForm
            | Self::NoCredential => Reason::EntraNoMatchingCredential,
            Self::StaleAssertion => Reason::EntraAssertionStale,
            Self::UnknownSignature => Reason::EntraSignatureUnknown,
            Self::WrongSignature => Reason::EntraSignatureInvalid,
            Self::BadAssertion
            | Self::BadHeader
            | Self::NoKeyId
            | Self::BadAlgorithm
            | Self::LivesTooLong
            | Self::OtherApp => Reason::EntraAssertionInvalid,
            Self::IssuerUnreachable => Reason::EntraIssuerUnreachable,
            Self::UnknownApp | Self::AppDisabled | Self::NoServicePrincipal => {
                Reason::EntraAppUnknown
            }
            Self::WrongCredential => Reason::EntraWrongCredential,
            Self::PublicClient => Reason::EntraPublicClient,
            Self::EntraIssued | Self::EntraIssuedForOthers | Self::Chained | Self::OtherTenant => {
                Reason::EntraIssuedAssertion
            }
            Self::UnknownTenant => Reason::EntraTenantUnknown,
            Self::NoAssertion | Self::Malformed | Self::BlueprintAlone => {
                Reason::EntraRequestMalformed
            }
            Self::UnknownResource | Self::ResourceDisabled => Reason::EntraResourceUnknown,
            Self::BadScope => Reason::EntraScopeInvalid,
            Self::Policy => Reason::EntraBlockedByPolicy,
            Self::FederationBlocked => Reason::EntraFederationBlocked,
            Self::Loop => Reason::EntraLoopDetected,
            Self::Regional => Reason::EntraRegionalUnsupported,
            Self::WrongCloud => Reason::EntraWrongCloud,
            Self::Throttled => Reason::EntraThrottled,
            Self::Unavailable => Reason::EntraUnavailable,
            Self::Refused => Reason::EntraRefused,
        }
    }

    pub(super) const fn failure(self) -> Failure {
        match self {
            // Credentials and the kubelet's next token arrive within minutes.
            Self::NoMatchingCredential
            | Self::NoIssuer
            | Self::NoAudience
            | Self::NoSubject
            | Self::SubjectCase
            | Self::AudienceForm
            | Self::NoCredential
            | Self::StaleAssertion => Failure::Replicating,
            Self::UnknownSignature => Failure::Learning,
            Self::IssuerUnreachable | Self::Throttled | Self::Unavailable => Failure::Transient,
            Self::Loop => Failure::Looping,
            _ => Failure::Permanent,
        }
    }
}

//! What Entra's error codes mean for a federated sign-in.
//!
//! Microsoft calls the codes subject to change, so they refine what status and `error` say and never
//! stand alone: an unknown code is classified by those two.

use cambist_core::refresh::Failure;
use http::StatusCode;

use super::error::Asked;

/// What Entra is unhappy about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    NoMatchingCredential,
    StaleAssertion,
    UnknownSignature,
    BadAssertion,
    IssuerUnreachable,
    UnknownApp,
    WrongCredential,
    PublicClient,
    EntraIssued,
    UnknownTenant,
    Malformed,
    UnknownResource,
    BadScope,
    Policy,
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
        let known = codes.iter().find_map(|code| Self::by_code(*code));
        match (known, status.as_u16(), error) {
            (Some(Self::Loop), ..) => Self::Loop,
            (_, 429, _) => Self::Throttled,
            (Some(Self::IssuerUnreachable), 500.., _) => Self::IssuerUnreachable,
            (_, 408 | 500.., _) => Self::Unavailable,
            (Some(known), ..) => known,
            (None, _, "temporarily_unavailable" | "server_error") => Self::Unavailable,
            (None, _, "invalid_scope") => Self::BadScope,
            (None, _, "invalid_resource") => Self::UnknownResource,
            (None, ..) => Self::Refused,
        }
    }

    fn by_code(code: u32) -> Option<Self> {
        Some(match code {
            70_021 | 700_211..=700_213 | 7_002_137 | 7_002_138 => Self::NoMatchingCredential,
            700_024 | 50_013 | 500_133 => Self::StaleAssertion,
            700_027 => Self::UnknownSignature,
            50_027 | 50_006 | 50_012 => Self::BadAssertion,
            90_061 => Self::IssuerUnreachable,
            700_016 | 700_011 | 70_001 | 7_000_112 => Self::UnknownApp,
            7_000_222 | 7_000_215 => Self::WrongCredential,
            700_025 => Self::PublicClient,
            700_229 => Self::EntraIssued,
            90_002 | 900_023 => Self::UnknownTenant,
            90_023 | 9_002_313 | 90_014 | 900_144 => Self::Malformed,
            500_011 | 50_001 | 650_057 => Self::UnknownResource,
            70_011 | 28_002 | 700_022 | 700_023 => Self::BadScope,
            53_003 | 530_032 | 50_005 => Self::Policy,
            50_196 => Self::Loop,
            100_007 => Self::Regional,
            90_038 | 900_439 | 900_432 | 900_382 => Self::WrongCloud,
            90_055 | 90_033 | 90_006 | 50_033 | 90_024 | 90_012 | 90_090 => Self::Unavailable,
            _ => return None,
        })
    }

    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NoMatchingCredential => "entra_no_matching_credential",
            Self::StaleAssertion => "entra_assertion_stale",
            Self::UnknownSignature => "entra_signature_unknown",
            Self::BadAssertion => "entra_assertion_invalid",
            Self::IssuerUnreachable => "entra_issuer_unreachable",
            Self::UnknownApp => "entra_app_unknown",
            Self::WrongCredential => "entra_wrong_credential",
            Self::PublicClient => "entra_public_client",
            Self::EntraIssued => "entra_issued_assertion",
            Self::UnknownTenant => "entra_tenant_unknown",
            Self::Malformed => "entra_request_malformed",
            Self::UnknownResource => "entra_resource_unknown",
            Self::BadScope => "entra_scope_invalid",
            Self::Policy => "entra_blocked_by_policy",
            Self::Loop => "entra_loop_detected",
            Self::Regional => "entra_regional_unsupported",
            Self::WrongCloud => "entra_wrong_cloud",
            Self::Throttled => "entra_throttled",
            Self::Unavailable => "entra_unavailable",
            Self::Refused => "entra_refused",
        }
    }

    pub(super) const fn failure(self) -> Failure {
        match self {
            // Credentials, keys and the kubelet's next token all arrive within minutes.
            Self::NoMatchingCredential | Self::StaleAssertion | Self::UnknownSignature => {
                Failure::Replicating
            }
            Self::IssuerUnreachable | Self::Throttled | Self::Unavailable => Failure::Transient,
            Self::Loop => Failure::Looping,
            _ => Failure::Permanent,
        }
    }

    /// What to compare with what, and what to do.
    pub(super) fn fix(self, asked: &Asked<'_>) -> String {
        let Asked { client_id, tenant, scope, .. } = asked;
        match self {
            Self::NoMatchingCredential => format!(
                "Compare, byte for byte, {} with the federated credentials of {client_id} (a trailing slash and upper case count); one that was just made takes some minutes to spread",
                asked.presented()
            ),
            Self::StaleAssertion => {
                let claims = asked.assertion.claims();
                format!(
                    "The token is valid from {} to {}: is the kubelet renewing the file, and is this node's clock right?",
                    claims.not_before.unwrap_or(claims.issued_at),
                    claims.expires_at
                )
            }
            Self::UnknownSignature => format!(
                "The token names key {:?}: compare with the key set that the issuer publishes on the internet; after a rotation Entra needs some time to see the new key",
                asked.assertion.kid().map_or("(none)", |kid| kid.as_str())
            ),
            Self::BadAssertion => format!(
                "Entra does not accept the token itself ({}): is this file a projected service-account token, signed with RS256?",
                asked.presented()
            ),
            Self::IssuerUnreachable => format!(
                "Entra must fetch the issuer's keys from the internet: check that {:?} serves /.well-known/openid-configuration publicly, over https with a public certificate",
                asked.issuer()
            ),
            Self::UnknownApp => format!(
                "Compare AZURE_CLIENT_ID ({client_id}) and AZURE_TENANT_ID ({tenant}) with the application or managed identity; it may be in another tenant, or disabled"
            ),
            Self::WrongCredential => format!(
                "Entra took this for a client secret: does {client_id} have a federated credential?"
            ),
            Self::PublicClient => format!(
                "The application {client_id} is registered as a public client; turn that off (\"Allow public client flows\")"
            ),
            Self::EntraIssued => "The token was issued by Entra itself for a user; only a Kubernetes service account's, or an application's own, is accepted".to_owned(),
            Self::UnknownTenant => format!(
                "Check AZURE_TENANT_ID ({tenant}), and that AZURE_AUTHORITY_HOST is of the same cloud"
            ),
            Self::Malformed => format!(
                "Entra found the request malformed; check AZURE_CLIENT_ID ({client_id}) and AZURE_TENANT_ID ({tenant}), and otherwise report it as a defect of cambist"
            ),
            Self::UnknownResource => format!(
                "Check the resource {:?}: is it spelt as its service documents it, and does tenant {tenant} have that service?",
                scope.resource()
            ),
            Self::BadScope => format!(
                "Check the resource {:?}: one at a time, without a permission's name behind it",
                scope.resource()
            ),
            Self::Policy => format!(
                "A Conditional Access or other policy of tenant {tenant} blocks {client_id}; the tenant's sign-in log names it"
            ),
            Self::Loop => "Entra sees the same request too often and stops answering for some minutes; look for other copies of this workload that ask without a cache".to_owned(),
            Self::Regional => "AZURE_AUTHORITY_HOST names a regional endpoint, which takes no federated credential; use the global one".to_owned(),
            Self::WrongCloud => format!(
                "Tenant {tenant} or the resource is in another national cloud; set AZURE_AUTHORITY_HOST to that cloud's"
            ),
            Self::Throttled => "Entra asks for fewer requests; this is tried again after a pause".to_owned(),
            Self::Unavailable => "Entra has trouble of its own; this is tried again".to_owned(),
            Self::Refused => format!(
                "Look the code up at https://login.microsoftonline.com/error; the request was for {:?} as {client_id} of tenant {tenant}",
                scope.resource()
            ),
        }
    }
}

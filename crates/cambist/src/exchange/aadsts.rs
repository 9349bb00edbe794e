//! What Entra's error codes mean for a federated sign-in.
//!
//! Microsoft calls the codes subject to change, so they refine what status and `error` say and never
//! stand alone: an unknown code is classified by those two.

use cambist_core::refresh::Failure;
use http::StatusCode;

use super::asked::Asked;
use crate::reason::Reason;

/// What Entra is unhappy about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    NoMatchingCredential,
    NoCredential,
    StaleAssertion,
    UnknownSignature,
    WrongSignature,
    BadAssertion,
    BadType,
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
    FederationBlocked,
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
            70_025 => Self::NoCredential,
            700_024 | 50_013 | 500_133 => Self::StaleAssertion,
            // 700027 is the same of certificates; it was seen in times when there was no other.
            7_000_272 | 700_027 => Self::UnknownSignature,
            7_000_274 => Self::WrongSignature,
            50_027 | 50_006 | 50_012 => Self::BadAssertion,
            5_002_727 => Self::BadType,
            90_061 | 50_166 | 501_661 => Self::IssuerUnreachable,
            700_016 | 700_011 | 70_001 | 7_000_112 => Self::UnknownApp,
            7_000_222 | 7_000_215 => Self::WrongCredential,
            700_025 => Self::PublicClient,
            700_222 | 700_229 => Self::EntraIssued,
            90_002 | 900_023 => Self::UnknownTenant,
            90_023 | 9_002_313 | 90_014 | 900_144 => Self::Malformed,
            500_011 | 50_001 | 650_057 => Self::UnknownResource,
            70_011 | 28_002 | 700_022 | 700_023 => Self::BadScope,
            53_003 | 530_032 | 50_005 => Self::Policy,
            700_223 | 700_238 | 7_002_381 => Self::FederationBlocked,
            50_196 => Self::Loop,
            100_007 => Self::Regional,
            90_038 | 900_439 | 900_432 | 900_382 => Self::WrongCloud,
            90_055 | 90_033 | 90_006 | 50_033 | 90_024 | 90_012 | 90_090 => Self::Unavailable,
            _ => return None,
        })
    }

    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::NoMatchingCredential | Self::NoCredential => Reason::EntraNoMatchingCredential,
            Self::StaleAssertion => Reason::EntraAssertionStale,
            Self::UnknownSignature => Reason::EntraSignatureUnknown,
            Self::WrongSignature => Reason::EntraSignatureInvalid,
            Self::BadAssertion | Self::BadType => Reason::EntraAssertionInvalid,
            Self::IssuerUnreachable => Reason::EntraIssuerUnreachable,
            Self::UnknownApp => Reason::EntraAppUnknown,
            Self::WrongCredential => Reason::EntraWrongCredential,
            Self::PublicClient => Reason::EntraPublicClient,
            Self::EntraIssued => Reason::EntraIssuedAssertion,
            Self::UnknownTenant => Reason::EntraTenantUnknown,
            Self::Malformed => Reason::EntraRequestMalformed,
            Self::UnknownResource => Reason::EntraResourceUnknown,
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
            Self::NoMatchingCredential | Self::NoCredential | Self::StaleAssertion => {
                Failure::Replicating
            }
            Self::UnknownSignature => Failure::Learning,
            Self::IssuerUnreachable | Self::Throttled | Self::Unavailable => Failure::Transient,
            Self::Loop => Failure::Looping,
            _ => Failure::Permanent,
        }
    }

    /// What to compare with what, and what to do.
    pub(super) fn fix(self, asked: &Asked<'_>) -> String {
        let Asked { client_id, tenant, .. } = asked;
        match self {
            Self::NoMatchingCredential => format!(
                "Compare, byte for byte, {} with the federated credentials of {client_id} (a trailing slash and upper case count); one that was just made takes some minutes to spread",
                asked.presented()
            ),
            Self::NoCredential => format!(
                "{client_id} has no federated credential at all: add one for {}, or set AZURE_CLIENT_ID to the application that has it; one that was just made takes some minutes to spread",
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
                "The token names key {} of issuer {}, which Entra does not know: check that the issuer publishes that key on the internet; after a rotation Entra needs 20 to 45 minutes or more to see it, and is asked again once a minute",
                asked.key(),
                asked.issuer()
            ),
            Self::WrongSignature => format!(
                "Entra knows key {} of issuer {}, but that key did not make this signature: was the token altered on its way, or has the issuer another key under the same name now?",
                asked.key(),
                asked.issuer()
            ),
            Self::BadAssertion => format!(
                "Entra does not accept the token itself ({}): is this file a projected service-account token, signed with RS256?",
                asked.presented()
            ),
            Self::BadType => "Entra takes only tokens whose header says \"typ\": \"JWT\", or no typ: is this file a projected service-account token, as the API server signs them?".to_owned(),
            Self::IssuerUnreachable => format!(
                "Entra must fetch the issuer's keys from the internet: check that {} serves a valid /.well-known/openid-configuration and the key set that it names, publicly, over https with a public certificate, past any firewall of the storage behind it; if it does, this passes by itself",
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
            Self::EntraIssued => format!(
                "Entra takes this for a token of its own ({}), which does not count here: AZURE_FEDERATED_TOKEN_FILE must be the projected token of a Kubernetes service account, issued by the cluster",
                asked.presented()
            ),
            Self::UnknownTenant => format!(
                "Check AZURE_TENANT_ID ({tenant}), and that AZURE_AUTHORITY_HOST is of the same cloud"
            ),
            Self::Malformed => format!(
                "Entra found the request malformed; check AZURE_CLIENT_ID ({client_id}) and AZURE_TENANT_ID ({tenant}), and otherwise report it as a defect of cambist"
            ),
            Self::UnknownResource => format!(
                "Check the resource {}: is it spelt as its service documents it, and does tenant {tenant} have that service?",
                asked.resource()
            ),
            Self::BadScope => format!(
                "Check the resource {}: one at a time, without a permission's name behind it",
                asked.resource()
            ),
            Self::Policy => format!(
                "A Conditional Access or other policy of tenant {tenant} blocks {client_id}; the tenant's sign-in log names it"
            ),
            Self::FederationBlocked => format!(
                "Tenant {tenant} does not let {client_id} sign in with tokens of issuer {}: federation is switched off there, limited by a policy to other issuers or subjects, or {client_id} is an application of Microsoft's own; an administrator of the tenant can allow the issuer",
                asked.issuer()
            ),
            Self::Loop => "Entra sees the same request too often and stops answering for some minutes; look for other copies of this workload that ask without a cache".to_owned(),
            Self::Regional => "AZURE_AUTHORITY_HOST names a regional endpoint, which takes no federated credential; use the global one".to_owned(),
            Self::WrongCloud => format!(
                "Tenant {tenant} or the resource is in another national cloud; set AZURE_AUTHORITY_HOST to that cloud's"
            ),
            Self::Throttled => "Entra asks for fewer requests; this is tried again after a pause".to_owned(),
            Self::Unavailable => "Entra has trouble of its own; this is tried again".to_owned(),
            Self::Refused => format!(
                "Look the code up at https://login.microsoftonline.com/error; the request was for {} as {client_id} of tenant {tenant}",
                asked.resource()
            ),
        }
    }
}

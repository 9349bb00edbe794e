//! Entra's errors: their codes, their statuses and the shape of their bodies.

use cambist_core::clock::UnixTime;
use http::StatusCode;
use serde_json::{Value, json};

/// A refusal by its AADSTS code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: u32,
    text: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: u32, text: impl Into<String>) -> Self {
        Self { code, text: Some(text.into()) }
    }

    /// With the code's usual words.
    pub(super) fn plain(code: u32) -> Self {
        Self { code, text: None }
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> u32 {
        self.code
    }

    pub(super) fn status(&self) -> StatusCode {
        kind(self.code).1
    }

    pub(super) fn body(&self, now: UnixTime, trace: &str, correlation: &str) -> Value {
        let code = self.code;
        let (error, _, usual) = kind(code);
        let text = self.text.as_deref().unwrap_or(usual);
        let timestamp = timestamp(now);
        let mut body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: \
                 {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        if code == 53_003 {
            body["suberror"] = "message_only".into();
            body["claims"] =
                "{\"access_token\":{\"capolids\":{\"essential\":true,\"values\":[]}}}".into();
        }
        body
    }
}

/// `yyyy-MM-dd HH:mm:ssZ`.
fn timestamp(now: UnixTime) -> String {
    now.to_string().replace('T', " ")
}

/// The OAuth error, the status and the usual words of a code. Entra promises none of these; they are
/// what it was seen to answer.
fn kind(code: u32) -> (&'static str, StatusCode, &'static str) {
    use StatusCode as S;
    match code {
        70_021 | 700_211..=700_214 | 7_002_137 | 7_002_138 => {
            ("invalid_client", S::UNAUTHORIZED, NO_RECORD)
        }
        70_023 => ("invalid_client", S::UNAUTHORIZED, "The token's lifetime is too long."),
        5_002_723 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Invalid JWT token. Neither a certificate's thumbprint nor a key id is in its header.",
        ),
        5_002_738 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Invalid JWT token. Its signature algorithm is not supported.",
        ),
        5_002_726 | 5_002_727 | 5_002_730 => (
            "invalid_request",
            S::BAD_REQUEST,
            "Invalid JWT token. Its header or its key is not supported.",
        ),
        700_021 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ),
        700_024 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Client assertion is not within its valid time range.",
        ),
        700_027 => {
            ("invalid_client", S::UNAUTHORIZED, "Client assertion failed signature validation.")
        }
        7_000_272 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "The certificate of the federated credential is not in the identity provider's metadata.",
        ),
        7_000_274 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "The signature of the federated credential is not valid.",
        ),
        70_025 => ("invalid_client", S::UNAUTHORIZED, "The client has no federated credential."),
        700_222 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "AAD-issued tokens may not be used for federated identity flows.",
        ),
        700_226 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Only MSI tokens may be used as Federated Identity Credentials for AAD issuer.",
        ),
        700_227 => ("invalid_client", S::UNAUTHORIZED, "Forbidden token audience."),
        700_229 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Forbidden token type. Only app-only tokens may be used as Federated Identity \
             Credentials for AAD issuer.",
        ),
        700_231 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Token obtained using another federated identity credential may not be used as \
             federated identity credential.",
        ),
        700_223 | 700_236 | 700_238 | 7_002_121 | 7_002_381 => {
            ("invalid_client", S::UNAUTHORIZED, "The issuer is not accepted for this client.")
        }
        82_001 => (
            "unauthorized_client",
            S::BAD_REQUEST,
            "Agentic application is not permitted to request app-only tokens for the resource.",
        ),
        82_008 => (
            "invalid_request",
            S::BAD_REQUEST,
            "All agentic applications requesting a token exchange token must include the fmipath \
             parameter on the token request.",
        ),
        7_000_229 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "The client application is missing service principal in the tenant.",
        ),
        700_025 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        ),
        7_000_215 => ("invalid_client", S::UNAUTHORIZED, "Invalid client secret provided."),
        7_000_216 | 7_000_218 => (
            "invalid_client",
            S::UNAUTHORIZED,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ),
        7_000_222 => {
            ("invalid_client", S::UNAUTHORIZED, "The provided client secret keys are expired.")
        }
        50_012 | 50_013 | 500_133 => {
            ("invalid_client", S::UNAUTHORIZED, "Assertion failed authentication.")
        }
        7_000_112 => ("unauthorized_client", S::BAD_REQUEST, "Application is disabled."),
        70_001 | 700_011 | 700_016 => (
            "unauthorized_client",
            S::BAD_REQUEST,
            "Application was not found in the directory. You may have sent your authentication \
             request to the wrong tenant.",
        ),
        70_003 => ("unsupported_grant_type", S::BAD_REQUEST, "Unsupported grant type."),
        70_011 | 1_002_012 | 28_002 => (
            "invalid_scope",
            S::BAD_REQUEST,
            "The provided value for the input parameter 'scope' is not valid.",
        ),
        28_000 | 700_022 | 700_023 => (
            "invalid_request",
            S::BAD_REQUEST,
            "The provided value for the input parameter 'scope' is not valid because it contains \
             more than one resource.",
        ),
        50_001 | 500_011 | 500_014 => (
            "invalid_resource",
            S::BAD_REQUEST,
            "The resource principal was not found in the tenant.",
        ),
        50_005 | 53_003 | 530_032 => (
            "invalid_grant",
            S::BAD_REQUEST,
            "Access has been blocked by Conditional Access policies. The access policy does not \
             allow token issuance.",
        ),
        90_006 | 90_012 | 90_024 | 90_033 | 50_033 => (
            "temporarily_unavailable",
            S::SERVICE_UNAVAILABLE,
            "A transient error has occurred. Please try again.",
        ),
        90_055 | 90_090 => (
            "temporarily_unavailable",
            S::TOO_MANY_REQUESTS,
            "The server is temporarily throttling requests. Please try again.",
        ),
        50_196 => (
            "invalid_request",
            S::BAD_REQUEST,
            "The server terminated an operation because it encountered a client request loop. \
             Please contact your app vendor.",
        ),
        90_061 | 50_166 | 501_661 => {
            ("invalid_request", S::BAD_REQUEST, "Request to external OIDC endpoint failed.")
        }
        50_027 => ("invalid_request", S::BAD_REQUEST, "JWT token is invalid or malformed."),
        9_002_313 => {
            ("invalid_request", S::BAD_REQUEST, "Invalid request. Request is malformed or invalid.")
        }
        _ => ("invalid_request", S::BAD_REQUEST, "The request was refused."),
    }
}

const NO_RECORD: &str = "No matching federated identity record found for presented assertion.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_entras_shape() {
        let refusal = Refusal::new(700_213, "No record for subject 'it''s'.");
        let body = refusal.body(UnixTime::from_secs(1_795_407_225), "t-1", "c-1");
        assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body["error"], "invalid_client");
        assert_eq!(body["error_codes"], json!([700_213]));
        assert_eq!(body["timestamp"], "2026-11-23 04:13:45Z");
        assert_eq!(
            body["error_description"],
            "AADSTS700213: No record for subject 'it''s'. Trace ID: t-1 Correlation ID: c-1 \
             Timestamp: 2026-11-23 04:13:45Z"
        );
    }

    #[test]
    fn a_code_nobody_knows_is_an_invalid_request() {
        let refusal = Refusal::plain(123_456);
        let body = refusal.body(UnixTime::from_secs(0), "t", "c");
        assert_eq!(
            (refusal.status(), &body["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request"))
        );
    }
}

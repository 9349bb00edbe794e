//! What replies mean, table by table.

use serde_json::json;

use super::*;

async fn replied(status: u16, body: impl Into<Bytes>) -> Result<AccessToken, ExchangeError> {
    let body = body.into();
    let answer = move || Response::builder().status(status).body(body.clone()).unwrap();
    ask(&answering(answer)).await
}

fn granting(expires_in: &str, more: &str) -> String {
    format!(
        r#"{{"token_type":"Bearer","expires_in":{expires_in},"access_token":"azure-token"{more}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn lifetimes_are_numbers_in_any_spelling() {
    for (expires_in, expected) in
        [("3599", 3599), ("\"3599\"", 3599), ("3599.0", 3599), ("1", 1), ("2592000", 2_592_000)]
    {
        let token = replied(200, granting(expires_in, "")).await.unwrap();
        assert_eq!(token.valid_for().as_secs(), expected);
        assert_eq!(token.refresh_in(), None);
    }
    for senseless in [
        "0",
        "-1",
        "\"-1\"",
        "0.5",
        "2592001",
        "1e300",
        "9223372036854775808",
        "\"soon\"",
        "\"\"",
        "null",
        "true",
        "[3599]",
        "{}",
    ] {
        let error = replied(200, granting(senseless, "")).await.unwrap_err();
        assert_eq!(
            (error.reason().as_str(), error.failure()),
            ("entra_reply_unusable", Failure::Transient)
        );
        assert!(error.to_string().contains("\"expires_in\" must be"), "{error}");
    }
    for (refresh_in, expected) in [
        ("1800", Some(1800)),
        ("\"1800\"", Some(1800)),
        ("0", None),
        ("-1", None),
        ("3599", None),
        ("99999999", None),
        ("\"x\"", None),
        ("null", None),
    ] {
        let body = granting("3599", &format!(r#","refresh_in":{refresh_in}"#));
        let token = replied(200, body).await.unwrap();
        assert_eq!(token.refresh_in().map(|d| d.as_secs()), expected, "{refresh_in}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_that_makes_no_sense_is_an_error_that_hides_the_token() {
    let token = "eyJ0eXAiOiJKV1QifQ.secret-azure-token.sig";
    let good = format!(r#"{{"token_type":"bearer","expires_in":9,"access_token":"{token}"}}"#);
    assert_eq!(replied(200, good.clone()).await.unwrap().secret().expose(), token);
    let swap = |from: &str, to: &str| good.replace(from, to);
    for (body, word) in [
        (String::new(), "empty"),
        (" \r\n".to_owned(), "empty"),
        ("<!DOCTYPE html><html>".to_owned(), "HTML"),
        (format!("\"{token}\""), "no object"),
        (format!("[\"{token}\"]"), "no object"),
        (good[..good.len() - 2].to_owned(), "in the middle"),
        (token.to_owned(), "not JSON"),
        (format!("{good} {token}"), "not JSON"),
        (format!("\u{feff}{good}"), "not JSON"),
        (swap("{", &format!(r#"{{"access_token":"{token}","#)), "says a name twice"),
        (swap("{", r#"{"expires_in":null,"#), "says a name twice"),
        (swap("bearer", "pop"), "\"token_type\" must be \"Bearer\", found \"pop\""),
        (swap("bearer", token), "\"token_type\" must be \"Bearer\", found a string"),
        (swap(r#""token_type":"bearer","#, ""), "found nothing"),
        (
            swap(&format!("\"{token}\""), "7"),
            "\"access_token\" must be a token: printable ASCII, not empty, found a number",
        ),
        (swap(&format!("\"{token}\""), "null"), "found nothing"),
        (swap(token, ""), "found \"\""),
        (swap(token, "secret-azure-token\\r\\nx: y"), "other characters"),
        (swap(token, "secret-azure-tökén"), "other characters"),
    ] {
        let error = replied(200, body.clone()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(error.to_string().contains(word), "{body}: {text}");
        assert!(!text.contains("secret-azure"), "{text}");
        assert_eq!(error.status().unwrap(), 200);
    }
}

fn refusal(error: &str, code: u32) -> String {
    json!({
        "error": error,
        "error_description": format!("AADSTS{code}: It's no good. \"Why?\" Trace ID: t-1\r\nCorrelation ID: c-1\r\nTimestamp: z"),
        "error_codes": [code],
        "timestamp": "2026-11-23 04:13:45Z",
        "trace_id": "t-1",
        "correlation_id": "c-1",
    })
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn each_code_has_its_class_its_reason_and_its_fix() {
    use Failure::{Learning, Looping, Permanent, Replicating, Transient};
    let mut tried = Vec::new();
    let key_and_issuer = format!("key \"key-7\" of issuer {ISSUER:?}");
    let claims =
        format!("issuer {ISSUER:?}, subject {SUBJECT:?}, audience \"api://AzureADTokenExchange\"");
    let record = "entra_no_matching_credential";
    let subject = format!("subject {SUBJECT:?}");
    for (codes, failure, reason, word) in [
        (&[70_021][..], Replicating, record, &*claims),
        (&[700_211], Replicating, record, ISSUER),
        (&[700_212, 700_214], Replicating, record, "\"api://AzureADTokenExchange\""),
        (&[700_213, 7_002_137, 7_002_138], Replicating, record, &subject),
        (&[70_025], Replicating, record, &claims),
        (
            &[700_024, 50_013, 500_133],
            Replicating,
            "entra_assertion_stale",
            "from 2026-11-23T04:12:45Z to 2026-11-23T05:12:45Z",
        ),
        (&[7_000_272, 700_027], Learning, "entra_signature_unknown", &key_and_issuer),
        (&[7_000_274], Permanent, "entra_signature_invalid", &key_and_issuer),
        (&[5_002_726, 5_002_727], Permanent, "entra_assertion_invalid", "\"typ\": \"JWT\""),
        (&[5_002_723], Permanent, "entra_assertion_invalid", "(kid)"),
        (&[5_002_730, 5_002_738], Permanent, "entra_assertion_invalid", &key_and_issuer),
        (
            &[70_023],
            Permanent,
            "entra_assertion_invalid",
            "from 2026-11-23T04:12:45Z to 2026-11-23T05:12:45Z: set expirationSeconds",
        ),
        (&[700_021], Permanent, "entra_assertion_invalid", CLIENT),
        (&[50_027, 50_006, 50_012], Permanent, "entra_assertion_invalid", &claims),
        (&[90_061, 50_166, 501_661], Transient, "entra_issuer_unreachable", ISSUER),
        (&[700_016, 700_011, 70_001, 7_000_112], Permanent, "entra_app_unknown", CLIENT),
        (&[7_000_229], Permanent, "entra_app_unknown", TENANT),
        (&[7_000_222, 7_000_215], Permanent, "entra_wrong_credential", "federated"),
        (&[700_025], Permanent, "entra_public_client", "public client"),
        (
            &[700_222, 700_226, 700_227, 700_229, 7_002_121],
            Permanent,
            "entra_issued_assertion",
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        (&[700_231], Permanent, "entra_issued_assertion", "no chain of a Kubernetes token"),
        (&[700_231, 700_236], Permanent, "entra_issued_assertion", "cluster's issuer to 11111111"),
        (&[700_223, 700_238, 7_002_381], Permanent, "entra_federation_blocked", ISSUER),
        (&[90_002, 900_023], Permanent, "entra_tenant_unknown", TENANT),
        (
            &[90_023, 9_002_313, 90_014, 900_144, 901_002],
            Permanent,
            "entra_request_malformed",
            "AZURE_CLIENT_ID",
        ),
        (&[82_001, 82_008], Permanent, "entra_request_malformed", "blueprint of agent identities"),
        (&[7_000_216, 7_000_218], Permanent, "entra_request_malformed", "rewrite"),
        (
            &[500_011, 50_001, 650_057, 500_014],
            Permanent,
            "entra_resource_unknown",
            "\"https://vault.azure.net\"",
        ),
        (
            &[70_011, 1_002_012, 28_002, 700_022, 700_023],
            Permanent,
            "entra_scope_invalid",
            "one at a time",
        ),
        (
            &[53_003, 530_032, 530_003, 50_005],
            Permanent,
            "entra_blocked_by_policy",
            "Conditional Access",
        ),
        (&[50_196], Looping, "entra_loop_detected", "without a cache"),
        (&[100_007], Permanent, "entra_regional_unsupported", "regional"),
        (&[90_038, 900_439, 900_432, 900_382], Permanent, "entra_wrong_cloud", "national cloud"),
        (&[90_055], Transient, "entra_throttled", "after a pause"),
        (
            &[90_033, 90_006, 50_033, 90_024, 90_012, 90_090, 90_091],
            Transient,
            "entra_unavailable",
            "again",
        ),
        (&[424_242], Permanent, "entra_refused", "https://vault.azure.net"),
    ] {
        tried.extend_from_slice(codes);
        for code in codes {
            // The same code comes with either status.
            for status in [400, 401] {
                let error = replied(status, refusal("invalid_client", *code)).await.unwrap_err();
                assert_eq!((error.failure(), error.reason().as_str()), (failure, reason), "{code}");
                let entra = error.entra().unwrap();
                assert_eq!((entra.status().as_u16(), entra.codes()), (status, &[*code][..]));
                let text = error.to_string();
                assert!(entra.fix().contains(word) && text.contains(entra.fix()), "{text}");
                assert!(text.starts_with(&format!(
                    "Entra refused with status {status}, invalid_client: \"AADSTS{code}: It's no good. \\\"Why?\\\"\". "
                )), "{text}");
                assert!(
                    text.ends_with("(trace id t-1, correlation id c-1, at 2026-11-23 04:13:45Z)")
                );
                let passes = matches!(failure, Transient | Looping);
                assert_eq!(error.reason().is_retryable(), passes, "{reason}");
                assert_eq!(error.is_stale_assertion(), reason == "entra_assertion_stale");
                assert_eq!(error.is_signature_unknown(), reason == "entra_signature_unknown");
            }
        }
    }
    for code in crate::exchange::aadsts::CODES.iter().flat_map(|(_, codes)| *codes) {
        assert!(tried.contains(code), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_named_by_the_id_that_the_claims_challenge_has_and_by_no_other_text() {
    let secret = assertion().secret().expose().to_owned();
    let id = "da9d1d9d-2cf5-498f-8463-69025e65fe48";
    for (claims, named) in [
        (
            json!({"access_token": {"capolids": {"essential": true, "values": [id]}}}).to_string(),
            true,
        ),
        (
            json!({"access_token": {"capolids": {"values": [&secret, "not (an id)", 7, id]}}})
                .to_string(),
            true,
        ),
        (json!({"access_token": {"capolids": {"values": id}}}).to_string(), false),
        ("{".to_owned(), false),
        (id.to_owned(), false),
        (String::new(), false),
    ] {
        let body = json!({
            "error": "invalid_grant", "error_codes": [53_003], "suberror": "message_only", "claims": claims,
        });
        let error = replied(400, body.to_string()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(text.contains(&format!("policy \"{id}\";")), named, "{text}");
        assert_eq!(text.contains("sign-in log"), !named, "{text}");
        assert!(!text.contains("not (an") && !text.contains(&secret[..20]), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn status_and_error_decide_where_the_code_does_not() {
    use Failure::{Looping, Permanent, Transient};
    for (status, error, code, failure, reason) in [
        (429, "invalid_request", 0, Transient, "entra_throttled"),
        (429, "invalid_client", 700_213, Transient, "entra_throttled"),
        (503, "invalid_client", 700_016, Transient, "entra_unavailable"),
        (504, "temporarily_unavailable", 1, Transient, "entra_unavailable"),
        (500, "invalid_request", 90_061, Transient, "entra_issuer_unreachable"),
        (429, "invalid_request", 50_196, Looping, "entra_loop_detected"),
        (400, "temporarily_unavailable", 1, Transient, "entra_unavailable"),
        (400, "server_error", 1, Transient, "entra_unavailable"),
        (400, "invalid_scope", 1, Permanent, "entra_scope_invalid"),
        (400, "invalid_tenant", 1, Permanent, "entra_tenant_unknown"),
        (400, "invalid_resource", 1, Permanent, "entra_resource_unknown"),
        (403, "anything", 1, Permanent, "entra_refused"),
    ] {
        let error = replied(status, refusal(error, code)).await.unwrap_err();
        assert_eq!((error.failure(), error.reason().as_str()), (failure, reason), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_body_loses_the_status() {
    let whole = refusal("invalid_client", 700_213);
    let html = "<html><title>Bad gateway</title></html>";
    // Nobody but Entra refuses for long.
    for (status, reason) in [
        (400, "entra_reply_unusable"),
        (401, "entra_reply_unusable"),
        (404, "entra_reply_unusable"),
        (408, "entra_unavailable"),
        (429, "entra_throttled"),
        (502, "entra_unavailable"),
    ] {
        for (body, word) in [
            ("", "empty"),
            (html, "HTML"),
            (&whole[..whole.len() - 9], "in the middle"),
            ("{\"error\":", "in the middle"),
            ("Service Unavailable", "not JSON"),
            ("null", "no object"),
            ("{}", "\"error\" must be a string, found nothing"),
            (r#"{"error":{"code":"x"}}"#, "found an object"),
            (r#"{"error":"a","error":"b"}"#, "says a name twice"),
        ] {
            let error = replied(status, body.to_owned()).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("status {status}")) && text.contains(word), "{text}");
            assert_eq!(error.status().unwrap(), status);
            let told = (error.failure(), error.reason().as_str());
            assert_eq!(told, (Failure::Transient, reason), "{text}");
        }
    }
    let error = replied(204, "").await.unwrap_err();
    assert_eq!(error.reason().as_str(), "entra_reply_unusable");
    // A page of a megabyte is a page.
    let long = replied(502, format!("<html>{}", "x".repeat(1 << 20))).await.unwrap_err();
    assert_eq!(long.status().unwrap(), 502);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_read_however_they_are_written() {
    for body in [
        r#"{"error":"invalid_client","error_description":"AADSTS700213: \u004eo match \u0027x\u0027\r\nTrace ID: y","error_codes":[700213]}"#,
        // Without the list, the description's code counts.
        r#"{"error":"invalid_client","error_description":"AADSTS700213: No match 'x' Trace ID: y"}"#,
        r#"{"error":"invalid_client","error_description":"AADSTS700213: No match 'x'","error_codes":"700213","trace_id":7}"#,
        "\r\n {\"error\":\"invalid_client\",\"error_description\":\"AADSTS700213: No match 'x'\\nmore\",\"error_codes\":[-1,700213,\"1\"]}",
    ] {
        let error = replied(401, body).await.unwrap_err();
        let entra = error.entra().unwrap();
        assert_eq!((entra.error(), entra.codes()), ("invalid_client", &[700_213][..]));
        assert_eq!(entra.description(), "AADSTS700213: No match 'x'");
        assert_eq!(
            (entra.trace_id(), entra.correlation_id(), entra.timestamp()),
            (None, None, None)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_hostile_authority_echoes_does_not_reach_an_error() {
    let assertion = assertion();
    let secret = assertion.secret().expose();
    let [header, payload, signature] =
        secret.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let halves = signature.split_at(signature.len() / 2);
    let other = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    let echo = format!(
        "AADSTS1: \u{1b}[31m {secret} ({payload}) sig={signature}; {} x_{}_x, other {other} x\tend",
        halves.0, halves.1
    );
    let body = json!({
        "error": secret, "suberror": secret, "error_description": echo, "error_codes": [1],
        "timestamp": signature, "trace_id": secret, "correlation_id": format!("{header}\nlevel=error"),
    });
    let error = replied(401, body.to_string()).await.unwrap_err();
    let text = format!("{error} {error:?}");
    for part in
        [secret, header, payload, signature, halves.0, halves.1, "eyJ", "\u{1b}", "\t", "\n"]
    {
        assert!(!text.contains(part), "{part:?} in {text}");
    }
    let entra = error.entra().unwrap();
    assert_eq!(
        entra.description(),
        r"AADSTS1: \u{1b}[31m [redacted] ([redacted]) sig=[redacted]; [redacted] [redacted], other [redacted] x\tend"
    );
    assert_eq!((entra.error(), entra.suberror()), ("[redacted]", Some("[redacted]")));
    assert_eq!((entra.trace_id(), entra.correlation_id(), entra.timestamp()), (None, None, None));

    let long = "\u{202e}é\" ".repeat(9999);
    let flood = json!({
        "error": "x".repeat(9999), "suberror": long, "error_description": long, "error_codes": [1],
        "timestamp": long, "trace_id": "x".repeat(9999), "correlation_id": long,
    });
    let error = replied(401, flood.to_string()).await.unwrap_err();
    assert!(error.to_string().len() < 800, "{error}");
    assert!(error.to_string().chars().all(|c| c.is_ascii_graphic() || " …".contains(c)), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_body_panics(body in "\\PC{0,80}", status in 200u16..600) {
        let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        let (assertion, scope) = (assertion(), scope());
        let tenant = TenantId::parse(TENANT).unwrap();
        let (presented, scope) = (Presented::Projected(&assertion), &scope);
        let request_id = RequestId::random();
        let principal = &Principal::new(tenant.clone(), CLIENT);
        let (tenant, signer_known_for) = (&tenant, Duration::ZERO);
        let asked =
            Asked { presented, signer_known_for, scope, principal, tenant, request_id };
        drop(reply::granted(&answer, &asked));
        let refused = reply::refused(&answer, &asked, NOW);
        assert_eq!(refused.status().unwrap(), status);
    }
}

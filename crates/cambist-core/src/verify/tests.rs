use super::*;
use crate::testing::{ISSUER, KEYS, NOW, b64, es256, header, payload, set};

fn policy() -> Verifier {
    Verifier::new(IssuerUrl::parse(ISSUER).unwrap(), Audience::entra())
}

fn keys() -> KeySet {
    KeySet::parse(set(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("b")]).as_bytes()).unwrap()
}

fn verify_with(policy: &Verifier, token: &str) -> Result<VerifiedToken, VerifyError> {
    let token = ProjectedToken::parse(token).map_err(|e| panic!("{e}")).unwrap();
    policy.verify_at(&token, &keys(), NOW)
}

fn verify(token: &str) -> Result<VerifiedToken, VerifyError> {
    verify_with(&policy(), token)
}

fn signed(payload: &str) -> String {
    KEYS[0].sign(&header("a"), payload)
}

#[test]
fn a_healthy_token_is_verified() {
    let verified = verify(&signed(&payload())).unwrap();
    assert_eq!(verified.subject().to_string(), "system:serviceaccount:payments:api");
    assert_eq!(verified.thumbprint(), keys().keys()[0].thumbprint());
}

#[test]
fn each_claim_is_held_against_the_policy() {
    let iat = NOW.as_secs() - 60;
    for (from, to, reason) in [
        (ISSUER, "https://issuer.example/cluster", "issuer_mismatch"),
        (ISSUER, "https://ISSUER.example/cluster/", "issuer_mismatch"),
        ("api://AzureADTokenExchange", "api://azureadtokenexchange", "audience_mismatch"),
        (r#"["api://AzureADTokenExchange"]"#, "[]", "audience_mismatch"),
        (
            "serviceaccount:payments:api",
            "serviceaccount:payments:default",
            "default_service_account",
        ),
        ("system:serviceaccount:payments:api", "system:node:n1", "subject_invalid"),
        (&format!(r#""exp":{}"#, iat + 3600), &format!(r#""exp":{}"#, iat), "token_dates"),
        (
            &format!(r#""exp":{}"#, iat + 3600),
            &format!(r#""exp":{}"#, iat + 86_401),
            "token_lifetime",
        ),
        (
            &format!(r#""nbf":{iat}"#),
            &format!(r#""nbf":{}"#, NOW.as_secs() + 301),
            "token_not_yet_valid",
        ),
    ] {
        let changed = payload().replace(from, to);
        assert_ne!(changed, payload(), "{from}");
        let error = verify(&signed(&changed)).unwrap_err();
        assert_eq!(error.as_str(), reason, "{error}");
        assert!(error.for_want_of_a_key().is_none());
    }
}

#[test]
fn both_sides_of_a_comparison_are_told() {
    let text =
        verify(&signed(&payload().replace(ISSUER, "https://other"))).unwrap_err().to_string();
    assert!(text.contains(ISSUER) && text.contains("https://other"), "{text}");
}

#[test]
fn time_has_leeway_and_an_end() {
    let token = || ProjectedToken::parse(&signed(&payload())).unwrap();
    let expires_at = token().claims().expires_at;
    let at = |now| policy().verify_at(&token(), &keys(), now).map_err(|e| e.as_str());
    assert!(at(expires_at + Duration::from_secs(299)).is_ok());
    assert_eq!(at(expires_at + Duration::from_secs(300)).unwrap_err(), "token_expired");
    assert!(at(NOW - Duration::from_secs(360)).is_ok());
    assert_eq!(at(NOW - Duration::from_secs(361)).unwrap_err(), "token_not_yet_valid");
}

#[test]
fn forgeries_are_refused() {
    let (good, payload) = (signed(&payload()), payload());
    let [h, p, s] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let head = |alg: &str| b64(format!(r#"{{"alg":"{alg}","kid":"a"}}"#));
    let other = b64(payload.replace("payments", "payment2"));
    let hmac = |secret: &[u8]| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let signed = format!("{}.{p}", head("HS256"));
        format!("{signed}.{}", b64(aws_lc_rs::hmac::sign(&key, signed.as_bytes())))
    };
    for (token, reason) in [
        (format!("{}.{p}.", head("none")), "algorithm_refused"),
        (format!("{}.{p}.", head("None")), "algorithm_refused"),
        (format!("{}.{p}.", head("nOnE")), "algorithm_refused"),
        (format!("{}.{p}.{s}", head("rs256")), "algorithm_refused"),
        (hmac(&KEYS[0].spki()), "algorithm_refused"),
        (hmac(KEYS[0].n().as_bytes()), "algorithm_refused"),
        (hmac(b""), "algorithm_refused"),
        (KEYS[0].sign_pss(&header("a").replace("RS256", "PS256"), &payload), "algorithm_refused"),
        (es256("a", &payload).1, "algorithm_refused"),
        (KEYS[0].sign_pss(&header("a"), &payload), "signature_invalid"),
        (format!("{h}.{p}."), "signature_invalid"),
        (format!("{h}.{p}.AA"), "signature_invalid"),
        (format!("{h}.{p}.{}", b64([0; 4096])), "signature_invalid"),
        (format!("{h}.{other}.{s}"), "signature_invalid"),
        (KEYS[1].sign(&header("a"), &payload), "signature_invalid"),
        (KEYS[0].sign(&header("b"), &payload), "signature_invalid"),
        (format!("{h}.{p}.{s}="), "token_malformed"),
    ] {
        let error = verify(&token).unwrap_err();
        assert_eq!(error.as_str(), reason, "{token}: {error}");
        assert!(error.for_want_of_a_key().is_none());
    }
}

#[test]
fn a_key_that_is_not_there_is_another_thing_than_a_bad_token() {
    for kid in ["../../dev/null", "' OR 1=1 --", "|sleep 10", "https://evil/k"] {
        let error = verify(&KEYS[0].sign(&header(kid), &payload())).unwrap_err();
        assert_eq!(error.as_str(), "unknown_kid");
        assert!(error.for_want_of_a_key().is_some());
    }
    let error = verify(&KEYS[0].sign(r#"{"alg":"RS256"}"#, &payload())).unwrap_err();
    assert_eq!(error.as_str(), "unknown_kid");
}

#[test]
fn other_algorithms_are_accepted_where_configured_and_by_the_right_key_only() {
    let mut policy = policy();
    policy.rules.algorithms = vec![Alg::Es256, Alg::Rs256, Alg::Ps256];
    let (jwk, token) = es256("e", &payload());
    let keys = KeySet::parse(set(&[&jwk, &KEYS[0].jwk("a")]).as_bytes()).unwrap();
    let check = |token: &str| {
        let token = ProjectedToken::parse(token).unwrap();
        policy.verify_at(&token, &keys, NOW).map_err(|e| e.as_str())
    };
    assert!(check(&token).is_ok());
    // The key says RS256; the same key under another algorithm is refused.
    let pss = KEYS[0].sign_pss(&header("a").replace("RS256", "PS256"), &payload());
    assert_eq!(check(&pss).unwrap_err(), "algorithm_refused");
    let confused = KEYS[0].sign(&header("e"), &payload());
    assert_eq!(check(&confused).unwrap_err(), "algorithm_refused");
}

#[test]
fn a_default_account_must_be_allowed_by_name() {
    let mut policy = policy();
    let token = signed(&payload().replace("payments:api", "payments:default"));
    policy.rules.default_account =
        DefaultAccount::Allowed(vec!["system:serviceaccount:other:default".parse().unwrap()]);
    assert_eq!(verify_with(&policy, &token).unwrap_err().as_str(), "default_service_account");
    policy.rules.default_account =
        DefaultAccount::Allowed(vec!["system:serviceaccount:payments:default".parse().unwrap()]);
    assert!(verify_with(&policy, &token).is_ok());
}

#[test]
fn without_a_configured_issuer_the_tokens_own_is_used_if_it_is_one() {
    let own = OwnTokenVerifier::DangerUnpinned(policy().rules);
    let verify = |token: &str| {
        let parsed = ProjectedToken::parse(token).unwrap();
        own.verifier_of(&parsed).and_then(|verifier| verify_with(&verifier, token))
    };
    let elsewhere = signed(&payload().replace(ISSUER, "https://elsewhere.test/"));
    for token in [&signed(&payload()), &elsewhere] {
        assert!(verify(token).is_ok());
    }
    let pinned = OwnTokenVerifier::from(policy());
    let verifier = pinned.verifier_of(&ProjectedToken::parse(&elsewhere).unwrap()).unwrap();
    assert_eq!(verify_with(&verifier, &elsewhere).unwrap_err().as_str(), "issuer_mismatch");
    let legacy = signed(&payload().replace(ISSUER, "kubernetes/serviceaccount"));
    assert_eq!(verify(&legacy).unwrap_err().as_str(), "issuer_mismatch");
}

use std::time::Duration;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_717_671_400);

fn token(header: &str, payload: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(header), part(payload), part("the signature"))
}

const HEADER: &str = r#"{"alg":"RS256","kid":"OAjVVaejWFc0Yt9ykr0_8lMMuRNs67OXTWHsN02Pkyw"}"#;
// A default token of Kubernetes 1.30, valid for a year.
const YEAR: &str = r#"{"aud":["https://kubernetes.default.svc.cluster.local"],"exp":1749207355,"iat":1717671355,"iss":"https://kubernetes.default.svc.cluster.local","kubernetes.io":{"namespace":"default","node":{"name":"contour-worker"},"pod":{"name":"shell"},"serviceaccount":{"name":"default"},"warnafter":1717674962},"nbf":1717671355,"sub":"system:serviceaccount:default:default"}"#;
const LEGACY: &str = r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"default","sub":"system:serviceaccount:default:builder"}"#;

fn codes(token: &str, now: UnixTime) -> Vec<String> {
    let json = Inspected::of(token, now).unwrap().json();
    let warnings = json["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_years_token_is_told_in_words() {
    let inspected = Inspected::of(&token(HEADER, YEAR), NOW).unwrap();
    let table = inspected.table();
    for part in [
        "kid        OAjVVaejWFc0Yt9ykr0_8lMMuRNs67OXTWHsN02Pkyw\n",
        "issued     2024-06-06T10:55:55Z (45s ago)\n",
        "lifetime   365d\n",
        "bound to   pod shell, node contour-worker\n",
    ] {
        assert!(table.contains(part), "{part}\n{table}");
    }
    assert_eq!(codes(&token(HEADER, YEAR), NOW), ["lifetime", "extended", "default_account"]);
    assert_eq!(inspected.json()["lifetimeSeconds"], 31_536_000);
}

#[test]
fn neither_signature_nor_token_is_ever_shown() {
    let raw = token(HEADER, YEAR);
    let inspected = Inspected::of(&raw, NOW).unwrap();
    let shown = format!("{}{}{inspected:?}", inspected.table(), inspected.json());
    for part in raw.split('.') {
        assert!(!shown.contains(part));
    }
    assert!(!shown.contains("the signature\""));
    for broken in [&raw[..raw.len() / 3], "a.b.c", "a.b", ""] {
        let error = Inspected::of(broken, NOW).unwrap_err().to_string();
        assert!(!error.contains("eyJ"), "{error}");
    }
}

#[test]
fn legacy_expired_stale_and_odd_tokens_are_pointed_out() {
    assert_eq!(codes(&token(HEADER, LEGACY), NOW), ["legacy", "issuer"]);
    let good = r#"{"aud":["a"],"exp":1717674955,"iat":1717671355,"iss":"https://i.test","sub":"system:serviceaccount:shop:checkout"}"#;
    assert_eq!(codes(&token(HEADER, good), NOW), [""; 0]);
    assert_eq!(codes(&token(HEADER, good), NOW + Duration::from_secs(9999)), ["expired"]);
    assert_eq!(codes(&token(HEADER, good), NOW - Duration::from_secs(9999)), ["future"]);
    let odd = r#"{"alg":"ES256","jku":"https://evil.test"}"#;
    assert_eq!(codes(&token(odd, good), NOW), ["algorithm", "header"]);
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let evil = r#"{"aud":"a","exp":2,"iat":1,"iss":"https://i.test/\u001b[2J","sub":"x\nwarning"}"#;
    let table = Inspected::of(&token(HEADER, evil), NOW).unwrap().table();
    assert!(!table.contains('\u{1b}') && !table.contains("\nwarning\n"), "{table}");
}

#[test]
fn standard_input_is_read_and_bounded() {
    let raw = token(HEADER, YEAR);
    assert_eq!(read(None, &mut raw.as_bytes()).unwrap(), raw);
    assert_eq!(read(Some(Path::new("-")), &mut raw.as_bytes()).unwrap(), raw);
    let long = "x".repeat(MAX_TOKEN_BYTES + 3);
    assert!(matches!(read(None, &mut long.as_bytes()), Err(InspectError::TooLong)));
    let missing = read(Some(Path::new("/nonexistent/token")), &mut &b""[..]).unwrap_err();
    assert!(missing.to_string().starts_with("/nonexistent/token: "));
}

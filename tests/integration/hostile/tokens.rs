//! Projected tokens that no API server would sign, or that none could have written.

use cambist_sim::Sim;
use serde_json::json;

use super::issuers::{BIDI, CONTROLS};

/// Each with a name that is no part of it.
pub(super) fn cases(sim: &Sim) -> Vec<(&'static str, String)> {
    let key = sim.issuer().signer();
    let sign = |header: &str, payload: &str| {
        key.sign_parts(header.as_bytes(), payload.as_bytes()).expect("it signs any bytes")
    };
    let spec = || sim.token_spec();
    let signed = |spec: cambist_sim::token::TokenSpec| spec.sign(&key).expect("it signs anything");
    let long = "x".repeat(10_000);
    let claims = serde_json::to_string(spec().claims()).unwrap();
    vec![
        ("kid-long", signed(spec().header("kid", long.as_str()))),
        ("kid-bidi", signed(spec().header("kid", BIDI))),
        ("kid-controls", signed(spec().header("kid", CONTROLS))),
        ("alg-long", signed(spec().header("alg", long.as_str()))),
        ("typ-bidi", signed(spec().header("typ", BIDI))),
        ("crit-long", signed(spec().header("crit", json!([long])))),
        ("iss-long", signed(spec().claim("iss", format!("https://{long}/")))),
        ("iss-bidi", signed(spec().claim("iss", format!("https://{BIDI}/")))),
        ("iss-controls", signed(spec().claim("iss", CONTROLS))),
        ("sub-long", signed(spec().claim("sub", format!("system:serviceaccount:{long}:a")))),
        ("sub-bidi", signed(spec().claim("sub", format!("system:serviceaccount:a:{BIDI}")))),
        ("aud-long", signed(spec().claim("aud", long.as_str()))),
        ("aud-many", signed(spec().claim("aud", json!(vec!["api://somebody-else"; 500])))),
        ("aud-bidi", signed(spec().claim("aud", json!([BIDI, CONTROLS])))),
        ("exp-text", signed(spec().claim("exp", BIDI))),
        ("exp-huge", signed(spec().claim("exp", u64::MAX))),
        ("iat-negative", signed(spec().claim("iat", i64::MIN))),
        ("namespace-bidi", signed(spec().claim("kubernetes.io", json!({"namespace": BIDI})))),
        ("header-deep", sign(&format!("{}{}", "[".repeat(4000), "]".repeat(4000)), &claims)),
        ("claims-deep", sign(r#"{"alg":"RS256"}"#, &"{\"a\":".repeat(2000))),
        ("claims-not-utf8", {
            let bytes = [b"{\"iss\":\"".as_slice(), &[0xff; 100], b"\"}"].concat();
            key.sign_parts(br#"{"alg":"RS256"}"#, &bytes).unwrap()
        }),
        ("html", "<!DOCTYPE html><html>not a token</html>".to_owned()),
        ("bidi", BIDI.repeat(50)),
        ("controls", CONTROLS.repeat(50)),
        ("dots", ".".repeat(10_000)),
        ("long", "a".repeat(100_000)),
        ("empty", String::new()),
    ]
}

//! An Entra and an issuer that say whatever they like: whatever that is, no line of the log and no
//! reply is longer than 2 KB, or has anything in it that moves a cursor or begins a line.

use cambist_sim::fault::{Fault, Target};
use http::StatusCode;
use kit::{Sidecar, World};
use serde_json::{Value, json};

use crate::{sidecar, sidecar_with};

/// The longest line, and the longest reply.
const LONGEST: usize = 2048;

/// What a single text may be.
fn texts() -> [String; 5] {
    [
        "x".repeat(100_000),
        "\"\\".repeat(50_000),
        "\u{202e}\u{1b}[2J\u{7f}\u{0}é".repeat(10_000),
        "\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}".repeat(1000),
        "AADSTS700213: \u{430}\u{440}\u{440}\u{2028}".repeat(3000),
    ]
}

fn said(status: u16, body: impl Into<String>) -> Fault {
    let status = StatusCode::from_u16(status).unwrap();
    Fault::Body { status, content_type: "application/json".to_owned(), body: body.into() }
}

/// What Entra, or whoever stands in its place, may answer.
fn answers() -> Vec<Fault> {
    let mut all = vec![
        said(401, "[".repeat(100_000)),
        said(400, json!({"error": {"code": "x".repeat(100_000)}}).to_string()),
        said(401, json!({"error": "x", "error_codes": vec![700_213; 50_000]}).to_string()),
        said(401, format!("{{\"{0}\":1,\"{0}\":2}}", "x".repeat(100_000))),
        said(200, format!("{{\"expires_in\":{}}}", "9".repeat(100_000))),
        said(502, format!("<html>{}", "x".repeat(200_000))),
        Fault::Redirect { location: format!("https://{}.example/", "x".repeat(60_000)) },
    ];
    for text in texts() {
        let refusal = json!({
            "error": text, "suberror": text, "error_description": text, "timestamp": text,
            "trace_id": text, "correlation_id": text, "error_uri": text, "claims": text,
        });
        all.push(said(401, refusal.to_string()));
        all.push(said(503, refusal.to_string()));
        let grant = json!({ "token_type": text, "expires_in": text, "access_token": text });
        all.push(said(200, grant.to_string()));
    }
    all
}

/// What an issuer may publish.
fn documents(issuer: &str, good: &Value) -> Vec<(Target, Fault)> {
    let discovery = |document: Value| (Target::Discovery, said(200, document.to_string()));
    let keys = |keys: Vec<Value>| (Target::Jwks, said(200, json!({ "keys": keys }).to_string()));
    let mut all = vec![
        (Target::Discovery, said(200, "[".repeat(60_000))),
        (Target::Discovery, said(200, format!("{{\"{0}\":1,\"{0}\":2}}", "x".repeat(30_000)))),
        discovery(json!({ "issuer": issuer, "jwks_uri": format!("https://{}/", "x".repeat(600)) })),
        (Target::Jwks, said(200, "\"".to_owned() + &"x".repeat(200_000))),
        (Target::Jwks, said(200, format!("{{\"keys\":\"{}\"}}", "x".repeat(200_000)))),
        (Target::Jwks, said(404, "x".repeat(200_000))),
        (Target::Jwks, Fault::Redirect { location: format!("https://{}/", "x".repeat(60_000)) }),
        keys(vec![json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "k".repeat(1024) }); 100]),
    ];
    let named = |name: &str| {
        let keys = (0..100).map(|n| {
            let mut key = good.clone();
            key["kid"] = format!("{n}{}", name.repeat(1020 / name.len())).into();
            key
        });
        keys.collect()
    };
    all.extend([keys(named("\"")), keys(named("\u{430}")), keys(named("x"))]);
    for text in texts() {
        // Documents are read up to 64 KiB.
        let short: String = text.chars().take(2000).collect();
        all.push(discovery(json!({ "issuer": short, "jwks_uri": short })));
        all.push(discovery(json!({ "issuer": issuer, "jwks_uri": short })));
        all.push(keys(vec![json!({ "kty": text, "crv": text, "kid": text })]));
        all.push(keys(vec![json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": text })]));
        all.push(keys(vec![json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": text })]));
    }
    all
}

/// What of the log is too long, or is no line of its own.
fn assert_lines(log: &str, case: &str) {
    let longest = log.lines().max_by_key(|line| line.len()).unwrap_or_default();
    assert!(longest.len() <= LONGEST, "{case}: {} bytes: {longest}", longest.len());
    for line in log.lines().filter(|line| !line.starts_with("cambist")) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{case}: {line}"));
        assert_ne!(event["message"], "forged", "{line}");
        assert!(line.chars().all(|c| c == '…' || c.is_ascii_graphic() || c == ' '), "{line}");
    }
}

async fn assert_short(sidecar: &Sidecar, resource: &str, case: &str) {
    let reply = sidecar.token(resource).await;
    assert_ne!(reply.status, 200, "{case}: {reply:?}");
    assert!(reply.body.len() <= LONGEST, "{case}: {} bytes: {reply:?}", reply.body.len());
    let visible = |c: char| c == '…' || c.is_ascii_graphic() || c == ' ';
    assert!(reply.text().chars().all(visible), "{case}: {reply:?}");
}

#[tokio::test]
async fn nothing_that_entra_says_makes_a_long_line_or_a_long_reply() {
    let world = World::start().await;
    let sidecar = sidecar(&world).await;
    for (n, fault) in answers().into_iter().enumerate() {
        let case = format!("answer {n}");
        world.clear().await;
        world.running().sim().faults().inject(Target::Entra, fault);
        assert_short(&sidecar, &format!("api://app-{n}"), &case).await;
        assert_lines(&sidecar.log(), &case);
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn nothing_that_an_issuer_publishes_makes_a_long_line_or_a_long_reply() {
    let world = World::start().await;
    let sim = world.running().sim();
    let good = sim.issuer().signer().jwk();
    for (n, (target, fault)) in documents(&sim.settings().issuer, &good).into_iter().enumerate() {
        let case = format!("document {n}");
        world.clear().await;
        sim.faults().inject(target, fault);
        // Where nothing is sent that cannot be checked, the app is told why it cannot.
        let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_KEY_AGE", "enforce")).await;
        assert_short(&sidecar, "api://app", &case).await;
        assert_lines(&sidecar.log(), &case);
        let status = sidecar.ask_admin("/status.json").await;
        // Where there are keys, it is a list of what is known of each.
        let none = status.json()["issuer_keys"].is_null();
        let most = if none { LONGEST } else { 16 * LONGEST };
        assert!(status.body.len() <= most, "{case}: {} bytes: {status:?}", status.body.len());
        sidecar.stop().await;
    }
}

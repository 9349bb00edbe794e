//! No secret is seen anywhere: not in a log of any level, an answer, a metric, nor a `Debug`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use cambist::observer::Unobserved;
use cambist::transport::{HttpsOptions, ProxyOptions};
use cambist::{Context, SystemClock};
use cambist_core::refresh::Jitter;
use cambist_core::scope::Scope;
use cambist_core::secret::Secret;
use cambist_core::token::ProjectedToken;
use cambist_sidecar::Surroundings;
use cambist_sidecar::settings::Settings;
use kit::sidecar::VAULT;
use kit::{Secrets, World};
use serde_json::json;

use crate::sidecar_with;

/// A run in which everything that has a secret to tell happens: successes, refusals of each kind,
/// faults of Entra, of the issuer, of the proxy's, of the file's; and then all is searched.
async fn everything_happens(level: &str) -> String {
    let world = World::with(|options| options.proxy = true).await;
    let sidecar = sidecar_with(&world, |it| it.set("CAMBIST_LOG", level)).await;
    let secret = world.env()["IDENTITY_HEADER"].clone();
    assert_eq!(sidecar.token(VAULT).await.status, 200);
    assert_eq!(sidecar.send(&sidecar.imds(VAULT)).await.status, 200);
    // The secret in all the wrong places.
    for request in [
        sidecar.app_service(VAULT).without("X-IDENTITY-HEADER").header("Authorization", &secret),
        sidecar.app_service(VAULT).with("X-IDENTITY-HEADER", format!("{secret}x")),
        sidecar.app_service(VAULT).with("X-IDENTITY-HEADER", &secret[1..]),
        sidecar.app_service(VAULT).header("X-IDENTITY-HEADER", &secret),
        sidecar.app_service(VAULT).header("Cookie", &secret).header("Origin", "null"),
        sidecar.app_service(VAULT).header("Content-Length", "32").body(secret.as_bytes()),
        sidecar.app_service(VAULT).method("POST"),
    ] {
        assert!(sidecar.send(&request).await.status >= 400);
    }
    let bytes = sidecar.app_service(VAULT).header("X bad", &secret).bytes();
    sidecar.try_send_bytes(&bytes).await;
    // Whoever echoes what it was sent must not make us repeat it.
    let assertion = std::fs::read_to_string(world.token_file()).unwrap();
    let echo = |text: String| {
        json!({"error": "invalid_request", "error_codes": [50_027], "error_description": text})
            .to_string()
    };
    let held = sidecar.token(VAULT).await.member("access_token");
    for (n, fault) in [
        json!({"kind": "body", "status": 400, "body": echo(format!("AADSTS50027: {assertion}"))}),
        json!({"kind": "body", "status": 400, "body": echo(format!("bad token {held} given"))}),
        json!({"kind": "body", "status": 502, "content_type": "text/html",
               "body": format!("<html>{assertion}</html>")}),
        json!({"kind": "body", "status": 200, "body": format!("{{\"access_token\":\"{held}\"}}")}),
        json!({"kind": "truncate"}),
        json!({"kind": "wrong-type"}),
        json!({"kind": "reset"}),
        json!({"kind": "aadsts", "code": 700_213}),
        json!({"kind": "redirect", "location": format!("https://evil.example/?{assertion}")}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut fault = fault;
        fault["target"] = "entra".into();
        fault["count"] = 1.into();
        world.fault(fault).await;
        assert!(sidecar.token(&format!("api://app-{n}")).await.status >= 400, "fault {n}");
    }
    world.fault(json!({"target": "discovery", "kind": "html"})).await;
    world.fault(json!({"target": "jwks", "kind": "html"})).await;
    world.rotate(true).await;
    sidecar.token("api://rotated").await;
    let sim = world.running().sim();
    let other = sim.issuer().sign(&sim.token_spec().claim("aud", "https://somebody.else")).unwrap();
    for wrong in [other, format!("{assertion}x"), assertion.replace('.', " ")] {
        world.project(&wrong);
        assert!(sidecar.token(&format!("api://wrong-{}", wrong.len())).await.status >= 400);
    }
    for path in ["/live", "/ready", "/ready?tokens=1", "/metrics", "/status.json", "/nothing"] {
        sidecar.ask_admin(path).await;
    }
    assert!(world.secrets().len() > 10);
    sidecar.stop().await.output()
}

/// Only [`Sidecar::of`](kit::Sidecar) needs the level `info`, to learn where the sidecar listens.
#[tokio::test]
async fn nothing_that_is_written_or_answered_holds_a_secret() {
    for level in ["trace", "trace,hyper=trace,reqwest=trace,rustls=trace,h2=trace", "debug", "info"]
    {
        let log = everything_happens(level).await;
        for words in [
            "issued",
            "not issued",
            "\"kind\":\"granted\"",
            "\"kind\":\"failed\"",
            "\"kind\":\"ended\"",
        ] {
            assert!(log.contains(words), "no {words} in {log}");
        }
    }
}

#[tokio::test]
async fn no_debug_holds_a_secret() {
    let world = World::with(|options| options.proxy = true).await;
    let secrets = world.secrets();
    let env = world.env().clone();
    let shown = |what: &str, thing: &dyn Debug| {
        for text in [format!("{thing:?}"), format!("{thing:#?}")] {
            secrets.assert_absent(&format!("the Debug of {what}"), &text);
        }
    };

    shown("Secret", &Secret::new(env["IDENTITY_HEADER"].as_str()));
    let text = std::fs::read_to_string(world.token_file()).unwrap();
    shown("ProjectedToken", &ProjectedToken::parse(&text).unwrap());
    shown("a ProjectedToken's error", &ProjectedToken::parse(&text.replace('.', "_")));
    shown("a ProjectedToken's other error", &ProjectedToken::parse(&format!("{text}.x")));

    let proxy = &env["HTTPS_PROXY"];
    shown("ProxyOptions", &ProxyOptions::parse(proxy, ""));
    shown("a proxy's error", &ProxyOptions::parse(&proxy.replace("http", "ftp"), ""));
    shown("another", &ProxyOptions::parse(&proxy.replace('@', "@:"), ""));
    let mut options = HttpsOptions::default();
    options.proxy = ProxyOptions::parse(proxy, "").ok();
    shown("HttpsOptions", &options);

    let config = cambist::Config::from_env(&env).unwrap();
    shown("cambist::Config", &config);
    let jitter = Jitter::of(b"pod");
    let context = Context::new(Arc::new(SystemClock), Arc::new(Unobserved), jitter);
    let assertions = config.assertions(context.clone()).unwrap();
    shown("Assertions", &assertions);
    let assertion = assertions.next().await.unwrap();
    secrets.add(assertion.secret().expose());
    shown("Assertion", &assertion);
    shown("VerifiedAssertion", &cambist::azure::VerifiedAssertion::new(assertions));

    let credential = config.credential(context).unwrap();
    let scope = Scope::parse(&format!("{VAULT}/.default")).unwrap();
    let token = credential.token(&scope).await.unwrap();
    secrets.add(token.secret().expose());
    shown("AccessToken", &token);
    shown("Credential", &credential);
    shown("its entries", &credential.entries());
    let layer = cambist::layer::BearerLayer::new(credential.clone(), scope.clone());
    shown("BearerLayer", &layer);

    world.fault(json!({"target": "entra", "kind": "aadsts", "code": 700_213})).await;
    let other = Scope::parse("api://other/.default").unwrap();
    let error = credential.token(&other).await.unwrap_err();
    shown("cambist::Error", &error);
    shown("what Entra said", &error.entra());
    secrets.assert_absent("an error", &error.to_string());

    let mut env: BTreeMap<String, String> = env;
    env.remove("SIM_ADMIN");
    env.insert("CAMBIST_LISTEN".to_owned(), "0".to_owned());
    env.insert("CAMBIST_ADMIN_LISTEN".to_owned(), "0".to_owned());
    let settings = Settings::of_env(&env);
    let config = cambist_sidecar::Config::read(&settings).unwrap();
    shown("cambist_sidecar::Config", &config);
    secrets.assert_absent("what would run", &config.to_string());
    let running = cambist_sidecar::start(&config, Surroundings::new(Arc::new(SystemClock))).await;
    let running = running.unwrap();
    shown("cambist_sidecar::Running", &running);
    running.drain().await;
    shown("the simulator's Running", world.running());
}

/// The search itself must be able to find something.
#[test]
#[should_panic = "the log holds a secret"]
fn a_secret_that_is_there_is_found() {
    let secrets = Secrets::default();
    secrets.add("header-part.payload-part.signature-part");
    secrets.assert_absent("the log", "one line\nand a signature-part in another");
}

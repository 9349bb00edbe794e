//! Callers of a public issuer, over TLS that this machine's own certificate authorities vouch for: who
//! those are is said to a process by `SSL_CERT_FILE`, so the test runs itself once more with that set.
#![cfg(target_os = "linux")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use cambist::env::Process;
use cambist::layer::{AuthenticateLayer, CallersError};
use cambist::transport::{CaBundle, HttpsOptions};
use cambist::{Context, Env as _, Event, Observer};
use cambist_sim::token::Workload;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use kit::World;
use kit::program::Program;
use tower::{Layer as _, ServiceExt as _, service_fn};

const AUDIENCE: &str = "https://orders.shop";
const ISSUER: &str = "CALLERS_ISSUER";
const GOOD: &str = "CALLERS_GOOD";
const FORGED: &str = "CALLERS_FORGED";

#[tokio::test]
async fn callers_of_a_public_issuer_are_let_in_by_its_url_alone() {
    if let Some(issuer) = Process.get(ISSUER) {
        return door(&issuer).await;
    }
    let world = World::start().await;
    let issuer = world.running().sim().issuer();
    let lifetime = world.running().sim().settings().token_lifetime;
    let spec = issuer.token_spec(&Workload::new("shop", "checkout"), AUDIENCE, lifetime);
    let good = issuer.sign(&spec).unwrap();
    let forger = cambist_sim::keys::SigningKey::generate_ec().unwrap();
    let forged = spec.header("kid", issuer.signer().kid()).header("alg", "RS256").sign(&forger);
    let itself = Program::new(std::env::current_exe().unwrap())
        .args(&["callers::callers_of_a_public_issuer_are_let_in_by_its_url_alone"])
        .args(&["--exact", "--nocapture"])
        .set(ISSUER, issuer.url())
        .set(GOOD, good)
        .set(FORGED, forged.unwrap());
    let trusting = itself.clone().set("SSL_CERT_FILE", &world.env()["CAMBIST_CA_FILE"]);
    let ended = trusting.run().await;
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("200 401"), "{}", ended.stdout);
    // Nobody else's word is taken for the issuer's: its certificate is not trusted here.
    let ended = itself.set("SSL_CERT_FILE", "/dev/null").run().await;
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("200"), "{}", ended.stdout);
}

/// What an observer heard of keys and of callers.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn event(&self, event: &Event<'_>) {
        let heard = match event {
            Event::KeysFetched(it) => {
                it.result.map_or_else(|e| e.to_string(), |()| "read".to_owned())
            }
            Event::CallerDenied(it) => format!("denied: {}", it.reason),
            _ => return,
        };
        self.0.lock().unwrap().push(heard);
    }
}

#[tokio::test]
async fn an_issuer_with_a_certificate_of_ones_own_is_trusted_by_it_and_failures_are_told() {
    let world = World::start().await;
    let issuer = world.running().sim().issuer();
    let lifetime = world.running().sim().settings().token_lifetime;
    let spec = issuer.token_spec(&Workload::new("shop", "checkout"), AUDIENCE, lifetime);
    let bearer = format!("Bearer {}", issuer.sign(&spec).unwrap());
    let ca = CaBundle::read(world.env()["CAMBIST_CA_FILE"].as_ref()).unwrap();
    for (roots, status, heard) in [
        (vec![ca], 200, vec!["read"]),
        (Vec::new(), 503, vec!["not trusted here", "denied: no_keys"]),
    ] {
        let told = Arc::new(Heard::default());
        let mut https = HttpsOptions::default();
        https.roots = roots;
        let mut context = Context::system("a pod");
        context.observer = told.clone();
        let callers =
            AuthenticateLayer::for_issuer_over(issuer.url(), AUDIENCE, https, context).unwrap();
        let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
        let service = callers.allow_namespace("shop").layer(handler);
        let request = Request::get("/").header(AUTHORIZATION, &bearer).body(()).unwrap();
        assert_eq!(service.oneshot(request).await.unwrap().status(), status);
        let told = told.0.lock().unwrap();
        let all = told.len() == heard.len() && told.iter().zip(&heard).all(|(a, b)| a.contains(b));
        assert!(all, "{told:?}, not {heard:?}");
    }
}

/// What the process within does: how it answers the good token and the forged one.
async fn door(issuer: &str) {
    let callers = match AuthenticateLayer::for_issuer(issuer, AUDIENCE) {
        Ok(callers) => callers,
        // Not one certificate authority is trusted.
        Err(CallersError::Transport(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
    let service = callers.allow_namespace("shop").layer(handler);
    let knock = async |token: &str| {
        let bearer = format!("Bearer {}", Process.get(token).unwrap());
        let request = Request::get("/").header(AUTHORIZATION, bearer).body(()).unwrap();
        service.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    println!("{} {}", knock(GOOD).await, knock(FORGED).await);
}

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cambist_core::admission::Caller;
use cambist_core::issuer::IssuerUrl;
use cambist_core::scope::Audience;
use cambist_core::subject::ServiceAccount;
use cambist_core::verify::Verifier;
use cambist_sim::fault::{Fault, Target};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower::{Layer as _, ServiceExt, service_fn};

use super::*;
use crate::issuer_keys::IssuerKeys;
use crate::testing::{World, scope};

#[tokio::test(start_paused = true)]
async fn a_request_goes_out_with_a_fresh_sensitive_bearer() {
    let world = World::new();
    let credential = world.credential();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let inner = service_fn(move |request: Request<Bytes>| {
        sink.lock()
            .unwrap()
            .push(request.headers().get_all(AUTHORIZATION).iter().cloned().collect::<Vec<_>>());
        async { Ok::<_, Infallible>(()) }
    });
    let scope = scope("https://vault.azure.net");
    let service = BearerLayer::new(credential.clone(), scope.clone()).layer(inner);
    for _ in 0..2 {
        let request = Request::get("https://v/").header(AUTHORIZATION, "Bearer stale");
        service.clone().oneshot(request.body(Bytes::new()).unwrap()).await.unwrap();
    }
    let token = credential.token(&scope).await.unwrap();
    for headers in seen.lock().unwrap().iter() {
        let [bearer] = headers.as_slice() else { panic!("{headers:?}") };
        assert_eq!(bearer.to_str().unwrap(), format!("Bearer {}", token.secret().expose()));
        assert!(bearer.is_sensitive() && !format!("{bearer:?}").contains(token.secret().expose()));
    }
    assert_eq!(world.asked().0, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_token_no_request_goes_out() {
    let world = World::new();
    world.sim.faults().inject(Target::Entra, Fault::Reset);
    let inner =
        service_fn(|_: Request<Bytes>| async { panic!("called") as Result<(), Infallible> });
    let service = BearerLayer::new(world.credential(), scope("https://v")).layer(inner);
    let error = service.oneshot(Request::new(Bytes::new())).await.unwrap_err();
    assert_eq!(error.downcast::<crate::Error>().unwrap().class(), crate::reason::Class::Transient);
}

fn account(name: &str) -> ServiceAccount {
    format!("system:serviceaccount:{name}").parse().unwrap()
}

struct Door {
    world: World,
    layer: AuthenticateLayer,
}

impl Door {
    /// Only the checkout of the shop may come in.
    fn new() -> Self {
        Self::letting_in(|callers| callers.allow([account("shop:checkout")]))
    }

    fn letting_in(allow: impl FnOnce(Callers) -> AuthenticateLayer) -> Self {
        let world = World::new();
        let issuer = IssuerUrl::parse(&world.sim.settings().issuer).unwrap();
        let verifier = Verifier::new(issuer, Audience::parse("https://api.shop").unwrap());
        let keys = IssuerKeys::new(world.sources(), world.context());
        let layer = allow(AuthenticateLayer::with_keys(verifier, keys, world.context()).unwrap());
        Self { world, layer }
    }

    async fn knock_as(&self, name: &str) -> (u16, String, String) {
        let spec = self.spec().claim("sub", account(name).to_string());
        self.knock(&[&format!("Bearer {}", self.token(spec))]).await
    }

    fn spec(&self) -> cambist_sim::token::TokenSpec {
        self.world.sim.token_spec().claim("aud", "https://api.shop")
    }

    fn token(&self, spec: cambist_sim::token::TokenSpec) -> String {
        spec.sign(&self.world.sim.issuer().signer()).unwrap()
    }

    /// Knocks with these authorization headers; tells status, reason and whom the handler saw.
    async fn knock(&self, authorization: &[&str]) -> (u16, String, String) {
        let handler = service_fn(|request: Request<Bytes>| async move {
            let caller = request.extensions().get::<Caller>().unwrap().to_string();
            Ok::<_, Infallible>(Response::new(Bytes::from(caller)))
        });
        let mut request = Request::new(Bytes::new());
        for value in authorization {
            request.headers_mut().append(AUTHORIZATION, value.parse().unwrap());
        }
        let response = self.layer.layer(handler).oneshot(request).await.unwrap();
        let reason = response.headers().get("x-cambist-reason").map(|v| v.to_str().unwrap());
        let reason = reason.unwrap_or_default().to_owned();
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), reason, body)
    }
}

#[tokio::test(start_paused = true)]
async fn a_verified_caller_is_told_to_the_handler() {
    let door = Door::new();
    let token = door.token(door.spec());
    let knocked = door.knock(&[&format!("bearer {token}")]).await;
    assert_eq!(knocked, (200, String::new(), "system:serviceaccount:shop:checkout".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn everybody_else_stays_outside() {
    let door = Door::new();
    let good = door.token(door.spec());
    let two = [format!("Bearer {good}"), format!("Bearer {good}")];
    assert_eq!(door.knock(&[]).await.1, "bearer_missing");
    assert_eq!(door.knock(&["Basic YTpi"]).await.1, "bearer_missing");
    assert_eq!(door.knock(&[&two[0], &two[1]]).await.1, "bearer_missing");
    assert_eq!(door.knock(&["Bearer x"]).await.1, "token_malformed");
    let default = "system:serviceaccount:shop:default";
    for (spec, reason) in [
        (door.spec().claim("aud", "api://AzureADTokenExchange"), "audience_mismatch"),
        // Good for this service, and for whoever it is shown to as well.
        (
            door.spec().claim("aud", ["https://api.shop", "api://AzureADTokenExchange"].as_slice()),
            "audience_mismatch",
        ),
        (door.spec().claim("iss", "https://other/"), "issuer_mismatch"),
        (door.spec().claim("sub", default), "default_service_account"),
        (door.spec().claim("sub", "system:node:n"), "subject_invalid"),
        (door.spec().claim("exp", 1), "token_dates"),
    ] {
        let (status, why, _) = door.knock(&[&format!("Bearer {}", door.token(spec))]).await;
        assert_eq!((status, why.as_str()), (401, reason));
    }
    assert_eq!(door.world.asked(), (0, 0, 0), "nothing is fetched for these");
    let forger = cambist_sim::keys::SigningKey::generate_rsa().unwrap();
    let kid = door.world.sim.issuer().signer().kid().to_owned();
    let forged = door.spec().header("kid", kid).sign(&forger).unwrap();
    assert_eq!(door.knock(&[&format!("Bearer {forged}")]).await.1, "signature_invalid");
    let unsigned = door.spec().unsigned();
    assert_eq!(door.knock(&[&format!("Bearer {unsigned}")]).await.1, "algorithm_refused");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_checked_is_not_let_in() {
    let door = Door::new();
    door.world.sim.faults().inject(Target::Discovery, Fault::Reset);
    let token = door.token(door.spec());
    let (status, reason, _) = door.knock(&[&format!("Bearer {token}")]).await;
    assert_eq!((status, reason.as_str()), (503, "no_keys"));
}

#[tokio::test(start_paused = true)]
async fn a_new_key_that_cannot_be_looked_for_is_no_reason_to_send_anybody_away_for_good() {
    let door = Door::new();
    assert_eq!(door.knock_as("shop:checkout").await.0, 200);
    door.world.sim.faults().inject(Target::Jwks, Fault::Reset);
    door.world.sim.issuer().rotate(true).unwrap();
    for _ in 0..4 {
        let (status, reason, _) = door.knock_as("shop:checkout").await;
        assert_eq!((status, reason.as_str()), (503, "no_keys"));
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_nobody_could_renew_for_a_day_lets_nobody_in() {
    let door = Door::new();
    assert_eq!(door.knock_as("shop:checkout").await.0, 200);
    let hour = std::time::Duration::from_secs(3600);
    door.world.sim.faults().inject(Target::Discovery, Fault::Reset);
    door.world.sim.clock().advance(24 * hour);
    assert_eq!(door.knock_as("shop:checkout").await.0, 200);
    door.world.sim.clock().advance(2 * hour);
    let (status, reason, _) = door.knock_as("shop:checkout").await;
    assert_eq!((status, reason.as_str()), (503, "no_keys"));
    // Where nobody knocked for a week, the first one is held against a set of today.
    let door = Door::new();
    assert_eq!(door.knock_as("shop:checkout").await.0, 200);
    door.world.sim.clock().advance(7 * 24 * hour);
    assert_eq!((door.knock_as("shop:checkout").await.0, door.world.asked().2), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_opens_something_else_as_well_opens_nothing_here() {
    let door = Door::new();
    for other in ["https://other.shop", "https://kubernetes.default.svc.cluster.local"] {
        let audiences = serde_json::json!(["https://api.shop", other]);
        let token = door.token(door.spec().claim("aud", audiences));
        let (status, reason, _) = door.knock(&[&format!("Bearer {token}")]).await;
        assert_eq!((status, reason.as_str()), (401, "audience_mismatch"), "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_token_of_somebody_who_was_not_allowed_is_403() {
    let door = Door::new();
    for name in ["shop:reports", "kube-system:cluster-admin", "shop2:checkout"] {
        let (status, reason, _) = door.knock_as(name).await;
        assert_eq!((status, reason.as_str()), (403, "caller_not_allowed"), "{name}");
    }
    // Who is not allowed is told so only with a token that is.
    let forger = cambist_sim::keys::SigningKey::generate_rsa().unwrap();
    let kid = door.world.sim.issuer().signer().kid().to_owned();
    let stranger = account("shop:reports").to_string();
    let forged = door.spec().header("kid", kid).claim("sub", stranger).sign(&forger).unwrap();
    assert_eq!(door.knock(&[&format!("Bearer {forged}")]).await.1, "signature_invalid");
}

#[tokio::test(start_paused = true)]
async fn namespaces_come_in_without_their_default_accounts_unless_those_are_named() {
    let door = Door::letting_in(|callers| {
        callers.allow_namespace("shop").allow([account("reports:default")]).allow_namespace("ops")
    });
    let shut = "default_service_account";
    for (name, status, reason) in [
        ("shop:checkout", 200, ""),
        ("shop:anything", 200, ""),
        ("shop:default", 401, shut),
        ("reports:default", 200, ""),
        ("reports:daily", 403, "caller_not_allowed"),
        ("ops:watch", 200, ""),
    ] {
        let knocked = door.knock_as(name).await;
        assert_eq!((knocked.0, knocked.1.as_str()), (status, reason), "{name}");
    }
    let open = Door::letting_in(Callers::allow_any);
    assert_eq!(open.knock_as("anywhere:anybody").await.0, 200);
    assert_eq!(open.knock_as("anywhere:default").await.1, shut);
}

#[test]
fn callers_are_never_asked_for_what_entra_takes() {
    let of = |audience| AuthenticateLayer::for_issuer("https://issuer.example/", audience);
    assert!(of("https://orders.shop").is_ok());
    for audience in ["api://AzureADTokenExchange", "api://AKSIdentityBinding"] {
        assert!(matches!(of(audience), Err(CallersError::Exchangeable(_))), "{audience}");
    }
    for audience in [
        "https://issuer.example/",
        "https://kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ] {
        assert!(matches!(of(audience), Err(CallersError::ApiServers(_))), "{audience}");
    }
    assert!(of("https://kubernetes.default.example").is_ok());
    assert!(matches!(of(""), Err(CallersError::Audience(_))));
    let http = AuthenticateLayer::for_issuer("http://issuer.example/", "https://orders.shop");
    assert!(matches!(http, Err(CallersError::Issuer(_))));
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_key_was_swapped_under_its_name_is_let_in() {
    let door = Door::new();
    let token = door.token(door.spec());
    assert_eq!(door.knock(&[&format!("Bearer {token}")]).await.0, 200);
    let issuer = door.world.sim.issuer();
    let swapped = issuer.prepare().unwrap().with_kid(issuer.signer().kid());
    issuer.rotate_to(&swapped, false);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let token = door.token(door.spec());
    assert_eq!(door.knock(&[&format!("Bearer {token}")]).await.0, 200);
    assert_eq!(door.world.asked().2, 2);
}

#[tokio::test(start_paused = true)]
async fn strangers_with_made_up_keys_are_sent_away_at_once() {
    let door = Door::new();
    let token = door.token(door.spec());
    assert_eq!(door.knock(&[&format!("Bearer {token}")]).await.0, 200);
    let started = tokio::time::Instant::now();
    for n in 0..1000 {
        let made_up = door.token(door.spec().header("kid", format!("made-up-{n}")));
        let (status, reason, _) = door.knock(&[&format!("Bearer {made_up}")]).await;
        let status_of_first = if n == 0 { 401 } else { 503 };
        assert_eq!((status, reason.as_str()), (status_of_first, "unknown_kid"));
    }
    assert_eq!((started.elapsed().as_secs(), door.world.asked().2), (0, 2));
    assert_eq!(door.knock(&[&format!("Bearer {token}")]).await.0, 200);
}

/// Who was denied, and why.
#[derive(Debug, Default)]
struct Denials(Mutex<Vec<(Option<String>, &'static str, bool)>>);

impl crate::Observer for Denials {
    fn event(&self, event: &crate::Event<'_>) {
        if let crate::Event::CallerDenied(it) = event {
            let account = it.account.map(ToString::to_string);
            self.0.lock().unwrap().push((account, it.reason, it.retry_after.is_some()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_let_in_is_told_to_the_observer() {
    let denials = Arc::new(Denials::default());
    let mut door = Door::new();
    door.layer.context.observer = denials.clone();
    assert_eq!(door.knock_as("shop:checkout").await.0, 200);
    door.knock_as("shop:reports").await;
    door.knock(&["Bearer x"]).await;
    let mut without_keys = Door::new();
    without_keys.layer.context.observer = denials.clone();
    without_keys.world.sim.faults().inject(Target::Jwks, Fault::Reset);
    assert_eq!(without_keys.knock_as("shop:checkout").await.0, 503);
    let told = denials.0.lock().unwrap();
    let reports = Some("system:serviceaccount:shop:reports".to_owned());
    assert_eq!(
        *told,
        [
            (reports, "caller_not_allowed", false),
            (None, "token_malformed", false),
            (None, "no_keys", true)
        ]
    );
}

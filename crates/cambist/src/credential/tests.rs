use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cambist_core::admission::{Standing, Unchecked};
use cambist_core::clock::Clock as _;
use cambist_sim::clock::Machine;
use cambist_sim::fault::{Fault, Target};
use http::StatusCode;
use tokio::time::{Instant, sleep};

use super::*;
use crate::config::Identity;
use crate::reason::{Class, Reason};
use crate::testing::{World, reason, scope};
use crate::transport::Transport;

const VAULT: &str = "https://vault.azure.net";

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Everything that may go wrong with an upstream, as far as the simulator knows.
fn faults() -> Vec<Fault> {
    let body = |status: u16, body: &str| Fault::Body {
        status: StatusCode::from_u16(status).unwrap(),
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    let aadsts = |code| Fault::Aadsts { code, status: None, retry_after: None };
    let status = |status: u16, retry_after: Option<&str>| Fault::Status {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: retry_after.map(str::to_owned),
    };
    let mut all = vec![
        Fault::Hang,
        Fault::Reset,
        Fault::Html(StatusCode::BAD_GATEWAY),
        Fault::Html(StatusCode::OK),
        Fault::Empty(StatusCode::BAD_REQUEST),
        Fault::Empty(StatusCode::OK),
        Fault::Truncate,
        Fault::WrongType,
        Fault::Redirect { location: "https://login.sim.test/elsewhere".to_owned() },
        status(429, Some("60")),
        status(429, None),
        status(503, Some("Mon, 23 Nov 2026 05:13:45 GMT")),
        status(503, Some("soon")),
        status(500, None),
        status(404, None),
        body(200, r#"{"token_type":"Bearer","expires_in":0,"access_token":"x"}"#),
        body(200, r#"{"token_type":"Bearer","expires_in":-1,"access_token":"x"}"#),
        body(200, r#"{"token_type":"mac","expires_in":3599,"access_token":"x"}"#),
        body(200, r#"{"token_type":"Bearer","expires_in":3599}"#),
        body(200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":""}"#),
        body(400, r#"{"error":"invalid_request","error_description":"AADSTS70021: a\r\nTrace"#),
    ];
    all.extend(
        [70021, 700_213, 700_024, 7_000_272, 501_661, 50196, 90033, 53003, 90002, 500_011]
            .map(aadsts),
    );
    all
}

#[tokio::test(start_paused = true)]
async fn a_thousand_cold_callers_ask_once_for_everything() {
    let world = World::new();
    let credential = world.credential();
    let scope = scope(VAULT);
    let callers = (0..1000).map(|_| credential.token(&scope));
    for token in futures_util::future::join_all(callers).await {
        assert!(matches!(token.unwrap().standing(), Some(Standing::Verified(_))));
    }
    assert_eq!(world.asked(), (1, 1, 1));
    let token = credential.peek(VAULT).unwrap();
    assert_eq!(world.asked(), (1, 1, 1));
    let receipt = token.receipt();
    assert_eq!(receipt.key().unwrap().to_string(), world.sim.issuer().signer().kid());
    assert!(receipt.verdict().is_some() && receipt.entra_request_id().is_some());
    assert_eq!(receipt.correlation_id(), Some(&*receipt.request_id().to_string()));
}

#[tokio::test(start_paused = true)]
async fn cold_scopes_share_the_keys_and_not_their_slowness() {
    let world = World::new();
    world.sim.faults().inject(Target::Entra, Fault::Latency(Duration::from_millis(100)));
    let credential = world.credential();
    let scopes: Vec<_> = (0..20).map(|n| scope(&format!("api://app{n}"))).collect();
    let started = Instant::now();
    let tokens = scopes.iter().map(|scope| credential.token(scope));
    assert!(futures_util::future::join_all(tokens).await.iter().all(Result::is_ok));
    assert_eq!(started.elapsed(), Duration::from_millis(100));
    assert_eq!(world.asked(), (20, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn no_failure_of_entra_is_seen_while_a_token_is_held() {
    for fault in faults() {
        let world = World::new();
        let credential = world.credential();
        let scope = scope(VAULT);
        let first = credential.token(&scope).await.unwrap();
        world.sim.faults().inject(Target::Entra, fault.clone());
        let started = Instant::now();
        while started.elapsed() < secs(3590) {
            world.kubelet.project().unwrap();
            let token = credential.token(&scope).await.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
            assert_eq!(token.secret().expose(), first.secret().expose());
            sleep(secs(30)).await;
        }
        world.sim.clock().advance(secs(60));
        let error = credential.token(&scope).await.expect_err(&format!("{fault:?}"));
        assert!(!error.to_string().contains(first.secret().expose()));
        // And when Entra is well again, so is everything, without anybody's help.
        world.sim.faults().clear();
        sleep(error.retry_after().unwrap_or_default() + secs(1)).await;
        world.kubelet.project().unwrap();
        credential.token(&scope).await.unwrap_or_else(|e| panic!("after {fault:?}: {e}"));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_during_a_retry_after() {
    for (status, text) in [(429, "60"), (503, "60"), (503, "Mon, 23 Nov 2026 04:14:45 GMT")] {
        let world = World::new();
        let credential = world.credential();
        let throttled = Fault::Status {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(text.to_owned()),
        };
        world.sim.faults().inject_next(1, Target::Entra, throttled);
        let error = credential.token(&scope(VAULT)).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(secs(60)), "{text}");
        for n in 0..59 {
            // The same scope, and others: the identity is throttled, not the scope.
            let error = credential.token(&scope(VAULT)).await.unwrap_err();
            assert!(error.retry_after() <= Some(secs(60 - n)));
            assert!(credential.token(&scope(&format!("api://{n}"))).await.is_err());
            sleep(secs(1)).await;
        }
        assert_eq!(world.asked().0, 1);
        sleep(secs(2)).await;
        assert!(credential.token(&scope(VAULT)).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_not_tried_every_second() {
    let world = World::new();
    let credential = world.credential();
    let unknown = Fault::Aadsts { code: 500_011, status: None, retry_after: None };
    world.sim.faults().inject(Target::Entra, unknown);
    for _ in 0..120 {
        assert_eq!(reason(&credential, &scope(VAULT)).await, "entra_resource_unknown");
        sleep(secs(1)).await;
    }
    assert!(world.asked().0 <= 3, "{:?}", world.asked());
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_entra_detects_is_broken_for_minutes() {
    let world = World::new();
    let credential = world.credential();
    let looping = Fault::Aadsts { code: 50196, status: None, retry_after: None };
    world.sim.faults().inject_next(1, Target::Entra, looping);
    assert_eq!(reason(&credential, &scope(VAULT)).await, "entra_loop_detected");
    for n in 0..200 {
        let scope = scope(&format!("api://{n}"));
        assert_eq!(reason(&credential, &scope).await, "entra_loop_detected");
        sleep(secs(1)).await;
    }
    assert_eq!(world.asked().0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_assertion_is_read_again_and_tried_once_more() {
    let world = World::new();
    let credential = world.credential();
    let stale = Fault::Aadsts { code: 700_024, status: None, retry_after: None };
    world.sim.faults().inject_next(1, Target::Entra, stale.clone());
    credential.token(&scope(VAULT)).await.unwrap();
    assert_eq!(world.asked().0, 2);
    world.sim.faults().inject(Target::Entra, stale);
    let error = credential.token(&scope("api://other")).await.unwrap_err();
    assert_eq!(world.asked().0, 4);
    assert_eq!(error.entra().unwrap().codes(), [700_024]);
}

#[tokio::test(start_paused = true)]
async fn without_the_issuer_tokens_are_made_and_marked_unchecked() {
    for fault in [Fault::Reset, Fault::Hang, Fault::Html(StatusCode::OK), Fault::Truncate] {
        let world = World::new();
        world.sim.faults().inject(Target::Discovery, fault.clone());
        world.sim.faults().inject(Target::Jwks, fault.clone());
        let credential = world.credential();
        let started = Instant::now();
        let token = credential.token(&scope(VAULT)).await.unwrap();
        assert_eq!(token.standing(), Some(Standing::Unchecked(Unchecked::NoKeys)), "{fault:?}");
        assert!(started.elapsed() <= secs(5));
        // The next scope does not wait for the dead issuer again.
        let started = Instant::now();
        credential.token(&scope("api://other")).await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO);

        let world = world.with("CAMBIST_KEY_AGE", "enforce");
        let credential = world.credential();
        assert_eq!(reason(&credential, &scope(VAULT)).await, "unchecked_held");
        world.sim.faults().clear();
        sleep(secs(31)).await;
        let token = credential.token(&scope(VAULT)).await.unwrap();
        assert!(matches!(token.standing(), Some(Standing::Verified(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn with_everything_down_errors_are_clear_and_recovery_is_by_itself() {
    let world = World::new();
    for target in [Target::Discovery, Target::Jwks, Target::Entra] {
        world.sim.faults().inject(target, Fault::Reset);
    }
    let credential = world.credential();
    credential.prefetch([scope(VAULT)]);
    let keeper = credential.clone();
    let keeper = tokio::spawn(async move { keeper.maintain().await });
    sleep(secs(300)).await;
    let error = credential.token(&scope(VAULT)).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert!(error.retry_after().unwrap() <= secs(60));
    assert!(error.to_string().contains("login.sim.test"), "{error}");
    assert!(world.asked().0 < 32, "{:?}", world.asked());
    world.sim.faults().clear();
    sleep(secs(66)).await;
    assert!(credential.holds(&scope(VAULT)));
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_looked_after_in_time_and_left_alone_between() {
    let world = World::new();
    let credential = world.credential();
    credential.prefetch([scope(VAULT)]);
    let polls = Arc::new(AtomicU32::new(0));
    let (keeper, count) = (credential.clone(), polls.clone());
    let keeper = tokio::spawn(async move {
        let mut upkeep = pin!(keeper.maintain());
        poll_fn(|cx| {
            count.fetch_add(1, Ordering::Relaxed);
            upkeep.as_mut().poll(cx)
        })
        .await;
    });
    sleep(secs(10)).await;
    assert!(credential.holds(&scope(VAULT)));
    // What is wanted later is fetched at once.
    credential.prefetch([scope("api://later")]);
    sleep(secs(1)).await;
    assert!(credential.holds(&scope("api://later")));
    polls.store(0, Ordering::Relaxed);
    for second in 0..3600 {
        sleep(secs(1)).await;
        if second % 600 == 0 {
            world.kubelet.project().unwrap();
        }
        let now = world.context().clock.boot();
        let left = credential.held(&scope(VAULT)).unwrap().remaining_at(now);
        assert!(left > secs(300), "{left:?}");
    }
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < 100, "{polls} times within an hour");
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn a_rotation_with_overlap_is_not_noticed() {
    let world = World::new();
    // The new key was public long before, as far as Entra is concerned.
    world.sim.entra().keep_documents(Duration::ZERO);
    let credential = world.credential();
    for round in 0..5 {
        let token = credential.token(&scope(&format!("api://{round}"))).await.unwrap();
        assert!(matches!(token.standing(), Some(Standing::Verified(_))));
        sleep(secs(60)).await;
        world.sim.issuer().rotate(true).unwrap();
        world.kubelet.project().unwrap();
    }
    assert_eq!(world.asked(), (5, 5, 5));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_entra_has_not_seen_yet_is_tried_once_a_minute_and_served_soon_after_it_has() {
    for minutes in [20, 30, 45] {
        let world = World::new();
        let kept = Duration::from_secs(60 * minutes);
        world.sim.entra().keep_documents(kept);
        let credential = world.credential();
        credential.token(&scope(VAULT)).await.unwrap();
        let read = Instant::now();
        // Signed with as soon as it is public: that is a mistake, and a common one.
        world.sim.issuer().rotate(true).unwrap();
        world.kubelet.project().unwrap();
        sleep(secs(1)).await;
        while let Err(error) = credential.token(&scope("api://new")).await {
            assert_eq!(error.reason(), Reason::EntraSignatureUnknown);
            assert!(error.retry_after().unwrap() <= secs(60), "{error:?}");
            assert!(credential.token(&scope(VAULT)).await.is_ok());
            sleep(secs(1)).await;
        }
        let late = read.elapsed() - kept;
        assert!(late <= secs(62), "{late:?}");
        let (asked, _, _) = world.asked();
        assert!(asked <= 3 + minutes * 4 / 3, "{asked} in {minutes} min");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_costs_the_issuer_one_look_a_cooldown() {
    let world = World::new();
    let credential = world.credential();
    credential.token(&scope(VAULT)).await.unwrap();
    let before = world.sim.issuer().jwks();
    let fresh = world.sim.issuer().rotate(true).unwrap();
    world.sim.issuer().hide(fresh.kid());
    assert_eq!(world.sim.issuer().jwks(), before);
    world.kubelet.project().unwrap();
    let mut pending = 0;
    for n in 0..100 {
        if n == 10 {
            // Another one, of which nobody knows whether it is new.
            let another = world.sim.issuer().rotate(true).unwrap();
            world.sim.issuer().hide(another.kid());
            world.kubelet.project().unwrap();
        }
        let error = credential.token(&scope(&format!("api://{n}"))).await.unwrap_err();
        if error.reason() == Reason::UnknownKid {
            assert_eq!(error.class(), Class::Transient);
            assert!(error.retry_after().unwrap() <= secs(5));
            assert_eq!(n, 10 + pending, "once settled, it is");
            pending += 1;
        } else {
            // It was sent; Entra does not know the key either.
            assert_eq!(error.reason(), Reason::EntraSignatureUnknown);
        }
        sleep(secs(1)).await;
    }
    // That one is not sent before the keys were looked for again.
    assert!((14..=16).contains(&pending), "{pending}");
    let (entra, discovery, jwks) = world.asked();
    assert_eq!((entra, discovery), (101 - pending, jwks));
    assert!((3..=5).contains(&jwks), "{jwks} looks in 100 s");
}

#[tokio::test(start_paused = true)]
async fn a_key_put_in_anothers_place_under_its_name_is_found_once_a_cooldown() {
    let world = World::new();
    let credential = world.credential();
    credential.token(&scope(VAULT)).await.unwrap();
    let old = world.sim.issuer().signer();
    world.sim.issuer().hide(old.kid());
    let other = world.sim.issuer().prepare().unwrap().with_kid(old.kid());
    world.sim.issuer().rotate_to(&other, false);
    world.sim.entra().forget_issuer_keys();
    world.kubelet.project().unwrap();
    sleep(secs(1)).await;
    let token = credential.token(&scope("api://later")).await.unwrap();
    assert!(matches!(token.standing(), Some(Standing::Verified(_))));
    assert_eq!(world.asked(), (2, 2, 2));
    // A forged one costs as little.
    let forger = cambist_sim::keys::SigningKey::generate_rsa().unwrap();
    let forged = world.sim.token_spec().header("kid", old.kid()).sign(&forger).unwrap();
    world.kubelet.write(forged.as_bytes()).unwrap();
    for n in 0..100 {
        let bad = scope(&format!("api://bad-{n}"));
        assert_eq!(reason(&credential, &bad).await, "signature_invalid");
        sleep(secs(1)).await;
    }
    let (entra, looks, _) = world.asked();
    assert!(entra == 2 && (5..=6).contains(&looks), "{looks}");
}

#[tokio::test(start_paused = true)]
async fn enforcing_with_the_issuer_away_at_start_is_passing_trouble_and_over_soon_after_its_return()
{
    for fault in [Fault::Reset, Fault::Hang, Fault::Html(StatusCode::OK)] {
        // Whatever the moment of its return is to the moments of the looks.
        for away in (56_000..=66_000).step_by(500).map(Duration::from_millis) {
            let world = World::new().with("CAMBIST_KEY_AGE", "enforce");
            world.sim.faults().inject(Target::Discovery, fault.clone());
            let credential = world.credential();
            let returns = Instant::now() + away;
            let faults = world.sim.faults().clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(returns).await;
                faults.clear();
            });
            let mut refusals = 0;
            loop {
                match credential.token(&scope(VAULT)).await {
                    Ok(_) => break,
                    Err(error) => {
                        assert_eq!(error.reason(), Reason::UncheckedHeld);
                        assert_eq!(error.class(), Class::Transient);
                        let pause = error.retry_after().unwrap();
                        assert!(pause <= secs(5), "{pause:?}");
                        refusals += 1;
                        // As an SDK comes back: in whole seconds, and one at least.
                        sleep(secs(pause.as_secs_f64().ceil().max(1.0) as u64)).await;
                    }
                }
            }
            let late = Instant::now().saturating_duration_since(returns);
            assert!(late <= secs(6), "{fault:?}, away for {away:?}: {late:?}");
            assert!((9..=20).contains(&refusals), "{refusals}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_to_be_bad_is_never_sent() {
    let spec = |world: &World| world.sim.token_spec();
    type Bend = fn(cambist_sim::token::TokenSpec) -> cambist_sim::token::TokenSpec;
    let bends: [(Bend, &str); 4] = [
        (|spec| spec.claim("aud", "api://Other"), "audience_mismatch"),
        (|spec| spec.claim("iss", "https://issuer.sim.test"), "issuer_mismatch"),
        (|spec| spec.claim("sub", "system:serviceaccount:shop:default"), "default_service_account"),
        (|spec| spec.claim("exp", 1_795_400_000), "token_dates"),
    ];
    for (bend, expected) in bends {
        let world = World::new();
        let token = bend(spec(&world)).sign(&world.sim.issuer().signer()).unwrap();
        world.kubelet.write(token.as_bytes()).unwrap();
        assert_eq!(reason(&world.credential(), &scope(VAULT)).await, expected);
        assert_eq!(world.asked(), (0, 0, 0));
    }
    let world = World::new();
    let forger = cambist_sim::keys::SigningKey::generate_rsa().unwrap();
    let forged = spec(&world).header("kid", world.sim.issuer().signer().kid()).sign(&forger);
    world.kubelet.write(forged.unwrap().as_bytes()).unwrap();
    assert_eq!(reason(&world.credential(), &scope(VAULT)).await, "signature_invalid");
    assert_eq!(world.asked(), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_entra_takes_for_living_too_long_is_not_sent_whatever_is_accepted() {
    let hours = |world: &World, hours: i64| {
        let issued = world.sim.clock().wall().as_secs();
        let spec = world.sim.token_spec().claim("exp", issued + hours * 3600);
        world.kubelet.write(world.sim.issuer().sign(&spec).unwrap().as_bytes()).unwrap();
    };
    let world = World::new().with("CAMBIST_MAX_TOKEN_LIFETIME", "400d");
    hours(&world, 25);
    world.credential().token(&scope(VAULT)).await.unwrap();
    assert_eq!(world.asked(), (1, 1, 1));
    for lifetime in [26, 365 * 24] {
        for accepted in ["400d", "24h"] {
            let world = World::new().with("CAMBIST_MAX_TOKEN_LIFETIME", accepted);
            hours(&world, lifetime);
            let error = world.credential().token(&scope(VAULT)).await.unwrap_err();
            let text = error.to_string();
            assert_eq!(error.reason(), Reason::TokenLifetime, "{text}");
            assert!(text.contains("25h that Entra takes at most"), "{text}");
            assert!(text.contains("expirationSeconds"), "{text}");
            assert_eq!(world.asked(), (0, 0, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_told_from_a_wrong_token() {
    let world = World::new();
    world.sim.clock_of(Machine::Pod).skew(86_400);
    let token = world.credential().token(&scope(VAULT)).await.unwrap();
    assert_eq!(token.standing(), Some(Standing::Unchecked(Unchecked::ClockSkew)));
    let world = World::new();
    world.sim.clock().advance(Duration::from_secs(86_400));
    assert_eq!(reason(&world.credential(), &scope(VAULT)).await, "token_expired");
    assert_eq!(world.asked(), (0, 1, 1));
}

/// An Entra that answers each call as `answer` says, which is told the call's number, and how many
/// there were.
fn entra(
    answer: impl Fn(u32) -> (u64, u16, &'static str) + Clone + Send + Sync + 'static,
) -> (Transport, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let service = tower::service_fn(move |_: http::Request<Bytes>| {
        let (after, status, retry_after) = answer(counted.fetch_add(1, Ordering::SeqCst) + 1);
        async move {
            tokio::time::sleep(Duration::from_secs(after)).await;
            let body = match status {
                200 => r#"{"token_type":"Bearer","expires_in":3599,"access_token":"token"}"#,
                _ => r#"{"error":"temporarily_unavailable"}"#,
            };
            let response = http::Response::builder().status(status);
            let response = response.header("retry-after", retry_after);
            Ok::<_, std::convert::Infallible>(response.body(Bytes::from(body)).unwrap())
        }
    });
    (Transport::from_service(service), calls)
}

#[tokio::test(start_paused = true)]
async fn a_shorter_retry_after_does_not_displace_a_longer_one() {
    let world = World::new();
    let (transport, calls) = entra(|call| (call.into(), 429, if call == 1 { "600" } else { "1" }));
    let credential = world.trust_over(transport).credential(&world.config().identity);
    let (a, b) = (scope("api://a"), scope("api://b"));
    let (first, second) = tokio::join!(credential.token(&a), credential.token(&b));
    assert!(first.is_err() && second.is_err());
    sleep(Duration::from_secs(5)).await;
    for n in 0..5 {
        let error = credential.token(&scope(&format!("api://c{n}"))).await.unwrap_err();
        assert!(error.retry_after().unwrap() > Duration::from_secs(590), "{error}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_a_year_is_probed_once_and_believed_no_longer() {
    let world = World::new();
    let (transport, calls) = entra(|call| (1, if call <= 20 { 429 } else { 200 }, "31536000"));
    let credential = world.trust_over(transport).credential(&world.config().identity);
    let scopes: Vec<_> = (0..20).map(|n| scope(&format!("api://{n}"))).collect();
    let ask = async || {
        let tokens = scopes.iter().map(|scope| credential.token(scope));
        futures_util::future::join_all(tokens).await.iter().filter(|t| t.is_ok()).count()
    };
    assert_eq!(ask().await + ask().await, 0);
    sleep(Duration::from_secs(598)).await;
    assert_eq!(ask().await, 0);
    assert_eq!(calls.load(Ordering::SeqCst), 20);
    sleep(Duration::from_secs(2)).await;
    assert_eq!((ask().await, calls.load(Ordering::SeqCst)), (1, 21), "the probe");
    // It was granted, so the others need not wait either.
    assert_eq!(ask().await, 20);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_exchanges_run_at_once_and_no_identity_crowds_out_another() {
    let world = World::new();
    let (running, peak) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counted = (running.clone(), peak.clone());
    let transport = Transport::from_service(tower::service_fn(move |_: http::Request<Bytes>| {
        let (running, peak) = counted.clone();
        async move {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(secs(1)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            let body = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"token"}"#;
            Ok::<_, std::convert::Infallible>(http::Response::new(Bytes::from(body)))
        }
    }));
    let trust = world.trust_over(transport);
    let credential = |client_id: &str| {
        trust.credential(&Identity { client_id: client_id.to_owned(), ..world.config().identity })
    };
    let (greedy, modest) = (credential("greedy"), credential("modest"));
    let started = Instant::now();
    let took = async |credential: &Credential, count: u32| {
        let scopes: Vec<_> = (0..count).map(|n| scope(&format!("api://{n}"))).collect();
        let tokens = scopes.iter().map(|scope| credential.token(scope));
        assert!(futures_util::future::join_all(tokens).await.iter().all(Result::is_ok));
        started.elapsed().as_secs()
    };
    let (many, few) = tokio::join!(took(&greedy, 290), took(&modest, 5));
    assert_eq!((peak.load(Ordering::SeqCst), many, few), (32, 10, 2));
}

/// Asks every 5 seconds for so long; tells how long after the beginning Entra was asked each time.
async fn asked_at(world: &World, credential: &Credential, for_secs: usize) -> Vec<usize> {
    let (mut times, mut before) = (Vec::new(), world.asked().0);
    for at in (0..for_secs).step_by(5) {
        if at % 1200 == 0 {
            world.kubelet.project().unwrap();
        }
        let _ = credential.token(&scope(VAULT)).await;
        if world.asked().0 > before {
            before = world.asked().0;
            times.push(at);
        }
        sleep(secs(5)).await;
    }
    times
}

fn longest_gap(times: &[usize]) -> usize {
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
}

const UNKNOWN_KEY: Fault = Fault::Aadsts { code: 7_000_272, status: None, retry_after: None };

#[tokio::test(start_paused = true)]
async fn for_an_hour_entra_is_asked_for_a_new_key_once_a_minute_whatever_failed_before() {
    let world = World::new();
    world.sim.faults().inject(Target::Entra, Fault::Reset);
    let credential = world.credential();
    // The old key, through an outage of Entra's with a hundred failures in a row.
    assert!(asked_at(&world, &credential, 1800).await.len() > 100);
    world.sim.issuer().rotate(true).unwrap();
    world.sim.faults().clear();
    world.sim.faults().inject(Target::Entra, UNKNOWN_KEY);
    let times = asked_at(&world, &credential, 2 * 3600).await;
    let (first_hour, later) = times.split_at(times.partition_point(|at| *at < 3600));
    assert!(longest_gap(first_hour) <= 65, "{first_hour:?}");
    assert!((200..=305).contains(&longest_gap(later)), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_entra_knew_for_an_hour_is_not_waited_for_as_a_new_one() {
    let world = World::new();
    let credential = world.credential();
    credential.token(&scope(VAULT)).await.unwrap();
    sleep(secs(3600)).await;
    world.kubelet.project().unwrap();
    world.sim.faults().inject(Target::Entra, UNKNOWN_KEY);
    let times = asked_at(&world, &credential, 1800).await;
    assert!((200..=305).contains(&longest_gap(&times)), "{times:?}");
}

use cambist_sim::fault::{Fault, Target};
use http::StatusCode;
use tokio::time::sleep;
use tower::ServiceExt as _;

use cambist_core::foreign::Foreign;
use cambist_core::issuer::JwksHost;
use cambist_core::jwks::Choice;
use cambist_core::refresh::Jitter;

use super::*;
use crate::testing::{Volume, World};
use crate::transport::Transport;

fn keys(world: &World) -> (IssuerKeys, IssuerUrl) {
    let issuer = IssuerUrl::parse(&world.sim.settings().issuer).unwrap();
    (IssuerKeys::new(world.sources(), world.context()), issuer)
}

fn kid(text: &str) -> KeyId {
    KeyId::parse(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_shares_one_look() {
    let world = World::new();
    world.sim.faults().inject(Target::Jwks, Fault::Latency(Duration::from_secs(1)));
    let (keys, issuer) = keys(&world);
    let signer = kid(world.sim.issuer().signer().kid());
    let all = (0..100).map(|_| keys.with(&issuer, Some(&signer)));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(world.asked(), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_made_up_names_is_one_look_a_cooldown_and_a_genuine_one_is_found() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    for n in 0..10_000 {
        let found = keys.with(&issuer, Some(&kid(&format!("made-up-{n}")))).await;
        // The first one was looked for, the others may be new.
        assert_eq!(found.is_err_and(|error| error.is_pending()), n > 0);
    }
    assert_eq!(world.asked(), (0, 1, 1));
    let fresh = world.sim.issuer().rotate(true).unwrap();
    sleep(COOLDOWN).await;
    let set = keys.with(&issuer, Some(&kid(fresh.kid()))).await.unwrap();
    assert!(matches!(set.choose(Some(&kid(fresh.kid()))), Choice::Key(_)));
    assert_eq!(world.asked(), (0, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn failing_has_the_same_cooldown_and_costs_nobody_the_last_good_set() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    let signer = kid(world.sim.issuer().signer().kid());
    keys.with(&issuer, Some(&signer)).await.unwrap();
    let bad = [
        r#"{"keys":[]}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[{"kty":"oct","k":"AA"}]}"#,
        "null",
        "<html>",
        &"x".repeat(300_000),
    ];
    for body in bad {
        let body = Fault::Body {
            status: StatusCode::OK,
            content_type: "application/json".to_owned(),
            body: body.to_owned(),
        };
        world.sim.faults().clear();
        world.sim.faults().inject(Target::Jwks, body);
        sleep(COOLDOWN).await;
        let before = world.asked().2;
        for _ in 0..10 {
            let set = keys.with(&issuer, Some(&kid("unknown"))).await.unwrap();
            assert!(matches!(set.choose(Some(&signer)), Choice::Key(_)));
        }
        assert_eq!(world.asked().2, before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_set_is_read_at_once_and_renewed_behind_the_readers_back() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    let signer = kid(world.sim.issuer().signer().kid());
    keys.with(&issuer, Some(&signer)).await.unwrap();
    world.sim.faults().inject(Target::Discovery, Fault::Hang);
    sleep(Duration::from_secs(3601)).await;
    let started = tokio::time::Instant::now();
    for _ in 0..100 {
        keys.with(&issuer, Some(&signer)).await.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.asked(), (0, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_document_of_another_issuer_or_a_redirect_is_a_problem_that_is_told() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    for (fault, word) in [
        (Fault::Redirect { location: "https://169.254.169.254/".to_owned() }, "redirects"),
        (Fault::Status { status: StatusCode::NOT_FOUND, retry_after: None }, "404"),
        (Fault::Hang, "within 5s"),
        (
            Fault::Body {
                status: StatusCode::OK,
                content_type: "application/json".to_owned(),
                body: r#"{"issuer":"https://other/","jwks_uri":"https://other/k"}"#.to_owned(),
            },
            "https://other/",
        ),
    ] {
        world.sim.faults().clear();
        world.sim.faults().inject(Target::Discovery, fault);
        let text = keys.with(&issuer, None).await.unwrap_err().to_string();
        assert!(text.contains(word) && text.contains("public: "), "{text}");
        sleep(COOLDOWN).await;
    }
    assert_eq!(world.asked().2, 0);
}

#[tokio::test(start_paused = true)]
async fn places_are_tried_in_order() {
    let world = World::new();
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, world.sim.issuer().jwks().to_string()).unwrap();
    let mut sources = world.sources();
    sources.push(KeyOrigin::File(file.clone()));
    let keys = IssuerKeys::new(sources, world.context());
    let issuer = IssuerUrl::parse(&world.sim.settings().issuer).unwrap();
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    assert!(keys.with(&issuer, None).await.is_ok());
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let only = IssuerKeys::new(vec![KeyOrigin::File(file)], world.context());
    let text = only.with(&issuer, None).await.unwrap_err().to_string();
    assert!(text.contains("not a regular file"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_api_server_is_asked_with_its_own_token_and_without_discovery() {
    let world = World::new();
    // In the simulated world the issuer plays the API server: same path, same keys.
    let server = world.sim.settings().issuer.trim_end_matches('/').to_owned();
    let volume = Volume::new(&[("token", &world.sim.api_token().unwrap())]);
    let (transport, token_file) = (world.transport(), volume.path("token"));
    let source = KeyOrigin::Api { transport, server, token_file };
    let keys = IssuerKeys::new(vec![source], world.context());
    let issuer = IssuerUrl::parse(&world.sim.settings().issuer).unwrap();
    keys.with(&issuer, None).await.unwrap();
    assert_eq!(world.asked(), (0, 0, 1));
    assert!(keys.upstream_time(world.context().clock.boot()).is_some());
}

#[tokio::test(start_paused = true)]
async fn entras_token_is_not_sent_to_the_api_server() {
    let world = World::new();
    let server = world.sim.settings().issuer.trim_end_matches('/').to_owned();
    let issuer = IssuerUrl::parse(&world.sim.settings().issuer).unwrap();
    let both = ["https://kubernetes.default.svc", "api://AKSIdentityBinding"];
    let both = world.sim.token_spec().claim("aud", both.as_slice());
    let both = both.sign(&world.sim.issuer().signer()).unwrap();
    let volume = Volume::new(&[("token", &both)]);
    for (token_file, audience) in [
        (world.kubelet.token_file(), "api://AzureADTokenExchange"),
        (volume.path("token"), "api://AKSIdentityBinding"),
    ] {
        let (transport, server) = (world.transport(), server.clone());
        let source = KeyOrigin::Api { transport, server, token_file };
        let keys = IssuerKeys::new(vec![source], world.context());
        let told = keys.with(&issuer, None).await.unwrap_err().to_string();
        assert!(
            told.contains(&format!("has the audience \"{audience}\", which Entra gives")),
            "{told}"
        );
    }
    assert_eq!(world.asked(), (0, 0, 0));
}

#[test]
fn a_token_that_is_not_accepted_is_told_from_a_right_that_is_missing() {
    let told = |status| {
        let url = Foreign::new("https://api.test/openid/v1/jwks");
        FetchError::Status { url, status }.to_string()
    };
    let (token, right) = (told(StatusCode::UNAUTHORIZED), told(StatusCode::FORBIDDEN));
    assert!(token.contains("audience") && !token.contains("ClusterRole"), "{token}");
    assert!(right.contains("ClusterRole"), "{right}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_costs_nobody_anything() {
    let world = World::new();
    world.sim.faults().inject(Target::Jwks, Fault::Latency(Duration::from_secs(1)));
    let (keys, issuer) = keys(&world);
    let signer = kid(world.sim.issuer().signer().kid());
    let leaves = keys.with(&issuer, Some(&signer));
    assert!(tokio::time::timeout(Duration::from_millis(100), leaves).await.is_err());
    assert!(keys.with(&issuer, Some(&signer)).await.is_ok());
    assert_eq!(world.asked(), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_seen_while_somebody_keeps_leaving() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    let signer = kid(world.sim.issuer().signer().kid());
    keys.with(&issuer, Some(&signer)).await.unwrap();
    world.sim.faults().inject(Target::Jwks, Fault::Latency(Duration::from_millis(200)));
    let fresh = kid(world.sim.issuer().rotate(true).unwrap().kid());
    let mut seen_after = None;
    for round in 1..20u32 {
        sleep(COOLDOWN).await;
        let made_up = kid("made-up");
        let gone = keys.with(&issuer, Some(&made_up));
        let _ = tokio::time::timeout(Duration::from_millis(50), gone).await;
        let set = keys.with(&issuer, Some(&fresh)).await;
        if set.is_ok_and(|set| matches!(set.choose(Some(&fresh)), Choice::Key(_))) {
            seen_after = Some(round * 30);
            break;
        }
    }
    assert!(seen_after.is_some_and(|secs| secs <= 60), "{seen_after:?}");
}

/// What was read before a key was published says nothing of that key.
#[tokio::test(start_paused = true)]
async fn a_key_published_during_a_look_is_found_by_the_next_one_at_once() {
    let world = World::new();
    let sim = world.sim.clone();
    let late = tower::service_fn(move |request| {
        let answer = sim.service().oneshot(request);
        async move {
            let answer = answer.await;
            sleep(Duration::from_secs(1)).await;
            answer
        }
    });
    let (transport, host) = (Transport::from_service(late), JwksHost::SameAsIssuer);
    let source = KeyOrigin::Public { transport, host };
    let (keys, (_, issuer)) = (IssuerKeys::new(vec![source], world.context()), keys(&world));
    let first = kid(world.sim.issuer().signer().kid());
    let rotating = async {
        // Discovery has been answered, and the key set been read.
        sleep(Duration::from_millis(1500)).await;
        let second = kid(world.sim.issuer().rotate(true).unwrap().kid());
        let found = keys.with(&issuer, Some(&second)).await.unwrap();
        assert!(matches!(found.choose(Some(&second)), Choice::Key(_)));
        let third = kid(world.sim.issuer().rotate(true).unwrap().kid());
        let found = keys.with(&issuer, Some(&third)).await.unwrap();
        assert!(matches!(found.choose(Some(&third)), Choice::Key(_)));
    };
    let (found, ()) = tokio::join!(keys.with(&issuer, Some(&first)), rotating);
    assert!(found.is_ok());
    assert_eq!(world.asked(), (0, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn readers_of_a_stale_set_start_nothing_but_the_one_look() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    let signer = kid(world.sim.issuer().signer().kid());
    keys.with(&issuer, Some(&signer)).await.unwrap();
    world.sim.faults().inject(Target::Discovery, Fault::Hang);
    sleep(Duration::from_secs(3601)).await;
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for _ in 0..10_000 {
        keys.with(&issuer, Some(&signer)).await.unwrap();
    }
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks() - before;
    assert!(alive < 10, "{alive}");
}

#[tokio::test(start_paused = true)]
async fn while_an_issuer_is_down_it_is_looked_at_every_five_seconds_and_found_when_it_is_back() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    let mut error_hint = Duration::ZERO;
    for _ in 0..600 {
        assert!(keys.with(&issuer, None).await.is_err());
        error_hint = error_hint.max(keys.next_look_in(&issuer));
        sleep(Duration::from_millis(100)).await;
    }
    let looks = world.asked().1;
    assert!((12..=19).contains(&looks), "{looks} in a minute");
    assert!(error_hint <= Duration::from_secs(5), "{error_hint:?}");
    world.sim.faults().clear();
    sleep(Duration::from_secs(5)).await;
    assert!(keys.with(&issuer, None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_bound_over_all_strangers_holds_up_none_that_is_alone() {
    let world = World::new();
    let pods = (0..100u32).map(|pod| Jitter::of(&pod.to_be_bytes()));
    let jitter = pods.max_by(|a, b| a.as_f64().total_cmp(&b.as_f64())).unwrap();
    let keys = IssuerKeys::new(world.sources(), Context { jitter, ..world.context() });
    let issuer = IssuerUrl::parse(&world.sim.settings().issuer).unwrap();
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    for _ in 0..50 {
        let looks = world.asked().1;
        assert!(keys.with(&issuer, None).await.is_err());
        assert_eq!(world.asked().1, looks + 1);
        sleep(keys.next_look_in(&issuer)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_issuers_in_turn_do_not_lift_the_cooldown() {
    let world = World::new();
    let (keys, ours) = keys(&world);
    let other = IssuerUrl::parse("https://other.test/").unwrap();
    for n in 0..40 {
        let issuer = if n % 2 == 0 { &ours } else { &other };
        drop(keys.with(issuer, Some(&kid(&format!("made-up-{n}")))).await);
    }
    assert_eq!(world.asked(), (0, 1, 1));
    assert_eq!(keys.peek().unwrap().0, ours, "a stranger displaces nothing");
}

#[tokio::test(start_paused = true)]
async fn many_issuers_cost_no_more_looks_and_no_more_memory() {
    let world = World::new();
    let (keys, _) = keys(&world);
    for n in 0..100 {
        let issuer = IssuerUrl::parse(&format!("https://issuer-{n}.test/")).unwrap();
        drop(keys.with(&issuer, None).await);
    }
    assert_eq!(keys.0.places.load().len(), MOST_ISSUERS);
    assert_eq!(keys.0.begun.lock().unwrap().len(), MOST_LOOKS);
}

#[tokio::test(start_paused = true)]
async fn strangers_neither_displace_nor_blind_the_issuer_that_somebody_decided_for() {
    let world = World::new();
    let (keys, ours) = keys(&world);
    keys.keep(&ours);
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    for n in 0..600 {
        let stranger = IssuerUrl::parse(&format!("https://issuer-{n}.test/")).unwrap();
        drop(keys.with(&stranger, None).await);
        assert!(keys.with(&ours, None).await.is_err());
        sleep(Duration::from_millis(100)).await;
    }
    assert!(world.asked().1 >= 12, "{:?}", world.asked());
    world.sim.faults().clear();
    sleep(Duration::from_secs(5)).await;
    assert!(keys.with(&ours, None).await.is_ok());
    let looks = world.asked().1;
    for n in 0..100 {
        let stranger = IssuerUrl::parse(&format!("https://again-{n}.test/")).unwrap();
        drop(keys.with(&stranger, None).await);
    }
    assert!(keys.with(&ours, None).await.is_ok());
    assert_eq!((world.asked().1, keys.peek().unwrap().0), (looks, ours));
}

#[tokio::test(start_paused = true)]
async fn whether_a_name_is_new_or_made_up_is_settled_by_the_next_look() {
    let world = World::new();
    let (keys, issuer) = keys(&world);
    let signer = kid(world.sim.issuer().signer().kid());
    keys.with(&issuer, Some(&signer)).await.unwrap();
    // A new name is looked for at once, and if it is there, so is the next one.
    for name in ["a", "b"] {
        let next = world.sim.issuer().prepare().unwrap().with_kid(name);
        world.sim.issuer().publish(&next);
        let found = keys.with(&issuer, Some(&kid(name))).await.unwrap();
        assert!(matches!(found.choose(Some(&kid(name))), Choice::Key(_)));
    }
    let looks = |n: u64| (0, 3 + n, 3 + n);
    assert_eq!(world.asked(), looks(0));
    // In vain once in a while.
    keys.with(&issuer, Some(&kid("made-up-before"))).await.unwrap();
    assert_eq!(world.asked(), looks(1));
    let made_up = kid("made-up");
    for _ in 0..29 {
        let pending = keys.with(&issuer, Some(&made_up)).await.unwrap_err();
        assert!(pending.is_pending() && pending.retry_after() <= Duration::from_secs(5));
        sleep(Duration::from_secs(1)).await;
    }
    let text = keys.with(&issuer, Some(&made_up)).await.unwrap_err().to_string();
    assert!(text.contains(r#""made-up" was not among them"#) && text.contains("in 1 s"), "{text}");
    // Whoever may wait for it gets it as soon as it comes.
    let found = keys.find(&issuer, Some(&made_up), Waiting::WHILE_IT_HELPS).await.unwrap();
    assert!(matches!(found.choose(Some(&made_up)), Choice::Unknown));
    assert_eq!(world.asked(), looks(2));
    // And what was settled stays so: it costs no more than a look a cooldown.
    for _ in 0..60 {
        keys.with(&issuer, Some(&made_up)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.asked(), looks(3));
}

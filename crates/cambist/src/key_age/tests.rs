use cambist_core::admission::{Standing, Unchecked};
use cambist_key_age::{CheckId, PublishedSet, Severity, Sighting, Verdict};
use cambist_sim::clock::Machine;
use cambist_sim::fault::{Fault, Target};
use tokio::time::sleep;

use super::judging::GOOD_FOR;
use super::*;
use crate::event::Admitted;
use crate::testing::{World, reason, scope};

const DAY: Duration = Duration::from_secs(86_400);

/// A day of the world's time, with a look at the keys and a fresh token in it.
async fn live(world: &World, days: u32, credential: &crate::Credential) {
    for day in 0..days {
        world.sim.clock().advance(DAY);
        world.kubelet.project().unwrap();
        sleep(Duration::from_secs(31)).await;
        let resource = format!("api://day-{day}-{}", world.asked().0);
        let _ = credential.token(&scope(&resource)).await;
    }
}

async fn report(credential: &crate::Credential) -> Arc<Report> {
    credential.issuer_keys().unwrap().key_age().unwrap().judged().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_rotates_becomes_due_and_then_stops_renewal_where_enforced() {
    let world = World::new().with("CAMBIST_KEY_AGE", "enforce");
    let credential = world.credential();
    let vault = scope("https://vault.azure.net");
    credential.token(&vault).await.unwrap();
    assert_eq!(report(&credential).await.judgement.verdict, Verdict::Unknown);
    live(&world, 47, &credential).await;
    assert_eq!(report(&credential).await.judgement.verdict, Verdict::Unknown);
    live(&world, 2, &credential).await;
    assert_eq!(report(&credential).await.judgement.verdict, Verdict::Due);
    live(&world, 45, &credential).await;
    assert_eq!(report(&credential).await.judgement.verdict, Verdict::Overdue);
    let before = world.asked().0;
    let error = credential.token(&scope("api://new")).await.unwrap_err();
    assert_eq!(error.reason().as_str(), "key_overdue");
    let text = error.to_string();
    assert!(text.contains("CAMBIST_KEY_AGE_EXEMPT=") && text.contains("at least"), "{text}");
    assert_eq!(world.asked().0, before, "nothing is sent");

    // The exemption lifts it, and so does a rotation.
    let key = world.sim.issuer().signer().kid().to_owned();
    let world = world.with("CAMBIST_KEY_AGE_EXEMPT", &format!("{key}@2030-01-01"));
    let exempt = world.credential();
    exempt.token(&vault).await.unwrap();
    world.sim.issuer().rotate(true).unwrap();
    world.kubelet.project().unwrap();
    // Entra reads the new key half an hour after the old one.
    sleep(Duration::from_secs(1900)).await;
    assert_eq!(reason(&credential, &scope("api://new")).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_called_by_its_kid_where_one_was_seen() {
    let world = World::new();
    let named = world.sim.issuer().prepare().unwrap().with_kid("signer-2026-11");
    world.sim.issuer().publish(&named);
    let credential = world.credential();
    credential.token(&scope("api://any")).await.unwrap();
    let report = report(&credential).await;
    let names: Vec<_> = report.judgement.keys.iter().map(|key| report.name(key.key)).collect();
    assert!(names.contains(&"signer-2026-11".to_owned()), "{names:?}");
    let unseen = Thumbprint::of_spki(b"unseen");
    assert_eq!(report.name(unseen), unseen.to_string());
}

#[tokio::test(start_paused = true)]
async fn audit_always_serves_and_says_so() {
    #[derive(Debug, Default)]
    struct Objections(Mutex<Vec<&'static str>>);
    impl crate::Observer for Objections {
        fn event(&self, event: &Event<'_>) {
            let Event::Admitted(Admitted { assertion, .. }) = event else { return };
            self.0.lock().unwrap().extend(assertion.objection().map(|refused| refused.as_str()));
        }
    }
    let mut world = World::new();
    let objections = Arc::new(Objections::default());
    world.observer = objections.clone();
    let credential = world.credential();
    live(&world, 93, &credential).await;
    assert!(objections.0.lock().unwrap().is_empty());
    live(&world, 2, &credential).await;
    assert_eq!(report(&credential).await.judgement.verdict, Verdict::Overdue);
    assert!(credential.entries().iter().any(|entry| entry.token.is_some()));
    assert_eq!(objections.0.lock().unwrap().last(), Some(&"key_overdue"));
}

#[tokio::test(start_paused = true)]
async fn a_held_token_outlives_the_refusal_of_its_key() {
    let world = World::new().with("CAMBIST_KEY_AGE", "enforce");
    let credential = world.credential();
    let vault = scope("https://vault.azure.net");
    credential.token(&scope("api://first")).await.unwrap();
    // On the last moment that is left to the key (90 days, 3 of grace, and the clocks' error).
    world.sim.clock().advance(DAY * 93);
    world.kubelet.project().unwrap();
    sleep(Duration::from_secs(31)).await;
    let held = credential.token(&vault).await.unwrap();
    world.sim.clock().advance(Duration::from_secs(1200));
    assert_eq!(reason(&credential, &scope("api://late")).await, "key_overdue");
    for _ in 0..23 {
        let served = credential.token(&vault).await.unwrap();
        assert_eq!(served.secret().expose(), held.secret().expose());
        sleep(Duration::from_secs(100)).await;
    }
    sleep(Duration::from_secs(100)).await;
    assert_eq!(reason(&credential, &vault).await, "key_overdue");
}

#[tokio::test(start_paused = true)]
async fn a_leaked_key_is_refused_at_once_and_its_tokens_are_renewed_when_that_can_be() {
    let world = World::new().with("CAMBIST_KEY_AGE", "enforce");
    let credential = world.credential();
    let vault = scope("https://vault.azure.net");
    credential.prefetch([vault.clone()]);
    let first = credential.token(&vault).await.unwrap();
    let keeper = credential.clone();
    let keeper = tokio::spawn(async move { keeper.maintain().await });
    let signer = world.sim.issuer().signer();
    let mut leaked = signer.jwk();
    leaked["d"] = "AQAB".into();
    let body = Fault::Body {
        status: http::StatusCode::OK,
        content_type: "application/jwk-set+json".to_owned(),
        body: format!(r#"{{"keys":[{leaked}]}}"#),
    };
    world.sim.faults().inject(Target::Jwks, body);
    // The Azure token is refreshed at 2940 s at the latest, the key set at 3600 s.
    sleep(Duration::from_secs(2950)).await;
    let young = credential.token(&vault).await.unwrap();
    assert_ne!(young.secret().expose(), first.secret().expose());
    sleep(Duration::from_secs(750)).await;
    assert_eq!(reason(&credential, &scope("api://new")).await, "key_compromised");
    let held = credential.token(&vault).await.unwrap();
    assert_eq!(held.secret().expose(), young.secret().expose(), "what is held lives out");
    // Rotated: the held token is replaced, young as it is.
    world.sim.faults().clear();
    world.sim.issuer().rotate(false).unwrap();
    world.sim.entra().forget_issuer_keys();
    world.kubelet.project().unwrap();
    sleep(Duration::from_secs(700)).await;
    let replaced = credential.token(&vault).await.unwrap();
    assert_ne!(replaced.secret().expose(), held.secret().expose());
    keeper.abort();
}

/// A history of the world's issuer in a file, as `cambist issuer observe` keeps it: its key was
/// seen on so many consecutive days, the last of which is now.
fn history(world: &World, issuer: &str, days: u32) -> (tempfile::TempDir, String) {
    let set = PublishedSet::parse(world.sim.issuer().jwks().to_string().as_bytes()).unwrap();
    let mut history = History::new(issuer);
    for day in (0..=days).rev() {
        let at = world.context().clock.wall() - DAY * day;
        let at = cambist_core::clock::Reading::alone(at);
        history.observe(&Sighting::of(Source::Public, at, &set).unwrap()).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.json");
    for _ in 0..2 {
        HistoryFile::new(&path).update(|_| (history.clone(), ())).unwrap();
    }
    (dir, path.display().to_string())
}

#[tokio::test(start_paused = true)]
async fn a_history_tells_what_was_before_and_its_faults_are_told() {
    let world = World::new();
    let issuer = world.sim.settings().issuer.clone();
    let (dir, path) = history(&world, &issuer, 60);
    let world = world.with("CAMBIST_HISTORY", &path);
    let vault = scope("https://vault.azure.net");
    let credential = world.credential();
    credential.token(&vault).await.unwrap();
    let said = report(&credential).await;
    assert_eq!((said.judgement.verdict, &said.history_problem), (Verdict::Due, &None));
    assert!(said.findings.iter().any(|found| found.id == CheckId::K001), "{:?}", said.findings);

    // Torn: its backup serves, and that is told. Torn, too: what was read stays in use.
    let again = async || {
        let key_age = credential.issuer_keys().unwrap().key_age().unwrap();
        world.sim.clock().advance(HISTORY_EVERY);
        key_age.read_history();
        key_age.judged().await.unwrap()
    };
    for file in ["history.json", "history.json.bak"] {
        std::fs::write(dir.path().join(file), "{").unwrap();
        let said = again().await;
        assert_eq!(said.judgement.verdict, Verdict::Due);
        assert!(said.history_problem.as_ref().unwrap().contains("damaged"), "{said:?}");
    }

    let (_dir, path) = history(&world, "https://other.example/", 60);
    let world = world.with("CAMBIST_HISTORY", &path);
    let credential = world.credential();
    credential.token(&vault).await.unwrap();
    let said = report(&credential).await;
    assert_eq!(said.judgement.verdict, Verdict::Unknown);
    assert!(said.history_problem.as_ref().unwrap().contains("other.example"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_history_announces_comes_early_without_a_word() {
    for announced in [false, true] {
        let world = World::new();
        let issuer = world.sim.settings().issuer.clone();
        let (_dir, path) = history(&world, &issuer, 1);
        let world = world.with("CAMBIST_HISTORY", &path);
        let credential = world.credential();
        for _ in 0..4 {
            live(&world, 14, &credential).await;
            world.sim.issuer().rotate(false).unwrap();
        }
        live(&world, 2, &credential).await;
        let new = world.sim.issuer().prepare().unwrap();
        if announced {
            let set = serde_json::json!({ "keys": [new.jwk()] }).to_string();
            let set = PublishedSet::parse(set.as_bytes()).unwrap();
            let key = set.thumbprints().next().unwrap();
            let now = world.context().clock.wall();
            let announce = |stored: Option<Stored>| {
                let mut kept = stored.unwrap().history;
                kept.expect(key, now, now + DAY * 3);
                (kept, ())
            };
            HistoryFile::new(&path).update(announce).unwrap();
        }
        world.sim.issuer().publish(&new);
        live(&world, 2, &credential).await;
        credential.issuer_keys().unwrap().key_age().unwrap().read_history();
        let said = report(&credential).await;
        let early = said.findings.iter().any(|found| found.id == CheckId::K113);
        assert_eq!(early, !announced, "{:?}", said.findings);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_judged_once_for_everybody_and_nobody_who_reads_waits() {
    #[derive(Debug, Default)]
    struct Count(std::sync::atomic::AtomicU32);
    impl crate::Observer for Count {
        fn event(&self, event: &Event<'_>) {
            let judged = matches!(event, Event::KeysJudged(_));
            self.0.fetch_add(u32::from(judged), std::sync::atomic::Ordering::SeqCst);
        }
    }
    let mut world = World::new();
    let count = Arc::new(Count::default());
    world.observer = count.clone();
    let judged = || count.0.load(std::sync::atomic::Ordering::SeqCst);
    let credential = world.credential();
    let key_age = credential.issuer_keys().unwrap().key_age().unwrap();
    assert!(key_age.report().is_none() && key_age.judged().await.is_none(), "nothing is known yet");
    credential.token(&scope("api://first")).await.unwrap();
    let settled = key_age.judged().await.unwrap();
    let before = judged();
    for _ in 0..100 {
        assert!(Arc::ptr_eq(&key_age.report().unwrap(), &settled));
        assert!(Arc::ptr_eq(&key_age.judged().await.unwrap(), &settled));
    }
    assert_eq!(judged(), before);
    // Its minute is over: the last one is told at once, and one new one is made.
    sleep(GOOD_FOR).await;
    for _ in 0..100 {
        assert!(Arc::ptr_eq(&key_age.report().unwrap(), &settled));
    }
    let many = futures_util::future::join_all((0..100).map(|_| key_age.judged())).await;
    assert_eq!(judged(), before + 1);
    assert!(many.iter().flatten().all(|report| report.at == settled.at + GOOD_FOR));
}

#[tokio::test(start_paused = true)]
async fn a_resurrected_key_is_suspect_and_may_sign() {
    let world = World::new().with("CAMBIST_KEY_AGE", "enforce");
    let credential = world.credential();
    credential.token(&scope("api://first")).await.unwrap();
    let old = world.sim.issuer().signer();
    for sign_with_old in [false, true] {
        match sign_with_old {
            false => drop(world.sim.issuer().rotate(false).unwrap()),
            true => {
                world.sim.issuer().publish(&old);
                world.sim.issuer().sign_with(&old);
            }
        }
        live(&world, 3, &credential).await;
    }
    let said = report(&credential).await;
    assert_eq!(said.judgement.verdict, Verdict::Suspect);
    assert!(said.findings.iter().any(|found| found.id == CheckId::K112), "{:?}", said.findings);
    assert_eq!(reason(&credential, &scope("api://new")).await, "");
}

#[test]
fn a_body_that_cannot_be_read_is_no_sighting() {
    let world = World::new();
    let issuer = IssuerUrl::parse(&world.sim.settings().issuer).unwrap();
    let key_age = KeyAge::new(world.config().trust.key_age, world.context());
    let look = |body| Look {
        source: Source::Public,
        body: Some(body),
        stale: Duration::ZERO,
        last_modified: None,
        etag: None,
        server_time: Some(world.context().clock.wall()),
    };
    let set = world.sim.issuer().jwks().to_string();
    key_age.observe_keys(&issuer, look(set.as_bytes()));
    let sequence = || key_age.seen(&issuer).as_ref().unwrap().history.sequence();
    let before = sequence();
    key_age.observe_keys(&issuer, look(b"{}"));
    assert_eq!(sequence(), before);
    key_age.observe_keys(&issuer, look(set.as_bytes()));
    assert_eq!(sequence(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_right_leaves_no_old_key_behind() {
    for wrong in [-100, 100] {
        let world = World::new().with("CAMBIST_KEY_AGE", "enforce");
        let (credential, node) = (world.credential(), world.sim.clock_of(Machine::Pod));
        node.skew(wrong * 86_400);
        let first = credential.token(&scope("api://first")).await.unwrap();
        assert_eq!(first.standing(), Some(Standing::Unchecked(Unchecked::ClockSkew)));
        let said = report(&credential).await;
        assert_eq!((said.looks_left_out, said.judgement.verdict), (1, Verdict::Unknown));
        let off = said.findings.iter().find(|found| found.id == CheckId::K405).unwrap();
        assert_eq!(off.severity, Severity::High);
        assert!(off.evidence[0].contains("100d off"), "{off}");
        // NTP.
        node.skew(0);
        sleep(Duration::from_secs(61)).await;
        assert_eq!(reason(&credential, &scope("api://second")).await, "");
        let said = report(&credential).await;
        assert_eq!(said.judgement.verdict, Verdict::Unknown);
        assert!(said.findings.iter().all(|found| found.id != CheckId::K405));
        live(&world, 3, &credential).await;
        assert_eq!(reason(&credential, &scope("api://third")).await, "");
        let said = report(&credential).await;
        assert_eq!((said.looks_left_out, said.judgement.verdict), (1, Verdict::Unknown));
        assert!(said.judgement.keys[0].age.at_least < DAY * 4, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_runs_away_makes_no_key_old_and_silences_nothing() {
    let world = World::new().with("CAMBIST_KEY_AGE", "enforce");
    let credential = world.credential();
    live(&world, 2, &credential).await;
    world.sim.clock_of(Machine::Pod).skew(100 * 86_400);
    // The alarm is raised by what this clock says, and nobody is stopped by it.
    assert_eq!(reason(&credential, &scope("api://held")).await, "");
    assert_eq!(report(&credential).await.judgement.verdict, Verdict::Overdue);
    // Nor does a server's wrong date hide that a key is old.
    world.sim.clock_of(Machine::Pod).skew(0);
    live(&world, 100, &credential).await;
    world.sim.clock_of(Machine::Issuer).skew(-60 * 86_400);
    world.sim.clock().advance(Duration::from_secs(3700));
    credential.issuer_keys().unwrap().tend();
    sleep(Duration::from_secs(31)).await;
    let said = report(&credential).await;
    assert_eq!((said.judgement.verdict, said.looks_left_out), (Verdict::Overdue, 1));
}

#[tokio::test(start_paused = true)]
async fn keys_from_a_file_are_dated_once_any_server_was_heard() {
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    std::fs::write(&path, world.sim.issuer().jwks().to_string()).unwrap();
    let sources = vec![crate::issuer_keys::KeyOrigin::File(path)];
    let credential = world
        .config()
        .trust
        .open_over(world.transport(), sources, world.context())
        .credential(&world.config().identity);
    credential.token(&scope("api://first")).await.unwrap();
    assert_eq!(report(&credential).await.looks_left_out, 1);
    assert_eq!(report(&credential).await.judgement.keys.len(), 1);
    sleep(Duration::from_secs(100)).await;
    credential.token(&scope("api://second")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let said = report(&credential).await;
    assert_eq!(said.looks_left_out, 1);
    assert!(said.judgement.keys[0].trusted_by.is_some(), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_configured_issuer_the_tokens_own_tells_the_platform() {
    let settings = || World::new().config().trust.key_age;
    let aks = "https://eastus.oic.prod-aks.azure.com/tenant/cluster/";
    assert_eq!(settings().platform_of(aks).as_str(), "aks");
    assert!(settings().policy_on(settings().platform_of(aks)).limits.is_none());
    assert_eq!(settings().platform_of("https://own.example/").as_str(), "other");
    // Somebody's word goes before the issuer's looks.
    let named = World::new().with("CAMBIST_PLATFORM", "aks-edge").config().trust.key_age;
    assert!(named.policy_on(named.platform_of(aks)).limits.is_some());
    let set = World::new().with("CAMBIST_ROTATE_AFTER", "336h").config().trust.key_age;
    assert!(set.policy_on(set.platform_of(aks)).limits.is_some());
}

/// Puts a FIFO in a file's place: opening it would wait for a writer for ever.
#[cfg(unix)]
fn make_fifo(path: &str) {
    let _ = std::fs::remove_file(path);
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_history_that_is_a_fifo_holds_nothing_up_and_is_told_of() {
    let world = World::new();
    let issuer = world.sim.settings().issuer.clone();
    let (dir, path) = history(&world, &issuer, 60);
    let world = world.with("CAMBIST_HISTORY", &path);
    let credential = world.credential();
    let vault = scope("https://vault.azure.net");
    credential.prefetch([vault.clone()]);
    let keeper = tokio::spawn({
        let credential = credential.clone();
        async move { credential.maintain().await }
    });
    let held = credential.token(&vault).await.unwrap();
    assert_eq!(report(&credential).await.history_problem, None);
    // While it runs; what was read before stays in use.
    make_fifo(&path);
    std::fs::remove_file(dir.path().join("history.json.bak")).unwrap();
    for _ in 0..120 {
        world.kubelet.project().unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let said = report(&credential).await;
    assert!(said.history_problem.as_ref().unwrap().ends_with("is a FIFO, not a regular file"));
    assert_eq!(said.judgement.verdict, Verdict::Due);
    let now = credential.token(&vault).await.unwrap();
    assert_ne!(now.secret().expose(), held.secret().expose(), "it is refreshed ahead of time");
    keeper.abort();
    // From the start.
    let credential = world.credential();
    credential.token(&vault).await.unwrap();
    assert!(report(&credential).await.history_problem.as_ref().unwrap().contains("is a FIFO"));
}

#[test]
fn a_history_longer_than_any_that_is_written_is_refused_for_that() {
    let world = World::new();
    let (_dir, path) = history(&world, &world.sim.settings().issuer.clone(), 60);
    let mut long = std::fs::read(&path).unwrap();
    long.resize(900_000, b' ');
    for file in [path.clone(), format!("{path}.bak")] {
        std::fs::write(file, &long).unwrap();
    }
    let error = HistoryFile::new(&path).read().unwrap_err().to_string();
    assert!(error.contains("900000") && error.contains("65536"), "{error}");
}

#[tokio::test]
async fn however_many_look_after_a_history_one_reads_it() {
    #[derive(Debug, Default)]
    struct Ailing(Mutex<u32>);
    impl crate::Observer for Ailing {
        fn event(&self, event: &Event<'_>) {
            *self.0.lock().unwrap() += u32::from(matches!(event, Event::HistoryAiling(_)));
        }
    }
    let told = Arc::new(Ailing::default());
    let mut world = World::new();
    world.observer = told.clone();
    let missing = world.kubelet.token_file().with_file_name("history.json");
    let world = world.with("CAMBIST_HISTORY", &missing.display().to_string());
    let credential = world.credential();
    let key_age = credential.issuer_keys().unwrap().key_age().unwrap();
    // It was read while the credential was made, and is due again.
    key_age.0.last_read.store(None);
    let before = *told.0.lock().unwrap();
    futures_util::future::join_all((0..100).map(|_| key_age.refresh_history())).await;
    assert_eq!(*told.0.lock().unwrap() - before, 1);
}

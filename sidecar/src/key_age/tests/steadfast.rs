//! Enforcement: what it stops, and what it must not.

use std::time::Duration;

use cambist_sim::clock::Machine;
use cambist_sim::fault::{Fault, Target};
use serde_json::Value;

use super::schedules::{Days, said};
use crate::testing::{Lines, SECRET, VAULT, World, history, request};

const ENFORCE: (&str, &str) = ("CAMBIST_KEY_AGE", "enforce");

fn msi(resource: &str) -> (String, String) {
    let target = format!("/msi/token?api-version=2019-08-01&resource={resource}");
    (target, format!("X-IDENTITY-HEADER: {SECRET}\r\n"))
}

#[tokio::test]
async fn over_http_an_overdue_key_is_refused_with_evidence_and_fix_while_a_held_token_lives_out() {
    let (lines, _guard) = Lines::listen("info");
    let world = World::new();
    let (_dir, path) = history(&world, 93);
    let history = ("CAMBIST_HISTORY", path.as_str());
    let running = world.start(&[ENFORCE, history]).await;
    let (at, admin) = (running.addresses()[0], running.admin_address().unwrap());
    let ask = async |resource: &str| {
        let (target, secret) = msi(resource);
        request(at, &target, &secret).await
    };
    let held = ask(VAULT).await;
    assert!(held.0.starts_with("HTTP/1.1 200 "), "{held:?}");
    // 90 days, 3 of grace, and 5 minutes that the clocks may differ by.
    world.sim.clock().advance(Duration::from_secs(600));
    let before = world.asked().0;
    let (head, body) = ask("api://new").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert!(head.contains("x-cambist-reason: key_overdue"), "{head}");
    assert!(!head.contains("retry-after"), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["error"], &body["statusCode"]), (&"access_denied".into(), &403.into()));
    let message = body["message"].as_str().unwrap();
    for part in ["key_overdue: ", "at least 93d", "E1 (attested)", "CAMBIST_KEY_AGE_EXEMPT="] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert!(!message.contains("unreachable"));
    assert_eq!(world.asked().0, before, "nothing is sent");
    let same = |(_, body): (String, String)| {
        serde_json::from_str::<Value>(&body).unwrap()["access_token"].take()
    };
    assert_eq!(same(ask(VAULT).await), same(held), "what is held lives out");
    for (path, status) in [("/ready", "200"), ("/live", "200")] {
        let (head, _) = request(admin, path, "").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
    }
    let metrics = request(admin, "/metrics", "").await.1;
    // Once for the new one, and once if the held one was due by then, since its key vouches no more.
    let counted = "cambist_key_objections_total{reason=\"key_overdue\",mode=\"enforce\"} ";
    let counted = metrics.lines().find_map(|line| line.strip_prefix(counted)).unwrap();
    assert!(["1", "2"].contains(&counted), "{metrics}");

    let events = lines.events();
    let refused = said(&events, "not issued");
    let refused = refused.last().unwrap();
    assert_eq!(refused["reason"], "key_overdue");
    for (field, part) in
        [("evidence", "at least 93d"), ("remedy", "API server"), ("error", "EXEMPT=")]
    {
        assert!(refused[field].as_str().unwrap().contains(part), "{field}: {refused}");
    }
    let policy = said(&events, "key-age policy");
    assert_eq!((policy.len(), &policy[0]["mode"]), (1, &"enforce".into()));
    assert!(policy[0]["history"].as_str().unwrap().contains("attested"), "{policy:?}");

    // The exemption lifts it for this key, and says until when.
    let key = world.sim.issuer().signer().kid().to_owned();
    let exempt = format!("{key}@2030-01-01");
    world.project();
    let running = world.start(&[ENFORCE, history, ("CAMBIST_KEY_AGE_EXEMPT", &exempt)]).await;
    let (target, secret) = msi("api://new");
    let (head, _) = request(running.addresses()[0], &target, &secret).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let status = request(running.admin_address().unwrap(), "/status.json", "").await.1;
    let status: Value = serde_json::from_str(&status).unwrap();
    let exempt = &status["key_age"]["exempt"][0];
    assert_eq!((&exempt["key"], &exempt["ends"]), (&key.into(), &"2030-01-02T00:00:00Z".into()));
    assert_eq!(status["key_age"]["verdict"], "OVERDUE", "it is told all the same");
    assert_eq!(said(&lines.events(), "a key is exempt").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resurrected_key_alarms_and_signs() {
    let (lines, _guard) = Lines::listen("info");
    let mut days = Days::new(World::new(), &[ENFORCE]);
    days.token().await;
    let old = days.world.sim.issuer().signer();
    days.world.sim.issuer().rotate(false).unwrap();
    days.days(3).await;
    days.world.sim.issuer().publish(&old);
    days.world.sim.issuer().sign_with(&old);
    days.days(2).await;
    assert_eq!(days.day().await.0, 200);
    assert_eq!(days.verdict().await, "SUSPECT");
    let series = "cambist_issuer_check{id=\"K112\",severity=\"high\"}";
    assert_eq!(days.metric(series).await, Some(1));
    let events = lines.events();
    let suspect = said(&events, "the issuer's keys are suspect");
    assert_eq!((suspect.len(), &suspect[0]["check"]), (1, &"K112".into()), "{suspect:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unplanned_rotation_is_told_and_signs() {
    let mut days = Days::new(World::new(), &[ENFORCE]);
    days.token().await;
    for pause in [9, 9, 9, 9, 2] {
        days.days(pause).await;
        days.world.sim.issuer().rotate(true).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(days.day().await.0, 200);
    }
    let findings = days.key_age().await["findings"].take();
    let found = findings.as_array().unwrap().iter().find(|f| f["id"] == "K113");
    assert_eq!(found.unwrap()["severity"], "info", "{findings}");
    assert_ne!(days.verdict().await, "SUSPECT");
}

#[tokio::test(start_paused = true)]
async fn an_old_verifier_still_published_alarms_and_stops_nobody() {
    let mut days = Days::new(World::new(), &[ENFORCE]);
    days.token().await;
    for _ in 0..3 {
        days.days(40).await;
        days.world.sim.issuer().rotate(true).unwrap();
    }
    assert_eq!(days.day().await.0, 200);
    assert_eq!(days.verdict().await, "OVERDUE");
    let findings = days.key_age().await["findings"].take();
    assert!(findings.as_array().unwrap().iter().any(|f| f["id"] == "K002"), "{findings}");
}

#[tokio::test(start_paused = true)]
async fn a_rolled_back_or_damaged_history_is_told_and_stops_nobody() {
    let (lines, _guard) = Lines::listen("info");
    let world = World::new();
    let (_old, earlier) = history(&world, 10);
    let (_new, path) = history(&world, 60);
    let earlier = std::fs::read(earlier).unwrap();
    let mut days = Days::new(world, &[ENFORCE, ("CAMBIST_HISTORY", &path)]);
    assert_eq!(days.token().await.0, 200);
    assert_eq!(days.verdict().await, "DUE");
    let whole = std::fs::read(&path).unwrap();
    let problem = "cambist_key_history_problem";
    assert_eq!(days.metric(problem).await, Some(0));
    for (content, problems, word) in
        [(&earlier[..], 1, "rolled back"), (b"{", 1, "damaged"), (&whole, 0, "")]
    {
        std::fs::write(&path, content).unwrap();
        days.world.sim.clock().advance(Duration::from_secs(301));
        days.read_history();
        assert_eq!(days.day().await.0, 200, "{word}");
        assert_eq!(days.verdict().await, "DUE", "what was read before is not forgotten: {word}");
        assert_eq!(days.metric(problem).await, Some(problems), "{word}");
        let told = days.key_age().await["history"]["problem"].take();
        assert!(told.as_str().unwrap_or_default().contains(word), "{told}");
    }
    let events = lines.events();
    assert_eq!(said(&events, "the key history is ailing").len(), 2);
    assert_eq!(said(&events, "the key history is well again").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_issuer_leaves_what_was_verified_before_in_use() {
    let mut days = Days::new(World::new(), &[ENFORCE]);
    assert_eq!(days.token().await.0, 200);
    days.world.sim.faults().inject(Target::Discovery, Fault::Reset);
    for _ in 0..60 {
        assert_eq!(days.day().await.0, 200);
    }
    assert_eq!(days.verdict().await, "DUE");

    // Without any keys, enforcement holds: that is what was asked for.
    let world = World::new();
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    let mut cold = Days::new(world, &[ENFORCE]);
    let (status, body) = cold.token().await;
    // Until they can be had: that is passing trouble.
    assert_eq!(status, 503, "{body}");
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("unchecked_held: "), "{body}");
    let held = "cambist_key_objections_total{reason=\"unchecked_held\",mode=\"enforce\"}";
    assert_eq!(cold.metric(held).await, Some(1));
    assert!(cold.key_age().await["verdict"].is_null());
}

#[tokio::test(start_paused = true)]
async fn what_enforcement_would_hold_is_counted_where_audited() {
    for (mode, counted) in [("audit", Some(1)), ("off", Some(0))] {
        let world = World::new();
        world.sim.faults().inject(Target::Discovery, Fault::Reset);
        let mut days = Days::new(world, &[("CAMBIST_KEY_AGE", mode)]);
        assert_eq!(days.token().await.0, 200);
        let held = "cambist_key_objections_total{reason=\"unchecked_held\",mode=\"audit\"}";
        assert_eq!(days.metric(held).await, counted, "{mode}");
        assert_eq!(days.key_age().await["mode"], mode);
    }
}

#[tokio::test(start_paused = true)]
async fn a_skewed_clock_makes_no_key_old() {
    let (pod, all) = ([Machine::Pod], Machine::ALL);
    for (wrong, served) in [(&pod[..], 200), (&all[..], 403)] {
        let mut days = Days::new(World::new(), &[ENFORCE]);
        assert_eq!(days.token().await.0, 200);
        let skew = 100 * 86_400;
        wrong.iter().for_each(|machine| days.world.sim.clock_of(*machine).skew(skew));
        // With the first fresh token the key set is read anew, too; by the second that is judged.
        days.day().await;
        let (status, body) = days.day().await;
        assert_eq!(status, served, "{body}");
    }
}

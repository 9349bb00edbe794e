//! Days pass: each verdict arrives in the metric, the log and the status.

use std::time::Duration;

use cambist::Credential;
use serde_json::Value;

use crate::admin::Admin;
use crate::endpoint::Endpoint;
use crate::testing::{Lines, World, ask, ask_admin, json, msi, text};

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A sidecar without sockets whose days are the simulator's.
pub(super) struct Days {
    pub(super) world: World,
    endpoint: Endpoint,
    admin: Admin,
    credential: Credential,
    asked: u32,
}

impl Days {
    pub(super) fn new(world: World, extra: &[(&str, &str)]) -> Self {
        let (endpoint, admin, credential) = world.endpoints(extra);
        Self { world, endpoint, admin, credential, asked: 0 }
    }

    /// A day, with a fresh projected token and an app in it. What the app got.
    pub(super) async fn day(&mut self) -> (u16, Value) {
        self.world.sim.clock().advance(DAY);
        self.world.project();
        // The upkeep of a running sidecar does this now and then.
        self.credential.see_signer().await;
        self.token().await
    }

    pub(super) async fn days(&mut self, days: u32) {
        for _ in 0..days {
            self.day().await;
        }
    }

    /// A token for a resource that nobody asked for before.
    pub(super) async fn token(&mut self) -> (u16, Value) {
        self.asked += 1;
        // Time for the key set to be read anew.
        tokio::time::sleep(Duration::from_secs(31)).await;
        let response = ask(&self.endpoint, msi(&format!("api://app-{}", self.asked))).await;
        tokio::time::sleep(Duration::from_secs(31)).await;
        (response.status().as_u16(), json(response).await)
    }

    /// The upkeep of a running sidecar does this now and then.
    pub(super) fn read_history(&self) {
        self.credential.issuer_keys().unwrap().key_age().unwrap().read_history();
    }

    pub(super) async fn metrics(&self) -> String {
        text(ask_admin(&self.admin, "/metrics")).await
    }

    /// Of what is said of an issuer, the series of this one.
    pub(super) async fn metric(&self, series: &str) -> Option<i64> {
        let metrics = self.metrics().await;
        let issuer = &self.world.sim.settings().issuer;
        let series = match series.split_once('{') {
            _ if !series.starts_with("cambist_issuer_") => series.to_owned(),
            Some((name, labels)) => format!("{name}{{issuer=\"{issuer}\",{labels}"),
            None => format!("{series}{{issuer=\"{issuer}\"}}"),
        };
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }

    pub(super) async fn key_age(&self) -> Value {
        json(ask_admin(&self.admin, "/status.json")).await["key_age"].take()
    }

    /// The verdict, which everybody must tell alike.
    pub(super) async fn verdict(&self) -> String {
        let status = self.key_age().await;
        let verdict = status["verdict"].as_str().unwrap().to_owned();
        let metrics = self.metrics().await;
        let hot = format!("cambist_issuer_status{{status=\"{verdict}\"}}");
        assert_eq!(self.metric(&hot).await, Some(1), "{hot} is not in {metrics}");
        let one_hot = metrics.lines().filter(|l| l.starts_with("cambist_issuer_status{"));
        assert_eq!(one_hot.filter(|line| line.ends_with(" 1")).count(), 1, "{metrics}");
        let ready = ask_admin(&self.admin, "/ready");
        assert_eq!(ready.status(), 200);
        assert_eq!(json(ready).await["key_age"]["verdict"], *verdict);
        verdict
    }
}

pub(super) fn said<'a>(events: &'a [Value], message: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["message"] == message).collect()
}

const CHANGED: &str = "the verdict on the issuer's keys changed";
const OTHERWISE: &str = "an issuer's key is judged otherwise";
const WOULD_REFUSE: &str = "key_objection";

#[tokio::test(start_paused = true)]
async fn a_forgotten_key_becomes_due_and_overdue_and_audit_serves_it_and_says_so() {
    let (lines, _guard) = Lines::listen("info");
    let mut days = Days::new(World::new(), &[]);
    assert_eq!(days.token().await.0, 200);
    assert_eq!(days.verdict().await, "UNKNOWN");
    let status = days.key_age().await;
    assert!(status["decides_at"].as_str().unwrap() < "2027-01-11", "{status}");
    let decides_at = days.metric("cambist_issuer_decides_at_timestamp_seconds").await.unwrap();

    days.days(47).await;
    assert_eq!(days.verdict().await, "UNKNOWN");
    days.days(2).await;
    assert_eq!(days.verdict().await, "DUE");
    assert!(
        decides_at
            < days.metric("cambist_issuer_last_observation_timestamp_seconds").await.unwrap()
    );
    let due = days.key_age().await;
    let key = &due["keys"][0];
    assert_eq!((&key["role"], &key["verdict"]), (&"signer".into(), &"DUE".into()), "{due}");
    assert_eq!(key["trusted_by"], "2026-11-23T04:14:16Z");
    // The token was signed half a minute earlier, so the key existed by then.
    assert_eq!(key["rotate_by"], "2027-01-07T04:13:45Z");
    assert!(
        key["evidence"][0].as_str().unwrap().starts_with("E3 (proven): signed a token"),
        "{key}"
    );
    assert!(key["objection"].is_null(), "DUE objects to nothing: {key}");
    assert_eq!(due["findings"][0]["id"], "K001");
    assert!(due["findings"][0]["remedy"].as_str().unwrap().len() > 20, "{due}");
    assert_eq!(days.metric("cambist_issuer_check{id=\"K001\",severity=\"high\"}").await, Some(1));

    days.days(43).await;
    assert!(said(&lines.events(), WOULD_REFUSE).is_empty());
    assert_eq!(days.verdict().await, "DUE");
    days.days(2).await;
    assert_eq!(days.verdict().await, "OVERDUE");
    assert_eq!(days.day().await.0, 200, "audit serves");
    let objections = "cambist_key_objections_total{reason=\"key_overdue\",mode=\"audit\"}";
    assert!(days.metric(objections).await >= Some(1));
    assert_eq!(days.key_age().await["keys"][0]["objection"]["reason"], "key_overdue");

    let events = lines.events();
    let told: Vec<_> = said(&events, CHANGED).iter().map(|e| e["verdict"].clone()).collect();
    assert_eq!(told, ["UNKNOWN", "DUE", "OVERDUE"], "once each");
    let would = said(&events, WOULD_REFUSE);
    let would = would.last().unwrap();
    assert_eq!((&would["level"], &would["reason"]), (&"WARN".into(), &"key_overdue".into()));
    assert!(would["evidence"].as_str().unwrap().contains("at least 95d"), "{would}");
    assert!(would["remedy"].as_str().unwrap().contains("API server"), "{would}");
}

#[tokio::test(start_paused = true)]
async fn a_healthy_schedule_becomes_ok_and_stays_so() {
    let (lines, _guard) = Lines::listen("info");
    let mut days = Days::new(World::new(), &[]);
    days.token().await;
    let first = days.world.sim.issuer().signer().kid().to_owned();
    let mut verdicts = vec![days.verdict().await];
    for _ in 0..4 {
        days.days(45).await;
        let issuer = days.world.sim.issuer().clone();
        issuer.rotate(true).unwrap();
        issuer.retire(2);
        verdicts.push(days.verdict().await);
    }
    days.day().await;
    verdicts.dedup();
    assert_eq!(verdicts, ["UNKNOWN", "OK"]);

    let metrics = days.metrics().await;
    let by = metrics.lines().filter(|l| l.starts_with("cambist_issuer_key_expire_by_timestamp"));
    let by: Vec<_> = by.collect();
    assert_eq!(by.len(), 2, "{metrics}");
    for role in ["signer", "verifier"] {
        let labels = format!("role=\"{role}\"}}");
        assert_eq!(by.iter().filter(|line| line.contains(&labels)).count(), 1, "{metrics}");
        let ok = format!("role=\"{role}\",verdict=\"OK\"}} 1");
        assert_eq!(metrics.lines().filter(|line| line.ends_with(&ok)).count(), 1, "{metrics}");
        assert_eq!(days.metric(&format!("cambist_issuer_keys{{role=\"{role}\"}}")).await, Some(1));
    }
    let rotate_by = metrics.lines().filter(|l| l.starts_with("cambist_issuer_key_rotate_by"));
    assert_eq!(rotate_by.count(), 1, "who signs no more is not to be rotated: {metrics}");
    assert!(!metrics.contains(&first), "a key that is gone is gone from the metrics: {metrics}");

    let events = lines.events();
    assert!(said(&events, "an issuer's key is gone").iter().any(|e| e["key"] == *first));
    assert!(events.iter().all(|event| event["level"] == "INFO"), "nothing to warn of");
    // Four rotations, each of which makes a signer, a verifier, and once a verdict.
    assert!(said(&events, OTHERWISE).len() < 20, "{events:?}");
}

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cambist::config::IdentityKind;
use cambist::event::ServedHow;
use cambist_core::scope::Scope;
use cambist_sim::fault::{Fault, Target};
use http::Request;
use serde_json::Value;

use super::*;
use crate::event::{Granted, Reloaded, TokenRequest, WouldDeny};
use crate::request::Protocol;
use crate::testing::{
    LOOPBACK, Lines, Records, SECRET, VAULT, World, ask, ask_admin, asking, history, json, msi,
};

fn imds(resource: &str) -> http::request::Builder {
    let target =
        format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}");
    Request::get(target).header("Host", "127.0.0.1:8421").header("Metadata", "true")
}

/// The fields of each kind of record.
fn fields_of(records: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for record in records {
        let names = record.as_object().unwrap().keys().cloned();
        let kind = record["kind"].as_str().unwrap().to_owned();
        found.entry(kind).or_default().extend(names);
    }
    found
}

/// Everything that there is a record of, but for what takes files on real paths to change.
async fn everything(records: &Records, world: &World, settings: &[(&str, &str)]) -> String {
    let config = world.config(settings);
    let trust = world.trust(&config, world.context());
    let identity = &config.policied.identities.identities[0];
    let credential = trust.credential(identity);
    let access = || {
        let identity = cambist_core::policy::Identity::new("identity", credential.client_id());
        crate::testing::of_one(&Protocol::ALL, Some(SECRET), identity)
    };
    let endpoint = world.endpoint_by(access(), &credential, world.telemetry.clone());
    let admin = world.admin(&credential, world.telemetry.clone());
    // So that the keys are known and judged before anybody asks.
    let _ = credential.token(&Scope::parse("api://first/.default").unwrap()).await;
    credential.issuer_keys().unwrap().key_age().unwrap().judged().await.unwrap();
    let mut secrets = String::new();
    for _ in 0..3 {
        secrets = json(ask(&endpoint, msi(VAULT)).await).await["access_token"].to_string();
        ask(&endpoint, imds(VAULT)).await;
        ask(&endpoint, msi(VAULT).header("Origin", "null")).await;
        ask(&endpoint, asking("/msi/token?api-version=2019-08-01&client_id=other&resource=x"))
            .await;
        ask(&endpoint, Request::get("/")).await;
        let foreign = Request::get("/live").header("Host", "evil.example").body(()).unwrap();
        admin.answer(LOOPBACK, &foreign);
    }
    let fault = Fault::Aadsts { code: 700_016, status: None, retry_after: Some("7".to_owned()) };
    world.sim.faults().inject(Target::Entra, fault);
    for _ in 0..2 {
        ask(&endpoint, msi(&format!("api://{}", "%e2%80%ae".repeat(200)))).await;
    }
    world.sim.faults().clear();
    let mut agent = identity.clone();
    agent.kind = IdentityKind::Agent { blueprint: "blue".to_owned() };
    let agents = world.endpoint_by(access(), &trust.credential(&agent), world.telemetry.clone());
    ask(&agents, msi("api://agents")).await;

    // Nobody publishes keys.
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    let config = world.config(&[]);
    let credential_too = world.credential(&config, world.context());
    let unchecked = world.endpoint_by(access(), &credential_too, world.telemetry.clone());
    ask(&unchecked, msi("api://unchecked")).await;
    world.sim.faults().clear();

    let (pair, principal) = (world.telemetry.pair("app", "main"), credential.principal());
    let (protocol, pair) = (Protocol::Native, &*pair);
    let request = TokenRequest { protocol, pair, principal, resource: VAULT };
    for event in [
        Event::WouldDeny(WouldDeny { request }),
        Event::WouldDeny(WouldDeny { request }),
        Event::Reloaded(Reloaded::Applied {
            identities: 1,
            callers: 1,
            token_files: &[],
            warnings: &[],
        }),
        Event::Reloaded(Reloaded::Refused { problem: "no good" }),
        Event::Reloaded(Reloaded::Unchanged),
    ] {
        world.telemetry.tell(&event);
    }
    let at = "127.0.0.1:8421".parse().unwrap();
    world.telemetry.begin(&config, &[at], Some(at));
    world.waiting.end();
    for _ in 0..2 {
        ask(&endpoint, msi("api://late")).await;
    }
    // One is lost, and then others can be written again.
    records.flush();
    records.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    ask(&endpoint, msi("api://lost")).await;
    records.flush();
    records.broken.store(false, std::sync::atomic::Ordering::SeqCst);
    world.telemetry.end(Some(0));
    secrets.trim_matches('"').to_owned()
}

#[tokio::test(start_paused = true)]
async fn lost_lines_are_told_by_the_log_once_a_minute_and_by_the_status() {
    let (lines, _guard) = Lines::listen("warn");
    let (world, records) = World::audited(&[]);
    let (endpoint, credential) = world.endpoint();
    let admin = world.admin(&credential, world.telemetry.clone());
    let telemetry = world.telemetry.clone();
    let summing = tokio::spawn(async move { telemetry.sum_up().await });
    let told = || {
        let events = lines.events().into_iter();
        let of_trail = |it: &serde_json::Value| {
            it["message"].as_str().is_some_and(|it| it.starts_with("lines of the audit trail"))
        };
        events.filter(of_trail).map(|it| it["lines"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    ask(&endpoint, msi(VAULT)).await;
    records.flush();
    records.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    for resource in ["api://one", "api://two"] {
        ask(&endpoint, msi(resource)).await;
    }
    records.flush();
    let minute = Duration::from_secs(61);
    tokio::time::sleep(minute).await;
    assert_eq!(told(), [2]);
    records.broken.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(3 * minute).await;
    assert_eq!(told(), [2], "no others were lost");
    let status = json(ask_admin(&admin, "/status.json")).await;
    assert_eq!(status["audit_lines_dropped"], 2);
    let page = crate::testing::text(ask_admin(&admin, "/status")).await;
    assert!(
        page.contains("Lines of the audit trail were lost") && page.contains("2 since the start"),
        "{page}"
    );
    summing.abort();
}

#[tokio::test(start_paused = true)]
async fn each_kind_has_the_fields_that_the_table_says_and_no_secret() {
    let mut all = Vec::new();
    for mode in ["audit", "enforce"] {
        let (world, records) = World::audited(&[("CAMBIST_KEY_AGE", mode)]);
        let (_dir, path) = history(&world, 95);
        let settings = [("CAMBIST_KEY_AGE", mode), ("CAMBIST_HISTORY", &*path)];
        let token = everything(&records, &world, &settings).await;
        let mine = records.all();
        let text: String = mine.iter().map(|it| format!("{it}\n")).collect();
        for secret in [SECRET, &token, &world.assertion()] {
            assert!(secret == "null" || !text.contains(secret), "{text}");
        }
        assert!(text.is_ascii() || text.contains('…'), "{text}");
        all.extend(mine);
    }
    let found = fields_of(&all);
    for kind in Kind::ALL {
        let mut expected: BTreeSet<_> = table::fields(kind).split(' ').map(str::to_owned).collect();
        expected.extend(["schema", "time", "kind"].map(str::to_owned));
        if kind == Kind::Reloaded {
            // Where a real CA file changes, see tests/integration/identities/reloads.rs.
            expected.retain(|name| name != "setting" && name != "path");
        }
        let found = found.get(kind.as_str()).cloned().unwrap_or_default();
        let lacks: Vec<_> = expected.difference(&found).collect();
        let more: Vec<_> = found.difference(&expected).collect();
        assert!(lacks.is_empty() && more.is_empty(), "{kind:?} lacks {lacks:?}, has {more:?}");
    }
}

/// How many there were, by who asked and how it ended, as lines and sums together say.
fn counts(records: &[Value]) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for record in records.iter().filter(|it| it["count"].is_u64() && it["outcome"].is_string()) {
        let word = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        *counts.entry((word("caller"), word("outcome"))).or_default() +=
            record["count"].as_u64().unwrap();
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn lines_and_sums_add_up_to_what_happened() {
    const MINUTES: u64 = 85;
    let (world, records) = World::audited(&[]);
    let (endpoint, _) = world.endpoint();
    let summing = {
        let telemetry = world.telemetry.clone();
        tokio::spawn(async move { telemetry.sum_up().await })
    };
    let fault = Fault::Aadsts { code: 700_016, status: None, retry_after: None };
    for minute in 0..MINUTES {
        world.project();
        for _ in 0..60 {
            assert_eq!(ask(&endpoint, msi(VAULT)).await.status(), 200);
        }
        for _ in 0..30 {
            assert_eq!(ask(&endpoint, imds(VAULT)).await.status(), 200);
        }
        for _ in 0..12 {
            ask(&endpoint, msi(VAULT).header("Origin", "null")).await;
        }
        if minute == 40 {
            world.sim.faults().inject(Target::Entra, fault.clone());
            for _ in 0..70 {
                ask(&endpoint, msi("api://none")).await;
            }
            world.sim.faults().clear();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    summing.abort();
    // Nor is anything lost between the last sum and the end.
    (0..7).for_each(|_| {
        drop(endpoint.answer(&crate::testing::link(), &msi(VAULT).body(()).unwrap()))
    });
    world.telemetry.end(Some(0));
    let all = records.all();
    let expected = [
        ("", "refused", 12 * MINUTES),
        ("anonymous", "granted", 30 * MINUTES),
        ("app", "failed", 70),
        ("app", "granted", 60 * MINUTES + 7),
    ];
    let expected =
        expected.map(|(caller, outcome, n)| ((caller.to_owned(), outcome.to_owned()), n));
    assert_eq!(counts(&all), BTreeMap::from(expected));
    // Both callers' first use of each exchange's token, and a line a minute of each sort.
    let of = |kind: &str| all.iter().filter(|it| it["kind"] == kind).count() as u64;
    assert_eq!(of("granted"), 2 * world.asked().0 - 2, "{:?}", world.asked());
    assert!((MINUTES..=4 * MINUTES).contains(&of("repeated")), "{}", of("repeated"));
    assert!(world.asked().0 > 2, "tokens came and went");
    assert_eq!(all.last().unwrap()["kind"], "ended");
}

#[tokio::test(start_paused = true)]
async fn a_million_hits_are_one_line_and_one_sum() {
    const HITS: u64 = 1_000_000;
    let (world, records) = World::audited(&[]);
    let (_, credential) = world.endpoint();
    let token = credential.token(&Scope::parse("api://a/.default").unwrap()).await.unwrap();
    let pair = world.telemetry.pair("app", "main");
    let (protocol, principal) = (Protocol::Native, credential.principal());
    let request = TokenRequest { protocol, pair: &pair, principal, resource: "api://a" };
    let (how, waited) = (ServedHow::Hit, Duration::ZERO);
    let granted = Granted { request, token: &token, how, waited };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..HITS / 2).for_each(|_| world.telemetry.tell(&Event::Granted(granted)));
            });
        }
    });
    world.telemetry.end(None);
    let all = records.all();
    let told: Vec<_> = all.iter().map(|it| (it["kind"].as_str().unwrap(), &it["count"])).collect();
    let rest = Value::from(HITS - 1);
    assert_eq!(told, [("granted", &1.into()), ("repeated", &rest), ("ended", &Value::Null)]);
    let id = token.receipt().request_id().to_string();
    assert!(all[..2].iter().all(|it| it["client_request_id"] == id), "{all:#?}");
}

#[test]
fn a_terminal_gets_a_readable_line() {
    use crate::log::Look;
    let mut record = Record::new(Kind::Refused, Time(1_795_407_225_007));
    record.outcome = Some(Outcome::Refused);
    record.status = Some(403);
    record.detail = text("a page \u{1b}[31m sent it");
    let line = |colours| String::from_utf8(trail::line(&record, Look::Text { colours })).unwrap();
    assert_eq!(
        line(false),
        "04:13:45.007Z AUDIT refused outcome=refused status=403 detail=\"a page \\u{1b}[31m sent it\"\n"
    );
    assert!(line(true).contains("\x1b[33mAUDIT\x1b[0m refused"), "{:?}", line(true));
}

#[test]
fn the_page_has_the_tables() {
    let page = include_str!("../../../../docs/audit.md");
    assert!(page.contains(&table()), "docs/audit.md needs this:\n{}", table());
    // The lines that it shows could be of today.
    let shown = page.split("```json\n").skip(1).map(|it| it.split("```").next().unwrap());
    let shown: Vec<Value> = shown.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(shown.len() >= 3, "{shown:#?}");
    for record in shown {
        let kind = Kind::ALL.into_iter().find(|kind| record["kind"] == kind.as_str()).unwrap();
        let known = ["schema", "time", "kind"].into_iter().chain(table::fields(kind).split(' '));
        let known: BTreeSet<_> = known.collect();
        for name in record.as_object().unwrap().keys() {
            assert!(known.contains(&**name), "{kind:?} has no {name}");
        }
    }
}

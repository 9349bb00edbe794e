//! What the log's lines are called and which fields they have is an interface: people search for them.

use std::collections::BTreeSet;
use std::time::Duration;

use cambist::files::Look;
use cambist_core::scope::Scope;
use cambist_sim::fault::{Fault, Target};
use http::Request;

use crate::event::{Event, Reloaded, TokenRequest, WouldDeny};
use crate::request::Protocol;
use crate::testing::{LOOPBACK, Lines, VAULT, World, ask, ask_admin, msi};

/// Each kind of line once: its level and target, its message, the fields that are there.
fn shape(lines: &Lines) -> BTreeSet<String> {
    let line = |event: serde_json::Value| {
        let event = event.as_object().unwrap().clone();
        let word = |name: &str| event[name].as_str().unwrap().to_owned();
        let fields = event.keys().map(String::as_str);
        let own = |name: &&str| !matches!(*name, "level" | "target" | "message" | "timestamp");
        let fields: Vec<_> = fields.filter(own).collect();
        let (level, target, message) = (word("level"), word("target"), word("message"));
        format!("{level} {target} {message}: {}", fields.join(" "))
    };
    // When keys are judged is another thread's business; what is said then is tested with it.
    let judged = |line: &String| line.contains("issuer's key");
    lines.events().into_iter().map(line).filter(|line| !judged(line)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_line_keeps_its_message_and_its_fields() {
    let (lines, guard) = Lines::listen("debug");
    let world = World::new();
    let (endpoint, credential) = world.endpoint();
    let admin = world.admin(&credential, world.telemetry.clone());
    let summing = {
        let telemetry = world.telemetry.clone();
        tokio::spawn(async move { telemetry.sum_up().await })
    };
    for _ in 0..2 {
        ask(&endpoint, msi(VAULT)).await;
        ask(&endpoint, msi(VAULT).header("Origin", "null")).await;
        ask(&endpoint, Request::get("/")).await;
        let foreign = Request::get("/live").header("Host", "evil.example").body(()).unwrap();
        admin.answer(LOOPBACK, &foreign);
    }
    ask_admin(&admin, "/metrics");
    world.sim.faults().inject_next(1, Target::Entra, Fault::Reset);
    ask(&endpoint, msi("api://reset")).await;
    let fault = Fault::Aadsts { code: 700_016, status: None, retry_after: None };
    world.sim.faults().inject(Target::Entra, fault);
    for _ in 0..2 {
        ask(&endpoint, msi("api://refused")).await;
    }
    tokio::time::sleep(Duration::from_secs(130)).await;
    world.waiting.end();
    ask(&endpoint, msi("api://late")).await;
    summing.abort();

    let config = world.config(&[]);
    let trust = world.trust(&config, world.context());
    let _held = trust.credential(&config.policied.identities.identities[0]);
    let look = async || while trust.look_at_files().await == Look::Settling {};
    look().await;
    world.write_assertion(b"no token");
    look().await;
    world.project();
    look().await;

    // Nobody publishes keys.
    world.sim.faults().clear();
    world.sim.faults().inject(Target::Discovery, Fault::Reset);
    let (_, _, credential) = world.endpoints(&[]);
    credential.token(&Scope::parse("api://unchecked/.default").unwrap()).await.unwrap();
    let enforce = [("CAMBIST_KEY_AGE", "enforce")];
    let (_, _, credential) = world.endpoints(&enforce);
    credential.token(&Scope::parse("api://held/.default").unwrap()).await.unwrap_err();

    let warnings = [String::from("the caller idle may have nothing")];
    let principal = credential.principal();
    let pair = world.telemetry.pair("app", "main");
    let (protocol, pair) = (Protocol::Native, &*pair);
    let request = TokenRequest { protocol, pair, principal, resource: VAULT };
    let would_deny = WouldDeny { request };
    for event in [
        Event::WouldDeny(would_deny),
        Event::Reloaded(Reloaded::Applied {
            identities: 1,
            callers: 1,
            token_files: &[],
            warnings: &warnings,
        }),
        Event::Reloaded(Reloaded::Refused { problem: "no good" }),
        Event::Reloaded(Reloaded::Unchanged),
    ] {
        world.telemetry.tell(&event);
    }

    drop(guard);
    let found = shape(&lines);
    let expected: BTreeSet<_> = include_str!("lines.txt").lines().map(str::to_owned).collect();
    let all = found.iter().cloned().collect::<Vec<_>>().join("\n");
    let new: Vec<_> = found.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(&found).collect();
    assert!(new.is_empty() && gone.is_empty(), "new: {new:#?}\ngone: {gone:#?}\nall:\n{all}");
}

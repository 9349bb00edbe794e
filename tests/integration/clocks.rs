//! Machines whose clocks are wrong, and are set right.
//!
//! No test can set a process' own clock, so the sidecar runs in this one here, on real sockets; the
//! command is told the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cambist_core::clock::Clock as _;
use cambist_sidecar::settings::Settings;
use cambist_sidecar::{Config, Running, Surroundings};
use cambist_sim::clock::{Machine, SimClock};
use kit::program::Program;
use kit::sidecar::VAULT;
use kit::{Ended, Reply, Request, World, eventually};
use serde_json::Value;

const DAY: i64 = 86_400;

/// A node whose clock a test may set, and the sidecar on it.
struct Node {
    world: World,
    clock: SimClock,
    running: Running,
}

impl Node {
    /// Its clock is wrong by so much when the sidecar starts.
    async fn wrong_by(seconds: i64) -> Self {
        let world = World::start().await;
        let clock = world.running().sim().clock_of(Machine::Pod).clone();
        clock.skew(seconds);
        let mut env: BTreeMap<_, _> = world.env().clone();
        env.remove("SIM_ADMIN");
        for (name, value) in [
            ("CAMBIST_LISTEN", "0"),
            ("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0"),
            ("CAMBIST_KEY_AGE", "enforce"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        let config = Config::read(&Settings::of_env(&env)).unwrap();
        let around = Surroundings::new(Arc::new(clock.clone()));
        let running = cambist_sidecar::start(&config, around).await.unwrap();
        Self { world, clock, running }
    }

    async fn token(&self, resource: &str) -> Reply {
        let at = self.running.addresses()[0];
        let target = format!("/msi/token?api-version=2019-08-01&resource={resource}");
        let request = Request::get(target)
            .header("Host", at.to_string())
            .header("X-IDENTITY-HEADER", self.world.env()["IDENTITY_HEADER"].as_str());
        kit::http::send(at, &request.bytes()).await.expect("it answers")
    }

    async fn key_age(&self) -> Value {
        let at = self.running.admin_address().unwrap();
        let request = Request::get("/status.json").header("Host", at.to_string());
        let reply = kit::http::send(at, &request.bytes()).await.expect("it answers");
        reply.json()["key_age"].clone()
    }

    /// Days go by for everybody, and kubelet does its work.
    fn wait(&self, days: u64) {
        self.clock.advance(Duration::from_secs(days * 86_400));
        self.world.running().kubelet().project().unwrap();
    }
}

#[tokio::test]
async fn a_node_whose_clock_is_set_right_gets_its_tokens_and_keeps_no_wrong_memory() {
    for days in [-100, 100, -3] {
        let node = Node::wrong_by(days * DAY).await;
        let reply = node.token(VAULT).await;
        // The issuer's answer tells the time, too. Who does not go by that has the app wait.
        let waits = reply.status == 503 && reply.retry_after().is_some_and(|wait| wait <= 5);
        assert!(reply.status == 200 || waits, "{days} days: {reply:?}");

        node.clock.skew(0);
        let started = tokio::time::Instant::now();
        eventually("a token by the right clock", async || {
            (node.token("api://right").await.status == 200).then_some(())
        })
        .await;
        // Five seconds at most until the next look, and some for a busy machine.
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{days} days: {:?}",
            started.elapsed()
        );

        for later in [0, 3, 30] {
            node.wait(later);
            let reply = node.token(&format!("api://after-{later}")).await;
            assert_eq!(reply.status, 200, "{days} days, {later} days later: {reply:?}");
            let key_age = node.key_age().await;
            assert_ne!(key_age["verdict"], "OVERDUE", "{days} days, {later} days later: {key_age}");
            let oldest = key_age["keys"][0]["at_least_seconds"].as_i64().unwrap();
            assert!(oldest <= (3 + 30 + 1) * DAY, "{days} days, {later} days later: {key_age}");
        }
        node.running.drain().await;
    }
}

/// The command with a history, by a clock that is wrong by so much.
async fn command(world: &World, what: &str, wrong_by: i64, more: &[&str]) -> Ended {
    let now = world.running().sim().clock_of(Machine::Issuer).wall().as_secs() + wrong_by;
    let now = cambist_core::clock::UnixTime::from_secs(now).to_string();
    let env = world.env();
    let history = format!("file:{}", world.dir().join("history.json").display());
    Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
        .args(&["issuer", what, "--issuer", &env["CAMBIST_ISSUER"]])
        .args(&["--ca-file", &env["CAMBIST_CA_FILE"], "--history", &history, "--now", &now])
        .args(more)
        .run()
        .await
}

#[tokio::test]
async fn the_command_records_nothing_that_a_wrong_clock_took() {
    for days in [-100, 100] {
        let world = World::start().await;
        let wrong = command(&world, "observe", days * DAY, &[]).await;
        assert_eq!(wrong.code(), Some(3), "{days} days: {wrong:?}");
        assert!(wrong.output().contains("clock"), "{days} days: {wrong:?}");
        let right = command(&world, "observe", 0, &[]).await;
        assert_eq!(right.code(), Some(0), "{days} days: {right:?}");

        let report = command(&world, "check", 0, &["-o", "json"]).await;
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        let text = report.to_string();
        assert!(!text.contains("OVERDUE") && !text.contains("SUSPECT"), "{days} days: {report:#}");
    }
}

use std::path::Path;

use cambist_core::clock::Clock;
use cambist_sim::clock::Machine;
use tempfile::TempDir;

use super::*;
use crate::endpoint::{Answer, Endpoint};
use crate::listener::Waiting;
use crate::testing::{SECRET, VAULT, World, ask, asking, json, link};

const NEW_SECRET: &str = "another-secret-of-some-length";

/// A sidecar's parts over a file that the test changes.
struct Stage {
    world: World,
    dir: TempDir,
    reload: Reload,
    endpoint: Endpoint,
}

impl Stage {
    fn new() -> Self {
        let (world, dir) = (World::new(), TempDir::new().unwrap());
        let file = dir.path().join("identities.yaml");
        std::fs::write(dir.path().join("secret"), SECRET).unwrap();
        std::fs::write(dir.path().join("old"), "the-older-secret-of-some-length").unwrap();
        write(&world, dir.path(), "['*']", "");
        let config = world.config(&[("CAMBIST_CONFIG", file.to_str().unwrap())]);
        let trust = world.trust(&config, world.context());
        let (source, policied) = (config.policy.clone(), config.policied.clone());
        let (reload, current) = Reload::first(source, policied, 8421, Kept::new(trust.into()));
        let clock: std::sync::Arc<dyn Clock> =
            std::sync::Arc::new(world.sim.clock_of(Machine::Pod).clone());
        let endpoint = Endpoint::new(current, Waiting::new(4), clock, world.telemetry.clone());
        Self { world, dir, reload, endpoint }
    }

    fn rewrite(&self, resources: &str, more: &str) {
        write(&self.world, self.dir.path(), resources, more);
    }

    async fn look(&mut self) {
        self.reload.look(&self.world.telemetry).await;
    }

    async fn ask(&self, resource: &str, secret: &str) -> (u16, String) {
        let target = format!("/msi/token?api-version=2019-08-01&resource={resource}");
        let request = http::Request::get(target)
            .header("host", "127.0.0.1:8421")
            .header("x-identity-header", secret);
        let reply = ask(&self.endpoint, request).await;
        let (status, body) = (reply.status().as_u16(), json(reply).await);
        (status, body["message"].as_str().unwrap_or_default().to_owned())
    }
}

/// A file of one identity, of whom the app may have this.
fn write(world: &World, dir: &Path, resources: &str, more: &str) {
    let settings = world.sim.settings();
    let text = format!(
        "version: 1\nidentities:\n  - {{name: main, client_id: {}}}\n{more}callers:\n  - name: app\n    \
         secret_files: [{2}/secret, {2}/old]\n    may: [{{identity: main, resources: {1}}}]\n",
        settings.client_id,
        resources,
        dir.display()
    );
    std::fs::write(dir.join("identities.yaml"), text).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_holds_once_it_stays_and_what_is_held_is_kept() {
    let mut stage = Stage::new();
    assert_eq!(stage.ask(VAULT, SECRET).await.0, 200);
    stage.rewrite(&format!("[{VAULT}]"), "");
    stage.look().await;
    assert_eq!(
        stage.ask("https://graph.microsoft.com", SECRET).await.0,
        200,
        "it may be half of it"
    );
    stage.look().await;
    let (status, words) = stage.ask("https://graph.microsoft.com", SECRET).await;
    assert_eq!((status, words.starts_with("policy_denied")), (403, true), "{words}");
    assert_eq!(stage.ask(VAULT, SECRET).await.0, 200);
    assert_eq!(stage.world.asked().0, 2, "what was held was kept");
    assert!(stage.world.telemetry.reloads().applied.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_good_changes_nothing_and_is_told_once() {
    let mut stage = Stage::new();
    let (lines, _guard) = crate::testing::Lines::listen("info");
    let file = stage.dir.path().join("identities.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    for bad in [&good[..good.len() / 2], "version: 2\n", ""] {
        std::fs::write(&file, bad).unwrap();
        for _ in 0..4 {
            stage.look().await;
        }
        assert_eq!(stage.ask(VAULT, SECRET).await.0, 200);
        assert!(stage.world.telemetry.reloads().refused.is_some());
    }
    std::fs::write(&file, &good).unwrap();
    std::fs::remove_file(stage.dir.path().join("secret")).unwrap();
    for _ in 0..4 {
        stage.look().await;
    }
    let (_, problem) = stage.world.telemetry.reloads().refused.unwrap();
    assert!(problem.contains("secret does not exist"), "{problem}");
    std::fs::write(stage.dir.path().join("secret"), SECRET).unwrap();
    stage.look().await;
    assert_eq!(stage.world.telemetry.reloads().refused, None);
    assert_eq!(stage.world.telemetry.reloads().applied, None, "it is what was in force all along");
    let told = lines.events();
    let told: Vec<_> = told.iter().filter(|it| it["level"] == "WARN").collect();
    assert_eq!(told.len(), 4, "once each, with an audit trail in the log, too: {told:#?}");
    assert!(told.iter().all(|it| it["what"] == "policy"), "{told:#?}");
    assert!(lines.events().iter().any(|it| it["outcome"] == "unchanged" && it["what"] == "policy"));
}

#[tokio::test(start_paused = true)]
async fn secrets_are_rotated_by_two_that_are_accepted() {
    let mut stage = Stage::new();
    assert_eq!(stage.ask(VAULT, NEW_SECRET).await.0, 401);
    std::fs::write(stage.dir.path().join("old"), SECRET).unwrap();
    std::fs::write(stage.dir.path().join("secret"), NEW_SECRET).unwrap();
    stage.look().await;
    stage.look().await;
    for secret in [SECRET, NEW_SECRET] {
        assert_eq!(stage.ask(VAULT, secret).await.0, 200);
    }
    assert_eq!(stage.ask(VAULT, "the-older-secret-of-some-length").await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_is_gone_stops_at_once_even_for_who_waits() {
    let mut stage = Stage::new();
    let other = "  - {name: other, client_id: 00000000-0000-4000-8000-0000000000ff, prefetch: [https://vault.azure.net]}\n";
    stage.rewrite("['*']", other);
    stage.look().await;
    stage.look().await;
    assert_eq!(stage.reload.kept.each.len(), 2);
    let request = asking(&format!("/msi/token?api-version=2019-08-01&resource={VAULT}"));
    let Answer::Later(pending) = stage.endpoint.answer(&link(), &request.body(()).unwrap()) else {
        panic!("nothing is held yet")
    };
    let text = std::fs::read_to_string(stage.dir.path().join("identities.yaml")).unwrap();
    let gone =
        text.replace("name: main", "name: former").replace("identity: main", "identity: other");
    let gone =
        gone.replace(&stage.world.sim.settings().client_id, "00000000-0000-4000-8000-0000000000fe");
    std::fs::write(stage.dir.path().join("identities.yaml"), gone).unwrap();
    stage.look().await;
    stage.look().await;
    let reply = stage.endpoint.wait(pending).await;
    assert_eq!(reply.status(), 403);
    let body = json(reply).await;
    assert_eq!(body["message"], "policy_denied: the policy gives app this token no longer");
    assert_eq!(stage.reload.kept.each.len(), 2, "and nobody looks after it any more");
}

#[tokio::test(start_paused = true)]
async fn what_is_prefetched_follows_the_file() {
    let mut stage = Stage::new();
    let pinned = |stage: &Stage| {
        let in_force = stage.reload.current.load();
        let entries = in_force.entries().filter(|(_, entry)| entry.pinned);
        entries.map(|(_, entry)| entry.scope.resource().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(stage.ask(VAULT, SECRET).await.0, 200);
    let file = stage.dir.path().join("identities.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for list in ["[https://vault.azure.net]", "[api://prefetched]", "[]"] {
        let id = &stage.world.sim.settings().client_id;
        let changed = text
            .replace(&format!("client_id: {id}"), &format!("client_id: {id}, prefetch: {list}"));
        std::fs::write(&file, changed).unwrap();
        stage.look().await;
        stage.look().await;
        let list = list.trim_matches(['[', ']']).to_owned();
        assert_eq!(pinned(&stage).join(","), list);
    }
    assert_eq!(stage.ask(VAULT, SECRET).await.0, 200);
    assert_eq!(stage.world.asked().0, 2, "the first and the prefetched; none was fetched twice");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_taken_away_gets_no_token_for_who_waits() {
    let mut stage = Stage::new();
    let request = asking(&format!("/msi/token?api-version=2019-08-01&resource={VAULT}"));
    let Answer::Later(pending) = stage.endpoint.answer(&link(), &request.body(()).unwrap()) else {
        panic!("nothing is held yet")
    };
    std::fs::write(stage.dir.path().join("secret"), NEW_SECRET).unwrap();
    stage.look().await;
    stage.look().await;
    assert_eq!(stage.endpoint.wait(pending).await.status(), 403);
    assert_eq!(stage.ask(VAULT, NEW_SECRET).await.0, 200);
    // By one that still counts, whoever waits is answered.
    let target = "/msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com";
    let request = http::Request::get(target).header("host", "127.0.0.1:8421");
    let request = request.header("x-identity-header", NEW_SECRET);
    let Answer::Later(pending) = stage.endpoint.answer(&link(), &request.body(()).unwrap()) else {
        panic!("nothing is held yet")
    };
    std::fs::write(stage.dir.path().join("old"), SECRET).unwrap();
    stage.look().await;
    stage.look().await;
    assert_eq!(stage.endpoint.wait(pending).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_no_good_is_read_once() {
    let mut stage = Stage::new();
    let file = stage.dir.path().join("identities.yaml");
    std::fs::write(&file, "version: 2\n").unwrap();
    stage.look().await;
    let Some(Err(first)) = stage.reload.seen.clone() else { panic!("it is no good") };
    stage.look().await;
    let again = stage.reload.source.read(Before { good: None, bad: Some(&first) }).unwrap_err();
    assert_eq!(first.faults, again.faults);
    std::fs::write(&file, "version: 3\n").unwrap();
    let other = stage.reload.source.read(Before { good: None, bad: Some(&first) }).unwrap_err();
    assert_ne!(first.faults, other.faults);
}

#[tokio::test(start_paused = true)]
async fn who_needs_no_secret_is_known_whatever_it_shows_besides() {
    let mut stage = Stage::new();
    let file = stage.dir.path().join("identities.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let rest = "  - {name: rest, anonymous: true, may: [{identity: main, resources: ['*']}]}\n";
    std::fs::write(&file, format!("{text}{rest}")).unwrap();
    stage.look().await;
    stage.look().await;
    let target = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={VAULT}");
    let request = asking(&target).header("metadata", "true");
    let Answer::Later(pending) = stage.endpoint.answer(&link(), &request.body(()).unwrap()) else {
        panic!("nothing is held yet")
    };
    std::fs::write(&file, format!("{text}{rest}mode: audit\n")).unwrap();
    stage.look().await;
    stage.look().await;
    assert_eq!(stage.endpoint.wait(pending).await.status(), 200);
}

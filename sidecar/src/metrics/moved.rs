//! Each metric is moved by something, and by nothing else than what is said here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cambist::Credential;
use cambist::files::Look;
use cambist::history::HistoryFile;
use cambist_core::clock::Clock as _;
use cambist_core::policy::{Caller, Identity, Mode, Policy};
use cambist_core::scope::Scope;
use cambist_core::secret::Secret;
use cambist_key_age::History;
use cambist_sim::fault::{Fault, Target};
use http::Response;
use http_body_util::Full;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracing_subscriber::fmt::MakeWriter as _;

use super::page::{hold, metrics, name_of};
use super::{Counted, Metrics, PREFIX};
use crate::access::{Access, Proof};
use crate::admin::Admin;
use crate::confine::{Confine, Confinement, Part};
use crate::endpoint::Endpoint;
use crate::event::{Event, Reloaded};
use crate::front_door::Door;
use crate::listener::{self, Capacity, ListenerGauges, Server};
use crate::log;
use crate::request::Protocol;
use crate::testing::{SECRET, VAULT, World, ask, ask_admin, msi, start_asking, text};

/// What happens, and below it the metrics that it moves, without `cambist_`.
const MOVES: &str = include_str!("moves.txt");

/// Which program it is never changes while it runs.
const STANDS: &str = "cambist_build_info";

/// What was scraped, and what each step moved.
#[derive(Default)]
struct Played {
    scrapes: Vec<String>,
    moved: Vec<String>,
}

impl Played {
    fn step(&mut self, what: &str, before: String, after: String) {
        let (old, new) = (samples(&before), samples(&after));
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let moved = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
        let moved = moved.map(|name| format!("    {}\n", &name[PREFIX.len() + 1..]));
        self.moved.push(format!("{what}\n{}", moved.collect::<String>()));
        self.scrapes.extend([before, after]);
    }
}

/// Each metric's samples, in some order that is always the same.
fn samples(scrape: &str) -> BTreeMap<String, BTreeSet<&str>> {
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    // That it is there and zero is no other than not to be there.
    let zero = |line: &str| line.ends_with(" 0") || line.ends_with(" 0.0");
    for line in scrape.lines().filter(|line| !line.starts_with('#') && !zero(line)) {
        let (series, _) = line.split_once(['{', ' ']).unwrap();
        all.entry(name_of(series).to_owned()).or_default().insert(line);
    }
    all
}

/// A sidecar without sockets, and whoever asks it.
struct Stage {
    world: World,
    endpoint: Endpoint,
    admin: Admin,
    credential: Credential,
}

impl Stage {
    fn new(extra: &[(&str, &str)]) -> Self {
        let world = World::new();
        let (endpoint, admin, credential) = world.endpoints(extra);
        Self { world, endpoint, admin, credential }
    }

    async fn scrape(&self) -> String {
        scrape(&self.admin).await
    }

    /// So many days pass, each with a fresh projected token and an app that asks for something new.
    async fn days(&self, days: u32) {
        for _ in 0..days {
            self.world.sim.clock().advance(Duration::from_secs(86_400));
            self.world.project();
            // The upkeep of a running sidecar does this now and then.
            self.credential.see_signer().await;
            tokio::time::sleep(Duration::from_secs(31)).await;
            let now = self.world.sim.clock().wall().as_secs();
            self.ask(&format!("api://at-{now}")).await;
            tokio::time::sleep(Duration::from_secs(31)).await;
        }
    }

    async fn ask(&self, resource: &str) -> u16 {
        ask(&self.endpoint, msi(resource)).await.status().as_u16()
    }
}

/// What is told once everything is judged: keys are judged beside, and anew for a scrape if that was not done lately.
async fn scrape(admin: &Admin) -> String {
    drop(ask_admin(admin, "/metrics"));
    settle().await;
    text(ask_admin(admin, "/metrics")).await
}

/// Whatever is under way ends: paused time waits for it.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Of a metric that nobody else counts in.
fn alone(counted: &dyn Counted) -> String {
    Metrics::of(&[counted]).encode(super::Held::default(), super::Format::Text)
}

#[test]
fn each_metric_is_moved_by_what_it_tells_of_and_by_nothing_else() {
    let mut played = Played::default();
    let runtime = |paused| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(paused).build().unwrap()
    };
    runtime(true).block_on(async {
        starts(&mut played).await;
        tokens(&mut played).await;
        refusals(&mut played).await;
        crowds(&mut played).await;
        reloads(&mut played).await;
        keys(&mut played).await;
    });
    confinement(&mut played);
    lines(&mut played);
    runtime(false).block_on(connections(&mut played));

    let found = played.moved.join("\n");
    assert!(found == MOVES, "moves.txt says otherwise; what was found:\n{found}");
    let names = MOVES.lines().filter_map(|line| line.strip_prefix("    "));
    let moved: BTreeSet<_> = names.map(|name| format!("{PREFIX}_{name}")).collect();
    let all = metrics(&played.scrapes);
    let still: Vec<_> =
        all.keys().filter(|name| *name != STANDS && !moved.contains(*name)).collect();
    assert!(still.is_empty(), "moved by nothing: {still:?}");
    // Nothing that a whole sidecar tells is left out.
    let names = include_str!("names.txt").lines().filter_map(|it| it.strip_prefix("# TYPE "));
    let unknown: Vec<_> = names
        .filter_map(|it| it.split_once(' '))
        .filter(|(name, _)| !all.contains_key(*name))
        .collect();
    assert!(unknown.is_empty(), "in no scrape here: {unknown:?}");
    hold(&all);
}

async fn starts(played: &mut Played) {
    let (first, second) = (Stage::new(&[]), Stage::new(&[]));
    second.world.sim.clock().advance(Duration::from_secs(3600));
    let later = second.world.endpoints(&[]).1;
    played.step("it starts an hour later", first.scrape().await, scrape(&later).await);
}

async fn tokens(played: &mut Played) {
    let stage = Stage::new(&[]);
    let start = stage.scrape().await;
    assert_eq!(stage.ask(VAULT).await, 200);
    let first = stage.scrape().await;
    played.step("an app gets its first token", start, first.clone());
    assert_eq!(stage.ask(VAULT).await, 200);
    let hit = stage.scrape().await;
    played.step("it gets the same again", first, hit.clone());

    let refused = Fault::Aadsts { code: 700_016, status: None, retry_after: None };
    stage.world.sim.faults().inject(Target::Entra, refused);
    assert_eq!(stage.ask("api://refused").await, 403);
    let failed = stage.scrape().await;
    played.step("Entra refuses another", hit, failed.clone());
    stage.world.sim.faults().clear();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let later = stage.scrape().await;
    played.step("time passes", failed, later);
}

async fn refusals(played: &mut Played) {
    let stage = Stage::new(&[]);
    let before = stage.scrape().await;
    let response = ask(&stage.endpoint, msi(VAULT).header("Origin", "null")).await;
    assert_eq!(response.status(), 403);
    played.step("a request has the wrong shape", before, stage.scrape().await);

    for (mode, status, what) in
        [(Mode::Enforce, 403, "a policy refuses"), (Mode::Audit, 200, "a policy would refuse")]
    {
        let world = World::new();
        let credential = world.credential(&world.config(&[]), world.context());
        let identity = Identity::new("identity", credential.client_id());
        let caller = Caller::new("app").may(0, [VAULT.parse().unwrap()]);
        let proof = Proof::Secrets(vec![Secret::new(SECRET)]);
        let policy = Policy::new(mode, vec![identity], vec![caller]);
        let access = Access::new(Door::tokens(8421), Protocol::ALL.to_vec(), policy, vec![proof]);
        let endpoint = world.endpoint_by(access, &credential, world.telemetry.clone());
        assert_eq!(ask(&endpoint, msi(VAULT)).await.status(), 200);
        credential.token(&Scope::parse("api://other/.default").unwrap()).await.unwrap();
        settle().await;
        let before = world.scrape(&credential);
        assert_eq!(ask(&endpoint, msi("api://other")).await.status(), status);
        played.step(what, before, world.scrape(&credential));
    }
}

async fn crowds(played: &mut Played) {
    let world = World::new();
    let (endpoint, credential) = world.endpoint();
    let endpoint = Arc::new(endpoint);
    world.sim.faults().inject(Target::Entra, Fault::Hang);
    let start = world.scrape(&credential);
    let mut asking = Vec::new();
    for _ in 0..2 {
        asking.push(start_asking(&endpoint, VAULT).await);
    }
    settle().await;
    let waiting = world.scrape(&credential);
    played.step("two wait for Entra", start, waiting.clone());
    world.waiting.end();
    for it in asking {
        assert_eq!(it.await.unwrap().status(), 503);
    }
    played.step("they are sent away", waiting, world.scrape(&credential));
}

async fn reloads(played: &mut Played) {
    let world = World::new();
    let (_, credential) = world.endpoint();
    let start = world.scrape(&credential);
    let refused = Reloaded::Refused { problem: "nonsense" };
    world.telemetry.tell(&Event::Reloaded(refused));
    let refused = world.scrape(&credential);
    played.step("a new policy is no good", start, refused.clone());
    world.sim.clock().advance(Duration::from_secs(60));
    let applied = Reloaded::Applied { identities: 1, callers: 1, token_files: &[], warnings: &[] };
    world.telemetry.tell(&Event::Reloaded(applied));
    let mended = world.scrape(&credential);
    played.step("it is mended a minute later", refused, mended.clone());
    let config = world.config(&[]);
    let trust = world.trust(&config, world.context());
    let _used = trust.credential(&config.policied.identities.identities[0]);
    let look = async || while trust.look_at_files().await == Look::Settling {};
    look().await;
    world.write_assertion(b"no token");
    look().await;
    played.step("a new projected token is no good", mended, world.scrape(&credential));
}

async fn keys(played: &mut Played) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("history.json");
    let history = ("CAMBIST_HISTORY", path.to_str().unwrap());
    let stage = Stage::new(&[("CAMBIST_KEY_AGE", "enforce"), history]);
    assert_eq!(stage.ask("api://first").await, 200);
    let lacking = stage.scrape().await;
    let empty = History::new(&stage.world.sim.settings().issuer);
    HistoryFile::new(&path).update(|_| (empty, ())).unwrap();
    tokio::time::sleep(Duration::from_secs(300)).await;
    stage.credential.issuer_keys().unwrap().key_age().unwrap().refresh_history().await;
    let young = stage.scrape().await;
    played.step("the history that was missing is there", lacking, young.clone());

    let faults = stage.world.sim.faults();
    faults.inject(Target::Jwks, Fault::DateSkew(20));
    stage.days(1).await;
    stage.world.sim.issuer().rotate(true).unwrap();
    stage.days(1).await;
    let replaced = stage.scrape().await;
    played.step(
        "an issuer whose clock is wrong replaces its key within two days",
        young,
        replaced.clone(),
    );
    stage.days(48).await;
    let due = stage.scrape().await;
    played.step("no other follows it for 48 days", replaced, due.clone());
    stage.days(50).await;
    played.step("nor for another 50", due, stage.scrape().await);
}

fn confinement(played: &mut Played) {
    let old = Confinement::without(Confine::Auto, &[Part::Connect], "this kernel is too old");
    let new = Confinement::without(Confine::Auto, &[], "");
    played.step("the kernel can do more", alone(&old), alone(&new));
}

/// Nobody can write to it.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(played: &mut Played) {
    for (stream, step) in [
        (log::Stream::Log, "a line of the log cannot be written"),
        (log::Stream::Audit, "a line of the audit trail cannot be written"),
    ] {
        let writer = log::Writer::start(stream, Broken, |_, _| true).unwrap();
        let before = alone(&writer.dropped());
        writer.make_writer().write_all(b"a line\n").unwrap();
        assert!(writer.flush(Duration::from_secs(30)));
        played.step(step, before, alone(&writer.dropped()));
    }
}

async fn connections(played: &mut Played) {
    let gauges = ListenerGauges::default();
    let listener = listener::open("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    let soon = Duration::from_millis(300);
    let capacity = Capacity { head: soon, idle: soon, ..Capacity::default() };
    let server = Server::start(vec![listener], None, capacity, gauges.token.clone(), |_, _| {
        std::future::ready(Response::new(Full::new(Bytes::from_static(b"x"))))
    });
    let before = alone(&gauges);
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    let open = alone(&gauges);
    played.step("somebody connects", before, open.clone());
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    while gauges.token.open.get() > 0 {
        tokio::task::yield_now().await;
    }
    played.step("and says nothing for too long", open, alone(&gauges));
    server.drain(|| {}).await;
}

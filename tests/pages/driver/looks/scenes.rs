//! The pages that are looked at: a sidecar's status and a report on an issuer's keys, in good days and bad ones.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cambist_core::clock::Clock as _;
use cambist_sim::clock::Machine;
use cambist_sim::issuer::Place;
use cambist_sim::keys::SigningKey;
use kit::program::Program;
use kit::sidecar::VAULT;
use kit::{Sidecar, World};
use serde_json::json;

use super::Programs;

const DAY: Duration = Duration::from_secs(24 * 3600);
const STORAGE: &str = "https://storage.azure.com";

/// A page, and the word that stands above it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) word: &'static str,
    /// Where it is served, if it is.
    pub(crate) at: Option<SocketAddr>,
}

/// All pages, while what serves them runs.
#[derive(Debug)]
pub(crate) struct Scenes {
    all: Vec<Scene>,
    served: Vec<(World, Sidecar)>,
}

impl Scenes {
    pub(crate) fn all(&self) -> &[Scene] {
        &self.all
    }

    /// Sets all of them.
    pub(crate) async fn set(programs: &Programs, home: &Path) -> Self {
        let mut scenes = Self { all: Vec::new(), served: Vec::new() };
        scenes.reports(programs, home).await;

        let healthy = World::start().await;
        let sidecar = serving(programs, &healthy, |program| program).await;
        scenes.status("status-healthy", "SERVING", healthy, sidecar);

        let down = World::start().await;
        let sidecar = serving(programs, &down, |program| program).await;
        down.fault(json!({ "target": "entra", "kind": "reset" })).await;
        assert_ne!(sidecar.token("api://orders").await.status, 200, "Entra is down");
        scenes.status("status-entra-down", "NOT SERVING ALL", down, sidecar);

        // Somebody has seen the key a hundred days ago.
        let overdue = World::start().await;
        let history = home.join("overdue.json");
        let clock = overdue.running().sim().clock_of(Machine::Issuer);
        for days in [100, 93, 86] {
            clock.skew(-days * 24 * 3600);
            observe(programs, &overdue, &history, &["--now", &clock.wall().to_string()]).await;
        }
        clock.skew(0);
        let kept = history.display().to_string();
        let sidecar =
            serving(programs, &overdue, |program| program.set("CAMBIST_HISTORY", kept)).await;
        sidecar.logs("the verdict on the issuer's keys changed").await;
        scenes.status("status-overdue", "SERVING, KEYS OVERDUE", overdue, sidecar);

        let suspect = World::start().await;
        let issuer = suspect.running().sim().issuer();
        issuer.leak_in(Place::Both, &issuer.signer()).expect("a key can be published whole");
        hostile(&suspect);
        let sidecar = serving(programs, &suspect, |program| program).await;
        scenes.status("status-suspect", "SERVING, KEYS SUSPECT", suspect, sidecar);
        scenes
    }

    fn status(&mut self, name: &'static str, word: &'static str, world: World, sidecar: Sidecar) {
        let at = sidecar.admin();
        self.all.push(Scene { name, url: format!("http://{at}/status"), word, at: Some(at) });
        self.served.push((world, sidecar));
    }

    /// What the command says of issuers.
    async fn reports(&mut self, programs: &Programs, home: &Path) {
        let world = World::start().await;
        let history = home.join("history.json");
        self.report(
            "issuer-unknown",
            "UNKNOWN",
            report(programs, &world, home, "unknown", &[]).await,
        );
        // A key that is seen before it signs, and the one before it seen to go.
        let sim = world.running().sim();
        let look = async |days: u32| {
            sim.clock().advance(DAY * days);
            world.running().kubelet().project().expect("a token can be projected");
            let now = sim.clock().wall().to_string();
            observe(programs, &world, &history, &["--now", &now, "--token-file", &token(&world)])
                .await;
        };
        for _ in 0..20 {
            look(1).await;
        }
        sim.issuer().rotate(true).expect("a key can be made");
        for days in [1, 1, 1, 1, 6] {
            look(days).await;
        }
        sim.issuer().retire(1);
        look(1).await;
        look(1).await;
        let kept = format!("file:{}", history.display());
        let judged = async |name: &str| {
            let now = sim.clock().wall().to_string();
            let token = token(&world);
            let flags = ["--now", &now, "--token-file", &token, "--history", &kept, "--read-only"];
            report(programs, &world, home, name, &flags).await
        };
        self.report("issuer-ok", "OK", judged("ok").await);
        for _ in 0..14 {
            look(7).await;
        }
        self.report("issuer-overdue", "OVERDUE", judged("overdue").await);
        hostile(&world);
        let issuer = sim.issuer();
        issuer.leak_in(Place::Both, &issuer.signer()).expect("a key can be published whole");
        self.report("issuer-suspect", "SUSPECT", judged("suspect").await);
    }

    fn report(&mut self, name: &'static str, word: &'static str, file: PathBuf) {
        self.all.push(Scene { name, url: format!("file://{}", file.display()), word, at: None });
    }

    /// Ends what serves them.
    pub(crate) async fn close(self) {
        for (_world, sidecar) in self.served {
            sidecar.stop().await;
        }
    }
}

/// A sidecar from which an app has two tokens.
async fn serving(
    programs: &Programs,
    world: &World,
    change: impl FnOnce(Program) -> Program,
) -> Sidecar {
    let program = change(kit::sidecar::program(&programs.sidecar, world));
    let sidecar = Sidecar::of(&programs.sidecar, world, program).await;
    for resource in [VAULT, STORAGE] {
        assert_eq!(sidecar.token(resource).await.status, 200);
    }
    // What a page of it says is searched for the tokens that were given.
    let page = sidecar.ask_admin("/status").await;
    assert_eq!(page.status, 200, "{page:?}");
    sidecar
}

/// Keys whose names are meant to be anything but names.
fn hostile(world: &World) {
    let long = "k".repeat(10_000);
    for kid in [
        "\"><script>alert(1)</script><img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "\u{202e}\u{2066}txet desrever\u{5d0}\u{5d1}",
        &long,
    ] {
        let key = SigningKey::generate_ec().expect("a key can be made");
        world.running().sim().issuer().publish(&key.with_kid(kid));
    }
}

fn token(world: &World) -> String {
    world.token_file().display().to_string()
}

fn command(programs: &Programs, world: &World) -> Program {
    let env = world.env().iter().filter(|(name, _)| name.starts_with("CAMBIST_"));
    env.fold(Program::new(&programs.command), |program, (name, value)| program.set(name, value))
}

async fn observe(programs: &Programs, world: &World, history: &Path, flags: &[&str]) {
    let history = format!("file:{}", history.display());
    let observe = ["issuer", "observe", "--history", &history];
    let ended = command(programs, world).args(&observe).args(flags).run().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
}

/// The file of a report.
async fn report(
    programs: &Programs,
    world: &World,
    home: &Path,
    name: &str,
    flags: &[&str],
) -> PathBuf {
    let file = home.join(format!("{name}.html"));
    let output = file.display().to_string();
    let check = ["issuer", "check", "-o", "html", "--output-file", &output];
    let ended = command(programs, world).args(&check).args(flags).run().await;
    assert!(file.exists(), "{ended:?}");
    file
}

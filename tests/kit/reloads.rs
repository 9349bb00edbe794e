//! A sidecar whose files all change while it is asked, and the changing of them.
//!
//! There are two policies, which take turns. Each gives an app another identity, in another tenant, for
//! another resource, so that an answer made of both is seen as such.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cambist_sim::entra::Identity;
use serde_json::{Value, json};

use crate::volume::{Volume, Way};
use crate::{Request, World, eventually, http};

mod load;
mod play;

pub use load::{Load, Tally};
pub use play::{IN_A_ROUND, Play};

/// What an app may have under either policy.
const BOTH: &str = crate::sidecar::VAULT;
/// Of each policy: the tenant, the client id, and the resource that it alone gives.
const POLICIES: [(&str, &str, &str); 2] = [
    (
        "7e57ab1e-0000-4000-8000-00000000000a",
        "c11e0001-0000-4000-8000-0000000000a1",
        "https://management.azure.com",
    ),
    (
        "7e57ab1e-0000-4000-8000-00000000000b",
        "c11e0001-0000-4000-8000-0000000000b1",
        "https://storage.azure.com",
    ),
];

/// The files with a secret.
const SECRETS: [&str; 2] = ["one", "two"];

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The policy.
    Policy,
    /// The secret that an app is known by: another takes its place, while both are accepted.
    Secret,
    /// The certificate authorities that vouch for Entra and the issuer.
    Ca,
    /// The projected token.
    Token,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Policy, Self::Secret, Self::Ca, Self::Token];

    /// What the sidecar counts it as.
    fn counted_as(self) -> &'static str {
        match self {
            Self::Policy | Self::Secret => "policy",
            Self::Ca => "ca",
            Self::Token => "token",
        }
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in force.
    Applied,
    /// It is not, and is told of.
    Refused,
}

/// The files of a sidecar, which may be a process or run in this one.
#[derive(Debug)]
pub struct Stage {
    world: World,
    policy: Volume,
    secrets: Volume,
    ca: Volume,
    token: Volume,
    /// How many changes there were so far.
    changes: usize,
    /// Which of the two policies holds, or is to.
    turn: usize,
    /// Which of the two files has the secret in use.
    secret: usize,
}

impl Stage {
    /// A world with the files as they are at first.
    pub async fn new() -> Self {
        let world = World::with(|options| options.resources.push("https://*.cold.test".into()));
        let world = world.await;
        let sim = world.running().sim();
        for (tenant, client_id, _) in POLICIES {
            let identity = Identity::application(tenant, client_id);
            sim.entra().add(identity.trusting(sim.federated_credential()));
        }
        let volume =
            |name: &str, files: &[(&str, &[u8])]| Volume::new(world.dir().join(name), files);
        let ca = std::fs::read(&world.env()["CAMBIST_CA_FILE"]).expect("the world has a CA");
        let token = std::fs::read(world.token_file()).expect("a token is projected");
        let secrets = volume(
            "secrets",
            &[(SECRETS[0], secret(0).as_bytes()), (SECRETS[1], b"what-nobody-knows-any-more")],
        );
        let policy = policy(0, &secrets).to_string();
        Self {
            policy: volume("policy", &[("identities.yaml", policy.as_bytes())]),
            secrets,
            ca: volume("ca", &[("ca.crt", &ca)]),
            token: volume("token", &[("token", &token)]),
            changes: 0,
            turn: 0,
            secret: 0,
            world,
        }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The sidecar's variables.
    pub fn env(&self) -> BTreeMap<String, String> {
        let mut env = self.world.env().clone();
        let path = |volume: &Volume, name: &str| volume.file(name).display().to_string();
        for (name, value) in [
            ("CAMBIST_LISTEN", "0".to_owned()),
            ("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("CAMBIST_CONFIG", path(&self.policy, "identities.yaml")),
            ("CAMBIST_CA_FILE", path(&self.ca, "ca.crt")),
            ("AZURE_FEDERATED_TOKEN_FILE", path(&self.token, "token")),
        ] {
            env.insert(name.to_owned(), value);
        }
        env.retain(|name, _| !name.starts_with("SIM_"));
        env
    }

    /// Somebody who asks for tokens of it 500 times a second.
    pub fn load(&self, at: SocketAddr) -> Arc<Load> {
        Load::start(at, self.world.running().sim().clone(), self.secret_in_use().to_owned())
    }

    /// Changes one file for the better, so that the load goes on by it once it is in force.
    pub fn better(&mut self, kind: Kind, way: Way, load: &Load) {
        self.changes += 1;
        match kind {
            Kind::Policy => {
                self.turn = 1 - self.turn;
                load.policy_changes();
                let text = policy(self.turn, &self.secrets).to_string();
                self.policy.put(way, "identities.yaml", text.as_bytes());
            }
            Kind::Secret => {
                self.secret = 1 - self.secret;
                self.secrets.put(way, SECRETS[self.secret], secret(self.changes).as_bytes());
            }
            Kind::Ca => {
                let text = format!("# {}\n", self.changes);
                let ca = std::fs::read(&self.world.env()["CAMBIST_CA_FILE"]);
                let ca = [text.as_bytes(), &ca.expect("the world has a CA")].concat();
                self.ca.put(way, "ca.crt", &ca);
            }
            Kind::Token => {
                // In the same second there would be the same token.
                let spec = self.world.running().sim().token_spec();
                let spec = spec.claim("jti", format!("change-{}", self.changes));
                let token = self.world.running().sim().issuer().sign(&spec);
                self.token.put(way, "token", token.expect("it can be signed").as_bytes());
            }
        }
    }

    /// Changes one file for the worse. Its next change must be for the better.
    pub fn worse(&mut self, kind: Kind, way: Way) {
        self.changes += 1;
        let half = |content: &[u8]| content[..content.len() / 2].to_vec();
        let turns: [&[u8]; 3] = [b"", b"\xff\xfe", b"nothing of the sort"];
        let content = |volume: &Volume, name: &str| match self.changes % 4 {
            3 => half(volume.content(name)),
            n => turns[n].to_vec(),
        };
        match kind {
            Kind::Policy => {
                let content = content(&self.policy, "identities.yaml");
                self.policy.put(way, "identities.yaml", &content);
            }
            Kind::Secret => {
                // Half of a secret would be one.
                self.secrets.put(way, SECRETS[1 - self.secret], turns[self.changes % 3]);
            }
            Kind::Ca => {
                let content = content(&self.ca, "ca.crt");
                self.ca.put(way, "ca.crt", &content);
            }
            Kind::Token => {
                let content = content(&self.token, "token");
                self.token.put(way, "token", &content);
            }
        }
    }

    fn secret_in_use(&self) -> &str {
        std::str::from_utf8(self.secrets.content(SECRETS[self.secret])).expect("it is text")
    }

    /// The last change is in force: the load goes by it.
    pub fn settled(&self, kind: Kind, load: &Load) {
        match kind {
            Kind::Policy => load.policy_is(self.turn),
            Kind::Secret => load.secret_is(self.secret_in_use().to_owned()),
            Kind::Ca | Kind::Token => {}
        }
    }
}

/// How many changes of this kind came to this so far, as the sidecar counts them.
pub async fn counted(admin: SocketAddr, kind: Kind, outcome: Outcome) -> u64 {
    let what = kind.counted_as();
    let outcome = match outcome {
        Outcome::Applied => "applied",
        Outcome::Refused => "refused",
    };
    let sample = format!("cambist_reloads_total{{what=\"{what}\",outcome=\"{outcome}\"}} ");
    let request = Request::get("/metrics").header("Host", admin.to_string());
    let metrics = http::send(admin, &request.bytes()).await.expect("it tells");
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(&sample));
    value.map_or(0, |value| value.parse().expect("counters are whole"))
}

/// Waits until there were more of them than before.
pub async fn counts(admin: SocketAddr, kind: Kind, outcome: Outcome, before: u64) {
    eventually(&format!("{kind:?} {outcome:?}"), async || {
        (counted(admin, kind, outcome).await > before).then_some(())
    })
    .await;
}

fn secret(change: usize) -> String {
    format!("the-secret-as-of-change-{change}")
}

fn policy(turn: usize, secrets: &Volume) -> Value {
    let (tenant, client_id, own) = POLICIES[turn];
    let file = |name: &str| -> Box<Path> { secrets.file(name).into() };
    json!({
        "version": 1,
        "identities": [{ "name": format!("of-{turn}"), "tenant": tenant, "client_id": client_id }],
        "callers": [{
            "name": "app",
            "secret_files": SECRETS.map(file),
            "may": [{
                "identity": format!("of-{turn}"),
                "resources": [BOTH, own, "https://*.cold.test"],
            }],
        }],
    })
}

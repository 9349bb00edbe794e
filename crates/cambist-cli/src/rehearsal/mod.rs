//! Rotations rehearsed: the steps that `issuer plan` prints, walked through the simulated cluster while its
//! apps ask for tokens all the time. The gates that it prints are asked as it prints them.

use std::time::Duration;

use cambist_key_age::Platform;
use cambist_key_age::rotation::Act;
use cambist_sim::keys::SigningKey;
use cambist_sim::{Settings, Sim};
use serde_json::Value;
use tokio::time::sleep;

use crate::testing::{Pod, write};
use crate::world::Outcome;

mod apps;
mod orders;
mod page;

use apps::{App, Tally};

/// Between two rounds of an app's requests.
const PAUSE: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);
/// For how long the simulated Entra goes on with the set as it was: as long as that was seen.
const ENTRA_KEEPS: Duration = Duration::from_secs(45 * 60);
/// Between the restart of one API server and that of the next.
const RESTART: Duration = Duration::from_secs(600);

/// A cluster of two API servers whose signing key is to be replaced, and its apps.
struct Cluster {
    pod: Pod,
    old: SigningKey,
    new: SigningKey,
    tally: Tally,
    apps: Vec<App>,
}

impl Cluster {
    async fn new() -> Self {
        let settings = Settings {
            more_api_servers: vec!["https://api-2.sim.test".to_owned()],
            entra_keeps: ENTRA_KEEPS,
            resources: vec!["api://app-*".to_owned()],
            ..Settings::default()
        };
        let pod = Pod::of(Sim::with(settings).unwrap());
        let old = pod.sim.issuer().signer();
        let new = pod.sim.issuer().prepare().unwrap();
        for api in pod.sim.apis() {
            api.accept(std::slice::from_ref(&old));
        }
        write(pod.path("old.pub"), &old.jwk().to_string());
        write(pod.path("new.pub"), &new.jwk().to_string());
        let tally = Tally::default();
        let mut cluster = Self { pod, old, new, tally, apps: Vec::new() };
        // Tokens of different ages, so that some of the old key are alive long after it signed last.
        for name in ["app-0", "app-1"] {
            let dir = cluster.pod.path(name);
            cluster.apps.push(App::start(&cluster.pod.sim, dir.as_ref(), &cluster.tally));
            cluster.pass(1).await;
        }
        cluster
    }

    /// Does what an act says, one API server after the other.
    async fn bring_about(&self, act: Act) {
        let (issuer, apis) = (self.pod.sim.issuer(), self.pod.sim.apis());
        let both = [self.old.clone(), self.new.clone()];
        match act {
            Act::Publish => issuer.publish(&self.new),
            Act::Withdraw => {
                issuer.hide(self.old.kid());
                // It may read the set anew at any time.
                self.pod.sim.entra().forget_issuer_keys();
            }
            Act::Accept | Act::Sign | Act::Drop => {
                for api in apis {
                    match act {
                        Act::Accept => api.accept(&both),
                        Act::Sign => api.sign_with(&self.new),
                        _ => api.accept(&both[1..]),
                    }
                    sleep(RESTART).await;
                }
            }
        }
    }

    /// Asks a gate as the plan prints it, and returns the exit code.
    async fn ask(&self, gate: &str) -> u8 {
        self.said(gate).await.code
    }

    async fn said(&self, gate: &str) -> Outcome {
        let sources = "--in-cluster --api-token-file {dir}/app-0/api-token --api-server \
            https://api.sim.test --api-server https://api-2.sim.test --mint shop/checkout \
            --history file:{dir}/history.json";
        let asked = gate.strip_prefix("cambist ").unwrap().replace("...", sources);
        let asked = asked.replace("new.pub", "{dir}/new.pub").replace("old.pub", "{dir}/old.pub");
        let said = self.pod.run(&asked).await;
        assert!(said.err.is_empty(), "{asked}: {said:?}");
        said
    }

    async fn pass(&self, hours: u32) {
        sleep(HOUR * hours).await;
    }

    /// What `issuer plan` prints for a platform.
    async fn plan(&self, platform: Platform) -> Vec<Printed> {
        let plan = self.pod.json(&format!("issuer plan --platform {platform}")).await;
        plan["steps"].as_array().unwrap().iter().map(Printed::read).collect()
    }

    /// Walks the steps, each as soon as its gates say yes.
    async fn walk(&self, steps: &[Printed]) {
        for (n, step) in steps.iter().enumerate() {
            for gate in steps[n + 1..].iter().flat_map(|later| &later.gates) {
                let said = self.said(gate).await;
                assert_eq!(said.code, 1, "{gate}: asked before {:?}: {said:?}", step.acts);
            }
            for gate in &step.gates {
                let mut hours = 0;
                loop {
                    let said = self.said(gate).await;
                    if said.code == 0 {
                        break;
                    }
                    self.pass(1).await;
                    hours += 1;
                    assert!(hours < 100, "{gate}: never yes: {said:?}");
                }
                let least = if gate.contains("gate sign") {
                    24
                } else if gate.contains("gate retire") {
                    48
                } else {
                    0
                };
                // Whoever published or signed was at it for less than an hour.
                assert!(
                    (least.max(1) - 1..=least + 1).contains(&hours),
                    "{gate}: yes after {hours} h"
                );
            }
            for act in &step.acts {
                self.bring_about(*act).await;
            }
        }
        self.pass(3).await;
    }
}

/// A step as it is printed.
#[derive(Debug)]
struct Printed {
    acts: Vec<Act>,
    gates: Vec<String>,
}

impl Printed {
    fn read(step: &Value) -> Self {
        let act = |name: &Value| {
            let named = |act: &Act| serde_json::to_value(act).unwrap() == *name;
            Act::ALL.into_iter().find(named).unwrap()
        };
        let gates = step["gates"].as_array().unwrap().iter();
        Self {
            acts: step["acts"].as_array().unwrap().iter().map(act).collect(),
            gates: gates.map(|gate| gate.as_str().unwrap().to_owned()).collect(),
        }
    }
}

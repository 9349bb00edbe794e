//! Where the doctor is called to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cambist_core::clock::Clock as _;
use cambist_sim::token::TokenSpec;
use kit::World;
use kit::program::Program;
use serde_json::Value;

/// A world, and what the doctor is told of it.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) env: BTreeMap<String, String>,
    pub(super) args: Vec<String>,
}

impl Scene {
    /// In the sidecar's container of a healthy world.
    pub(super) async fn workload() -> Self {
        Self::of(World::start().await)
    }

    pub(super) fn of(world: World) -> Self {
        let mut env = world.env().clone();
        // Another test's sidecar may be at the usual place.
        env.insert("CAMBIST_ADMIN_LISTEN".to_owned(), "off".to_owned());
        Self { world, env, args: Vec::new() }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.insert(name.to_owned(), value.into());
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    /// As the world has it.
    pub(super) fn restore(&mut self, name: &str) {
        let value = self.world.env()[name].clone();
        self.set(name, value);
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.world.dir().join(name)
    }

    pub(super) fn sim(&self) -> cambist_sim::Sim {
        self.world.running().sim().clone()
    }

    /// Projects a token that is changed before it is signed.
    pub(super) fn project(&self, change: impl FnOnce(TokenSpec) -> TokenSpec) {
        let sim = self.sim();
        let token = sim.issuer().sign(&change(sim.token_spec())).unwrap();
        self.world.project(&token);
    }

    /// Projects a good token.
    pub(super) fn renew(&self) {
        self.world.running().kubelet().project().unwrap();
    }

    pub(super) fn now(&self) -> i64 {
        self.sim().clock().wall().as_secs()
    }

    pub(super) fn program(&self, args: &[&str]) -> Program {
        let mut program = Program::new(env!("CARGO_BIN_EXE_shim-cambist")).arg("doctor");
        for arg in &self.args {
            program = program.arg(arg);
        }
        for (name, value) in &self.env {
            program = program.set(name, value);
        }
        program.args(args)
    }
}

/// What the doctor says.
pub(super) async fn run(scene: &Scene) -> Value {
    let ended = scene.program(&["-o", "json"]).run().await;
    scene.world.secrets().assert_absent("the doctor's report", &ended.output());
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(ended.code().map(i64::from), report["exitCode"].as_i64(), "{ended:?}");
    // Quiet in a pipe.
    assert_eq!(ended.stderr, "", "{ended:?}");
    report
}

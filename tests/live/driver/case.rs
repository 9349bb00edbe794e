//! What a case is, and how all of them are played and told.

use std::any::Any;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use kit::Program;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::cluster::{Cluster, Publishes};
use crate::node::{self, Node, Parts};
use crate::{
    Options, admission, command, install, key_sources, manifests, observers, rotation, server,
};

/// What is played, in this order.
const ALL: &[Case] = &[
    case("answers", |stage| Box::pin(server::answers(stage))),
    case("keys-public", |stage| Box::pin(key_sources::public(stage))),
    case("keys-api", |stage| Box::pin(key_sources::api(stage))),
    case("keys-file", |stage| Box::pin(key_sources::file(stage))),
    case("keys-in-order", |stage| Box::pin(key_sources::in_order(stage))),
    case("check-compare-api", |stage| Box::pin(command::check(stage))),
    case("check-start", |stage| Box::pin(command::start(stage))),
    case("diff", |stage| Box::pin(command::diff(stage))),
    case("diff-turned-away", |stage| Box::pin(command::turned_away(stage))),
    case("observe-least-role", |stage| Box::pin(observers::least_role(stage))),
    case("observe-refused", |stage| Box::pin(observers::refused(stage))),
    case("observe-twelve", |stage| Box::pin(observers::twelve(stage))),
    case("inject-pods", |stage| Box::pin(admission::injected(stage))),
    case("inject-refused", |stage| Box::pin(admission::refused(stage))),
    case("inject-idempotent", |stage| Box::pin(admission::idempotent(stage))),
    case("inject-jobs", |stage| Box::pin(admission::jobs(stage))),
    case("inject-late", |stage| Box::pin(admission::late_containers(stage))),
    case("inject-large", |stage| Box::pin(admission::large(stage))),
    case("inject-quota", |stage| Box::pin(admission::quota(stage))),
    case("inject-ephemeral", |stage| Box::pin(admission::containers_that_come(stage))),
    case("inject-images", |stage| Box::pin(admission::images_that_change(stage))),
    case("inject-made-again", |stage| Box::pin(admission::made_again(stage))),
    case("inject-1.34", |stage| Box::pin(admission::without_env_files(stage))),
    case("inject-latency", |stage| Box::pin(admission::latency(stage))),
    case("manifests-admitted", |stage| Box::pin(manifests::admitted(stage))),
    case("manifests-alike", |stage| Box::pin(manifests::alike(stage))),
    case("manifests-observer", |stage| Box::pin(manifests::observer(stage))),
    case("manifests-demo", |stage| Box::pin(manifests::demo(stage))),
    case("install-commands", |stage| Box::pin(install::on_api_server(stage))),
    case("rotation-one-server", |stage| Box::pin(rotation::one_server(stage))),
    case("rotation-two-servers", |stage| Box::pin(rotation::two_servers(stage))),
    case("rotation-signs-first", |stage| Box::pin(rotation::signs_first(stage))),
];

type Play = fn(Arc<Stage>) -> LocalBoxFuture<'static, String>;

/// One thing that must hold; it fails by a panic, and says what was seen otherwise.
pub(crate) struct Case {
    name: &'static str,
    play: Play,
    /// It waits for minutes, and whoever is in a hurry leaves it out.
    slow: bool,
}

pub(crate) const fn case(name: &'static str, play: Play) -> Case {
    Case { name, play, slow: false }
}

pub(crate) const fn slow_case(name: &'static str, play: Play) -> Case {
    Case { name, play, slow: true }
}

/// What the cases share.
#[derive(Debug)]
pub(crate) struct Stage {
    options: Options,
    standing: OnceCell<Cluster>,
    admission: OnceCell<admission::World>,
    node: OnceCell<Result<Node, String>>,
}

impl Stage {
    /// The cluster of the cases that change nothing that another one sees: its API server is the
    /// issuer, as it comes.
    pub(crate) async fn cluster(&self) -> &Cluster {
        self.standing.get_or_init(|| Cluster::start(self, "standing", Publishes::Itself, 1)).await
    }

    /// The same cluster with the admission policies in force in namespaces of their own.
    pub(crate) async fn admission(&self) -> &admission::World {
        let cluster = self.cluster().await;
        self.admission.get_or_init(|| admission::World::start(self, cluster)).await
    }

    /// The cluster with a node, of the cases that need one.
    ///
    /// # Panics
    /// If it does not start, which is tried once.
    pub(crate) async fn node(&self) -> &Node {
        let start = async || {
            let start = AssertUnwindSafe(Node::start(self)).catch_unwind().await;
            start.map_err(|panic| format!("there is no node: {}", words(&*panic)))
        };
        self.node.get_or_init(start).await.as_ref().unwrap_or_else(|error| panic!("{error}"))
    }

    /// What a node is made of.
    pub(crate) fn parts(&self) -> &Parts {
        self.options.node.as_ref().expect("only its cases ask")
    }

    /// A file of this name for what a program writes.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.options.work.join(format!("{name}.log"))
    }

    /// A directory of this name, empty.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        let dir = self.options.work.join(name);
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).expect("a directory can be made");
        dir.canonicalize().expect("it was just made")
    }

    /// The API server's program.
    pub(crate) fn server(&self) -> Program {
        Program::new(&self.options.server)
    }

    /// Where the API server's program is, which is kubectl, too.
    pub(crate) fn server_path(&self) -> &Path {
        &self.options.server
    }

    /// The Kubernetes version that is to be driven.
    pub(crate) fn kubernetes(&self) -> &str {
        &self.options.kubernetes
    }

    /// Where the rendered manifests are.
    pub(crate) fn manifests(&self) -> &Path {
        self.options.manifests.as_deref().expect("the command line demands it")
    }

    /// Where one of our programs is.
    pub(crate) fn program(&self, name: &str) -> String {
        self.options.programs.join(name).display().to_string()
    }
}

/// Plays what the command line asks for.
pub(crate) fn main(options: Options) -> ExitCode {
    let (what, all, at_once) = match options.node {
        Some(_) => ("node", node::ALL, node::AT_ONCE),
        None => ("live", ALL, 1),
    };
    let wanted = |case: &&Case| {
        let named = options.names.iter().any(|name| case.name.contains(name.as_str()));
        (options.names.is_empty() || named) && !(options.quick && case.slow)
    };
    let wanted: Vec<_> = all.iter().filter(wanted).collect();
    if options.list {
        wanted.iter().for_each(|case| println!("{}", case.name));
        return ExitCode::SUCCESS;
    }
    // The message is in the case's own line.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("a panic at {place}");
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let version = options.kubernetes.clone();
    let (standing, admission, node) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
    let stage = Arc::new(Stage { options, standing, admission, node });
    let (mut passed, mut failed) = (0, 0);
    let played = stream::iter(&wanted).map(|case| {
        let stage = Arc::clone(&stage);
        async move {
            let started = Instant::now();
            let play = AssertUnwindSafe((case.play)(stage)).catch_unwind().await;
            (case.name, started.elapsed(), play)
        }
    });
    let told = played.buffer_unordered(at_once).for_each(|(name, took, play)| {
        match play {
            Ok(seen) => {
                passed += 1;
                println!("ok: {name}: {seen} ({:.1} s)", took.as_secs_f64());
            }
            Err(panic) => {
                failed += 1;
                println!("FAILED: {name}: {}", words(&*panic));
            }
        }
        ready(())
    });
    runtime.block_on(told);
    // Children are killed where they are dropped, which needs the runtime.
    runtime.block_on(async { drop(stage) });
    println!("{what}, Kubernetes {version}: {passed} passed, {failed} failed, 0 skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

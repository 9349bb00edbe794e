//! The sidecar on a real node: its image in pods that the API server injects it into, run by kubelet.
//! All of it is in namespaces of its own, which `tests/live/node/inside` prepares.

mod cgroup;
mod confined;
mod containers;
mod crowd;
mod ends;
mod files;
mod headers;
mod kubelet;
mod namespace;
mod observer;
mod own_manifest;
mod pod;
mod policies;
mod probe;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kit::program::Running;
use reqwest::Method;

use crate::case::{Case, Stage, case, slow_case};
use crate::cluster::{Cluster, NODE, Publishes};

/// What is played on a node. What takes longest comes first.
pub(crate) const ALL: &[Case] = &[
    slow_case("rotation", |stage| Box::pin(tokens::rotation(stage))),
    case("first-token", |stage| Box::pin(tokens::first(stage))),
    case("install-commands", |stage| Box::pin(installed(stage))),
    case("job", |stage| Box::pin(tokens::job(stage))),
    case("waits-for-tokens", |stage| Box::pin(tokens::waits(stage))),
    case("ends-last", |stage| Box::pin(ends::last(stage))),
    case("killed", |stage| Box::pin(ends::killed(stage))),
    case("confined", |stage| Box::pin(confined::confined(stage))),
    case("file-modes", |stage| Box::pin(files::modes(stage))),
    case("keys-api", |stage| Box::pin(own_manifest::keys_api(stage))),
    case("observer", |stage| Box::pin(observer::observes(stage))),
    case("header-file", |stage| Box::pin(headers::file(stage))),
    case("header-secret", |stage| Box::pin(headers::secret(stage))),
    case("probe-cost", |stage| Box::pin(probe::cost(stage))),
    case("crowd", |stage| Box::pin(crowd::crowd(stage))),
];

/// So many cases at once: two processors have to do for all of them.
pub(crate) const AT_ONCE: usize = 5;

/// How long anything on a node may take.
const LONG: Duration = Duration::from_secs(180);

/// The commands of docs/install.md that take a node.
async fn installed(stage: Arc<Stage>) -> String {
    let node = stage.node().await;
    let client_id = namespace::register(&node.cluster, "shop").await;
    crate::install::on_node(&stage, node, &node.image, &client_id).await
}

/// What a node is made of.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = true)]
pub(crate) struct Parts {
    /// Plays the cases on a node. The program of kubelet and kube-controller-manager, as
    /// `tests/live/node` builds it.
    #[arg(long = "node", required = false, requires_all = ["app", "sidecar", "cgroup"])]
    program: PathBuf,
    /// The archive of the app's image.
    #[arg(long, required = false)]
    app: PathBuf,
    /// The archive of the sidecar's image.
    #[arg(long, required = false)]
    sidecar: PathBuf,
    /// The cgroup of all pods.
    #[arg(long, required = false)]
    cgroup: String,
}

/// A cluster with one node, and the policies in force there.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) cluster: Cluster,
    /// The sidecar's image, by name.
    image: String,
    _running: Vec<Running>,
}

impl Node {
    /// Puts it up: it is ready, and injects.
    pub(crate) async fn start(stage: &Stage) -> Self {
        let parts = stage.parts();
        let containerd = containers::start(stage).await;
        let cluster = Cluster::start(stage, "node", Publishes::ItselfToPods, 1).await;
        let manager = kubelet::controller_manager(&parts.program, &cluster);
        let kubelet = kubelet::start(&parts.program, &cluster, &parts.cgroup);
        let image = format!("{}:{}", containers::SIDECAR, env!("CARGO_PKG_VERSION"));
        let node = Self { cluster, image, _running: vec![containerd, manager, kubelet] };
        let path = format!("/api/v1/nodes/{NODE}");
        kit::within(LONG, "a node that is ready", async || {
            let answer = node.cluster.kube().ask(Method::GET, &path, None).await;
            let conditions =
                (answer.status == 200).then(|| answer.json()["status"]["conditions"].take())?;
            let ready = conditions.as_array()?.iter().find(|it| it["type"] == "Ready")?;
            (ready["status"] == "True").then_some(())
        })
        .await;
        policies::in_force(stage, &node).await;
        node
    }
}

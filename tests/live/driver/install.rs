//! docs/install.md: each block of commands says above it how it is tried, and those that a cluster can try are run here,
//! in the page's order, as somebody does who reads it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kit::program::Program;
use reqwest::Method;
use serde_json::Value;

use crate::case::Stage;
use crate::cluster::{Cluster, NODE, Publishes};
use crate::kube::Kube;
use crate::node::Node;

const PAGE: &str = include_str!("../../../docs/install.md");

/// What the page calls the image.
const IMAGE: &str = concat!("ghcr.io/cambist/cambist-sidecar:", env!("CARGO_PKG_VERSION"));
/// The version of the page's commands.
const VERSION: &str = "--version 1.36";

/// The files that the page has its reader apply.
const FILES: [&str; 2] = ["shop.yaml", "first-token.yaml"];

/// What is said of a block of commands that needs what no test has.
const AZURE: &str = "illustration: needs Azure";

/// A block of commands.
#[derive(Debug)]
struct Block {
    /// The comment above it.
    said: &'static str,
    commands: String,
}

impl Block {
    fn is_tried_on(&self, what: &str) -> bool {
        let places = self.said.strip_prefix("tried: ").into_iter().flat_map(|it| it.split(','));
        places.into_iter().any(|place| place.trim() == what)
    }
}

/// All blocks of the page; one that does not say how it is tried is a fault.
fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut above = "";
    let mut open = false;
    for line in PAGE.lines() {
        if open {
            match line {
                "```" => open = false,
                _ => {
                    let block = blocks.last_mut().expect("one was begun");
                    block.commands.push_str(line);
                    block.commands.push('\n');
                }
            }
            continue;
        }
        if line == "```sh" {
            let said = above.strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->"));
            let said =
                said.unwrap_or_else(|| panic!("a block says not how it is tried: {above:?}"));
            assert!(
                said.starts_with(AZURE) || said.starts_with("tried: "),
                "{said:?} is not how a block is tried"
            );
            blocks.push(Block { said, commands: String::new() });
            open = true;
        }
        above = line;
    }
    let tried = |what| blocks.iter().filter(|block| block.is_tried_on(what)).count();
    assert!(
        tried("API server") >= 5 && tried("node") >= 4,
        "the page has lost its marks: {blocks:?}"
    );
    blocks
}

/// Whoever reads the page: a folder with what it names, kubectl and the command.
struct Reader<'a> {
    stage: &'a Stage,
    kubeconfig: PathBuf,
    dir: PathBuf,
    /// What stands in the place of what the page has.
    instead: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    fn new(stage: &'a Stage, cluster: &Cluster, name: &str, instead: &[(&str, &str)]) -> Self {
        let dir = stage.dir(name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in it");
        let link = |at: &str, to: &Path| {
            symlink(to, dir.join(at)).expect("a link can be made");
        };
        std::fs::create_dir_all(dir.join("bin")).expect("a directory can be made");
        std::fs::create_dir_all(dir.join("examples/kubernetes")).expect("a directory can be made");
        link("sidecar", &root.join("sidecar"));
        link("bin/cambist", Path::new(&stage.program("cambist")));
        // The program is several, by its first argument.
        let kubectl = dir.join("bin/kubectl");
        let script =
            format!("#!/bin/sh\nexec '{}' kubectl \"$@\"\n", stage.server_path().display());
        std::fs::write(&kubectl, script).expect("a script can be written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&kubectl, mode).expect("it can be made a program");
        let instead = instead.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
        let instead = instead.collect();
        let it = Self { stage, kubeconfig: cluster.kubeconfig(false), dir, instead };
        for file in FILES {
            let text = std::fs::read_to_string(root.join("examples/kubernetes").join(file));
            let text = it.filled_in(&text.expect("the example is there"));
            std::fs::write(it.dir.join("examples/kubernetes").join(file), text)
                .expect("a file can be written");
        }
        it
    }

    fn filled_in(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }

    /// Runs a block, which must do what it should; its output.
    async fn runs(&self, block: &Block) -> String {
        let minor = self.stage.kubernetes().rsplit_once('.').expect("MAJOR.MINOR.PATCH").0;
        let commands =
            self.filled_in(&block.commands).replace(VERSION, &format!("--version {minor}"));
        let path = format!("{}:/usr/bin:/bin", self.dir.join("bin").display());
        let script = format!("set -euo pipefail\ncd '{}'\n{commands}", self.dir.display());
        let bash = Program::new("/bin/bash").args(&["-c", &script]).set("PATH", path);
        let home = self.dir.display().to_string();
        let bash = bash.set("KUBECONFIG", self.kubeconfig.display().to_string()).set("HOME", home);
        let ended = bash.run().await;
        assert_eq!(ended.code(), Some(0), "{commands}{ended:?}");
        ended.stdout
    }
}

/// On an API server without a node: all is admitted, the pod has its sidecar, and all goes away again.
pub(crate) async fn on_api_server(stage: Arc<Stage>) -> String {
    let cluster = Cluster::start(&stage, "install", Publishes::Itself, 1).await;
    let reader = Reader::new(&stage, &cluster, "reader", &[]);
    let kube = cluster.kube();
    let pod = "/api/v1/namespaces/shop/pods/first-token";
    let policies = [
        "mutatingadmissionpolicies/cambist-inject",
        "mutatingadmissionpolicybindings/cambist-inject",
        "validatingadmissionpolicies/cambist-guard",
        "validatingadmissionpolicybindings/cambist-guard",
    ];
    let (mut run, mut injected) = (0, false);
    for block in blocks().iter().filter(|block| block.is_tried_on("API server")) {
        let makes_pod = block.commands.contains("first-token.yaml");
        if makes_pod {
            // The API server goes by what was applied a moment later: a reader is slower than that.
            kit::eventually("a pod that is injected", async || {
                reader.runs(block).await;
                let made = found(kube, pod).await.expect("it was applied");
                if made["spec"]["initContainers"][0]["name"] == "cambist" {
                    return Some(());
                }
                let gone =
                    kube.ask(Method::DELETE, &format!("{pod}?gracePeriodSeconds=0"), None).await;
                assert_eq!(gone.status, 200, "{gone:?}");
                None
            })
            .await;
            injected = true;
        } else {
            let out = reader.runs(block).await;
            if block.commands.contains("kubectl diff") {
                assert_eq!(out, "", "what was applied is what is printed");
            }
        }
        run += 1;
    }
    assert!(injected, "the page makes no pod");
    for name in policies {
        let api = if name.starts_with("mutating")
            && crate::cluster::policies_are_beta(stage.kubernetes())
        {
            "v1beta1"
        } else {
            "v1"
        };
        let path = format!("/apis/admissionregistration.k8s.io/{api}/{name}");
        assert!(found(kube, &path).await.is_none(), "{name} is still there");
    }
    let namespace = found(kube, "/api/v1/namespaces/shop").await.expect("it stays");
    assert!(namespace["metadata"]["labels"].get("cambist.dev/inject").is_none(), "{namespace}");
    let azure = blocks().iter().filter(|block| block.said.starts_with(AZURE)).count();
    format!("{run} blocks of commands, the pod injected, the policies gone; {azure} need Azure")
}

async fn found(kube: &Kube, path: &str) -> Option<Value> {
    let answer = kube.ask(Method::GET, path, None).await;
    (answer.status != 404).then(|| answer.json())
}

/// On a node: the pod gets its token.
pub(crate) async fn on_node(stage: &Stage, node: &Node, image: &str, client_id: &str) -> String {
    let cluster = &node.cluster;
    let settings: String = [
        ("AZURE_AUTHORITY_HOST", cluster.entra("AZURE_AUTHORITY_HOST")),
        ("CAMBIST_ALLOW_AUTHORITY", cluster.entra("CAMBIST_ALLOW_AUTHORITY")),
        ("CAMBIST_CA_FILE", "/var/run/secrets/cambist/ca.pem"),
    ]
    .map(|(name, value)| format!("\n  {name}: {value}"))
    .concat();
    let issuer = format!("{}{settings}", cluster.issuer());
    let node_name = format!("spec:\n  nodeName: {NODE}\n  serviceAccountName");
    let instead = [
        (IMAGE, image),
        ("00000000-0000-4000-8000-000000000001", cluster.entra("AZURE_TENANT_ID")),
        ("00000000-0000-4000-8000-000000000002", client_id),
        ("https://issuer.example/cluster/", &issuer),
        // There is no scheduler.
        ("spec:\n  serviceAccountName", &node_name),
    ];
    let reader = Reader::new(stage, cluster, "reader", &instead);
    let (mut run, mut last) = (0, String::new());
    for block in blocks().iter().filter(|block| block.is_tried_on("node")) {
        last = reader.runs(block).await;
        run += 1;
        if block.commands.contains("shop.yaml") {
            // The simulated Entra's authority, which on Azure everybody trusts.
            trust(cluster).await;
        }
    }
    assert!(last.contains("https://vault.azure.net"), "{last}");
    format!("{run} blocks of commands; the last one printed what is in a token")
}

/// Gives the namespace the CAs of the cluster and the simulated Entra.
async fn trust(cluster: &Cluster) {
    let ca = |path: PathBuf| std::fs::read_to_string(path).expect("an authority is there");
    let both = ca(cluster.ca_file()) + &ca(cluster.entra("CAMBIST_CA_FILE").into());
    let files = serde_json::json!({
        "metadata": { "name": "cambist-files" }, "data": { "ca.pem": both },
    });
    cluster.kube().create("/api/v1/namespaces/shop/configmaps", files).await;
}

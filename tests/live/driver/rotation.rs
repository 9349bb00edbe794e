//! A rotation of the signing key while apps ask for tokens and pods ask the API server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kit::{Sidecar, eventually};
use reqwest::Method;
use serde_json::json;

use crate::case::Stage;
use crate::cluster::{Cluster, Publishes};
use crate::command::{Engineer, findings, report};
use crate::keys::KeyFiles;
use crate::load::Load;
use crate::pods::{Kubelet, admitted};

/// How often each app asks for a token, by turns one that is held and one that is not.
const APP: Duration = Duration::from_millis(50);
/// How often each pod asks the API server who it is.
const POD: Duration = Duration::from_millis(100);
/// How often kubelet renews the tokens of most pods.
const KUBELET: Duration = Duration::from_millis(250);
/// So many answers later, everybody has seen a change.
const A_WHILE: usize = 20;

/// All that asks while the key is rotated.
struct Busy {
    sidecars: Vec<(Arc<Sidecar>, Load)>,
    /// Pods that ask the API servers, which must be up for that.
    pods: Vec<Load>,
    renewing: Load,
    /// Its tokens are renewed as late as can be.
    late: Arc<Kubelet>,
}

impl Busy {
    async fn start(stage: &Stage, cluster: &Cluster) -> Self {
        let often = Kubelet::start(cluster, "pod-often").await;
        let late = Kubelet::start(cluster, "pod-late").await;
        let file = format!("file:{}", cluster.key_set_file().display());
        let mut sidecars = Vec::new();
        for (name, kubelet, keys) in
            [("public", &often, "public"), ("api", &late, "api"), ("file", &often, &*file)]
        {
            let sidecar = Arc::new(kubelet.sidecar(stage, cluster, keys).await);
            let load = app(name, Arc::clone(&sidecar));
            sidecars.push((sidecar, load));
        }
        let pods = [("often", &often), ("late", &late)];
        let pods = pods.map(|(name, kubelet)| pod(name, Arc::clone(kubelet), cluster)).into();
        let renewing = Load::start("renewals", KUBELET, move |_| {
            let often = Arc::clone(&often);
            async move { often.renew().await }.boxed()
        });
        Self { sidecars, pods, renewing, late }
    }

    fn apps(&self) -> impl Iterator<Item = &Load> {
        self.sidecars.iter().map(|(_, load)| load)
    }

    /// Everybody has asked for a while, with tokens that are newer than this moment.
    async fn a_while(&self) {
        self.renewing.goes_on(3).await;
        for load in self.apps().chain(&self.pods) {
            load.goes_on(A_WHILE).await;
        }
    }

    /// Ends it; nobody was ever refused. A single API server that restarts answers nobody, which only
    /// those notice that ask it.
    async fn end(self, always_up: bool) -> String {
        let mut told = Vec::new();
        let mut verified = 0;
        let (mut loads, mut sidecars) = (Vec::new(), Vec::new());
        for (sidecar, load) in self.sidecars {
            sidecars.push(sidecar);
            loads.push(load);
        }
        if always_up {
            loads.extend(self.pods);
            loads.push(self.renewing);
        }
        for load in loads {
            told.push(load.never_failed().await);
        }
        for sidecar in sidecars {
            let (yes, unchecked) = admitted(&sidecar).await;
            assert_eq!(unchecked, 0, "{}", sidecar.log());
            verified += yes;
            let sidecar = Arc::into_inner(sidecar).expect("its app has ended");
            sidecar.stop().await;
        }
        format!("asked {}; 0 failed, {verified} tokens verified, 0 unchecked", told.join(", "))
    }
}

fn app(name: &str, sidecar: Arc<Sidecar>) -> Load {
    let own = name.to_owned();
    Load::start(&format!("app-{name}"), APP, move |turn| {
        let sidecar = Arc::clone(&sidecar);
        let resource = match turn % 2 {
            0 => kit::sidecar::VAULT.to_owned(),
            _ => format!("api://{own}-{turn}"),
        };
        async move {
            match sidecar.try_send(&sidecar.app_service(&resource)).await {
                Some(reply) if reply.status == 200 => Ok(()),
                Some(reply) => Err(format!("{resource}: {reply:?}")),
                None => Err(format!("{resource}: no answer")),
            }
        }
        .boxed()
    })
}

fn pod(name: &str, kubelet: Arc<Kubelet>, cluster: &Cluster) -> Load {
    let kube = cluster.kube().clone();
    Load::start(&format!("pod-{name}"), POD, move |_| {
        let (kube, [_, token]) = (kube.clone(), kubelet.current());
        async move {
            let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
            let body = json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
            });
            let answer = kube.try_ask(Method::POST, path, Some(&token), None, Some(body)).await?;
            if answer.status == 201 { Ok(()) } else { Err(format!("{answer:?}")) }
        }
        .boxed()
    })
}

/// One look with a history; what it says, for the figure. It must never cry wolf.
async fn look(stage: &Stage, cluster: &Cluster, step: &str) -> String {
    let engineer = Engineer::of(stage, cluster, "cambist/stranger").await;
    let history = format!("file:{}", cluster.dir().join("history.json").display());
    let token_file = cluster.dir().join("pod-often/token").display().to_string();
    let check = engineer.command("check").args(&[
        "--token-file",
        &token_file,
        "--history",
        &history,
        "-o",
        "json",
    ]);
    let ended = check.run().await;
    let report = report(&ended);
    let verdict = report["verdict"].as_str().unwrap_or_default().to_owned();
    assert_ne!(ended.code(), Some(2), "{step}: {ended:?}");
    assert!(!findings(&report).iter().any(|it| it == "K102"), "{step}: {ended:?}");
    format!("{step} {verdict}")
}

/// One step on each server, one after the other.
async fn everywhere(cluster: &mut Cluster, signer: &KeyFiles, verifiers: &[&KeyFiles]) {
    for number in 0..cluster.servers() {
        cluster.restart(number, signer, verifiers).await;
    }
}

/// In the order that breaks nobody.
async fn rotate(stage: &Stage, name: &str, servers: usize) -> String {
    let mut cluster = Cluster::start(stage, name, Publishes::ASite, servers).await;
    cluster.publish().await;
    let (old, new) = (cluster.first_key(), cluster.key("second"));
    let busy = Busy::start(stage, &cluster).await;
    let mut seen = vec![look(stage, &cluster, "before").await];

    everywhere(&mut cluster, &old, &[&old, &new]).await;
    seen.push(look(stage, &cluster, "verifier").await);
    cluster.publish().await;
    seen.push(look(stage, &cluster, "published").await);
    busy.a_while().await;
    everywhere(&mut cluster, &new, &[&new, &old]).await;
    busy.a_while().await;
    seen.push(look(stage, &cluster, "signs").await);
    let before = Cluster::kid(&busy.late.current()[0]);
    busy.late.renew().await.unwrap_or_else(|error| panic!("{error}"));
    let after = Cluster::kid(&busy.late.current()[0]);
    assert_ne!(before, after, "the longest token was of the old key until now");
    cluster.publish_only(&after).await;
    busy.a_while().await;
    seen.push(look(stage, &cluster, "unpublished").await);
    everywhere(&mut cluster, &new, &[&new]).await;
    busy.a_while().await;
    seen.push(look(stage, &cluster, "dropped").await);
    let told = busy.end(servers > 1).await;
    format!("{told}; {}", seen.join(", "))
}

fn failed<'a>(loads: impl Iterator<Item = &'a Load>) -> usize {
    loads.map(Load::failed).sum()
}

/// One API server, which is away while it restarts.
pub(crate) async fn one_server(stage: Arc<Stage>) -> String {
    rotate(&stage, "one-server", 1).await
}

/// Two API servers behind one address, of which one is always up.
pub(crate) async fn two_servers(stage: Arc<Stage>) -> String {
    rotate(&stage, "two-servers", 2).await
}

/// The wrong order breaks both, so that the right one proves something: one server signs with a key
/// that the other does not know and nobody has published.
pub(crate) async fn signs_first(stage: Arc<Stage>) -> String {
    let mut cluster = Cluster::start(&stage, "signs-first", Publishes::ASite, 2).await;
    cluster.publish().await;
    let (old, new) = (cluster.first_key(), cluster.key("second"));
    let busy = Busy::start(&stage, &cluster).await;
    busy.a_while().await;
    cluster.restart(0, &new, &[&new, &old]).await;
    let (apps, pods) = eventually("a failure on each side", async || {
        let (apps, pods) = (failed(busy.apps()), failed(busy.pods.iter()));
        (apps > 0 && pods > 0).then_some((apps, pods))
    })
    .await;
    format!("refused, as they must be: apps {apps}, pods {pods}")
}

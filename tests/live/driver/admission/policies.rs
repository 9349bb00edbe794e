//! The policies, as the command prints them, in the cluster and out of it.

use kit::{Program, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use super::world::World;
use super::written::pod;
use crate::case::Stage;
use crate::kube::Kube;
use crate::objects::{apply, documents, path};

/// What `cambist deploy inject` prints, for the cluster's version.
#[derive(Clone, Debug)]
pub(crate) struct Policies(Vec<Value>);

impl Policies {
    /// With these flags besides.
    pub(crate) async fn print(stage: &Stage, flags: &[&str]) -> Self {
        let mut inject =
            Program::new(stage.program("cambist")).args(&["deploy", "inject"]).args(flags);
        if !flags.contains(&"--version") {
            inject = inject.args(&["--version", stage.kubernetes()]);
        }
        let ended = inject.run().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        Self(documents(&ended.stdout))
    }

    /// The same, of the API that others are of.
    pub(super) fn with_api_of(mut self, others: &Self) -> Self {
        for (document, other) in self.0.iter_mut().zip(&others.0) {
            document["apiVersion"] = other["apiVersion"].clone();
        }
        self
    }

    /// A policy's variable without its quotes.
    pub(super) fn image(&self) -> String {
        let variables = self.0[0]["spec"]["variables"].as_array().expect("it has variables");
        let image = variables.iter().find(|it| it["name"] == "image").expect("one is the image");
        image["expression"].as_str().expect("a text").trim_matches('"').to_owned()
    }

    /// The policy that injects.
    pub(super) fn injection(&self) -> Value {
        self.0[0].clone()
    }

    /// Its binding.
    pub(super) fn binding(&self) -> Value {
        self.0[1].clone()
    }

    /// Makes them, or puts them in the place of those that are there.
    pub(crate) async fn apply(&self, kube: &Kube) {
        for document in &self.0 {
            apply(kube, document.clone()).await;
        }
    }

    /// Takes them out.
    pub(super) async fn delete(&self, kube: &Kube) {
        for document in &self.0 {
            kube.ask(Method::DELETE, &path(document, true), None).await.json();
        }
    }

    /// Waits until the API server goes by them, which it does a moment later.
    pub(super) async fn in_force(&self, world: &World) {
        // Both know the image once a pod is given it and let through: in between, one may know another.
        let image = json!(self.image());
        eventually("a pod that is injected and admitted", async || {
            let answer = world.ask(&pod("plain"), false).await;
            let is_it = answer.status == 201
                && answer.json()["spec"]["initContainers"][0]["image"] == image;
            is_it.then_some(())
        })
        .await;
        eventually("a guarded namespace", async || {
            let answer = world.ask(&pod("as-default"), false).await;
            (answer.status != 201).then_some(())
        })
        .await;
    }
}

//! A namespace of a case's own, with an identity in Entra.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Node;
use crate::cluster::{Cluster, ENTRA};
use crate::objects::apply;

/// The account of the apps.
pub(super) const ACCOUNT: &str = "checkout";

/// A namespace that asks for injection, and enforces *restricted*.
#[derive(Debug)]
pub(super) struct Namespace<'a> {
    pub(super) node: &'a Node,
    pub(super) name: &'static str,
    /// The client id of its identity.
    pub(super) client_id: String,
    /// What the ConfigMap `cambist` says.
    pub(super) settings: Map<String, Value>,
}

impl<'a> Namespace<'a> {
    /// With an identity that trusts its account, annotations, and settings beside the usual ones.
    pub(super) async fn new(
        node: &'a Node,
        name: &'static str,
        annotations: &[(&str, &str)],
        settings: &[(&str, &str)],
    ) -> Self {
        let labels = json!({
            "cambist.dev/inject": "true",
            "pod-security.kubernetes.io/enforce": "restricted",
        });
        Self::labelled(node, name, labels, annotations, settings).await
    }

    /// One that asks for nothing.
    pub(super) async fn plain(
        node: &'a Node,
        name: &'static str,
        settings: &[(&str, &str)],
    ) -> Self {
        let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
        Self::labelled(node, name, labels, &[], settings).await
    }

    async fn labelled(
        node: &'a Node,
        name: &'static str,
        labels: Value,
        annotations: &[(&str, &str)],
        settings: &[(&str, &str)],
    ) -> Self {
        let annotations: Map<_, _> =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let metadata = json!({ "name": name, "labels": labels, "annotations": annotations });
        let kube = node.cluster.kube();
        kube.create("/api/v1/namespaces", json!({ "metadata": metadata })).await;
        let client_id = register(&node.cluster, name).await;
        let cluster = &node.cluster;
        let mut all = Map::new();
        for name in ["AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST", "CAMBIST_ALLOW_AUTHORITY"] {
            all.insert(name.to_owned(), json!(cluster.entra(name)));
        }
        let mut set = |name: &str, value: &str| drop(all.insert(name.to_owned(), json!(value)));
        set("AZURE_CLIENT_ID", &client_id);
        set("CAMBIST_ISSUER", cluster.issuer());
        set("CAMBIST_CA_FILE", "/var/run/secrets/cambist/ca.pem");
        // What it sends to Entra was verified.
        set("CAMBIST_KEY_AGE", "enforce");
        settings.iter().for_each(|(name, value)| set(name, value));
        let it = Self { node, name, client_id, settings: all };
        it.make(json!({ "kind": "ServiceAccount", "apiVersion": "v1", "metadata": { "name": ACCOUNT } }))
            .await;
        it.config_map("cambist", it.settings.clone()).await;
        let ca = |path| std::fs::read_to_string(path).expect("an authority is there");
        let both = ca(cluster.ca_file()) + &ca(cluster.entra("CAMBIST_CA_FILE").into());
        it.config_map("cambist-files", Map::from_iter([("ca.pem".to_owned(), json!(both))])).await;
        it
    }

    /// Makes an object in it, or replaces it.
    pub(super) async fn make(&self, mut object: Value) -> Value {
        object["metadata"]["namespace"] = json!(self.name);
        apply(self.node.cluster.kube(), object).await
    }

    /// Makes a ConfigMap, or replaces it.
    pub(super) async fn config_map(&self, name: &str, data: Map<String, Value>) {
        self.make(json!({
            "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "name": name }, "data": data,
        }))
        .await;
    }

    /// An object of it.
    pub(super) async fn read(&self, of: &str, name: &str) -> Value {
        let path =
            format!("{of}/{name}").replace("NAMESPACE", &format!("namespaces/{}", self.name));
        self.node.cluster.kube().ask(Method::GET, &path, None).await.json()
    }

    /// The requests to Entra that were for the namespace's identity, oldest first.
    pub(super) async fn exchanges(&self) -> Vec<Value> {
        self.node.cluster.simulated().exchanges(&self.client_id).await
    }
}

/// An identity whose federated credential is the namespace's account; its client id.
pub(super) async fn register(cluster: &Cluster, namespace: &str) -> String {
    let trust = trust(cluster, namespace);
    let body = json!({ "federated_credentials": [trust] });
    let made = cluster.simulated().ask("/sim/identity", Some(body)).await;
    made["client_id"].as_str().expect("it has one").to_owned()
}

/// What is trusted, as the simulator takes it.
pub(super) fn trust(cluster: &Cluster, namespace: &str) -> String {
    let issuer = cluster.issuer();
    format!("issuer={issuer},subject=system:serviceaccount:{namespace}:{ACCOUNT},audience={ENTRA}")
}

//! The history in a ConfigMap: read, changed and written back with its `resourceVersion`, so that
//! of two writers one is told to read again.

use bytes::Bytes;
use cambist_key_age::History;
use cambist_key_age::history::HistoryError;
use http::Method;
use serde_json::{Value, json};

use crate::collect::http::{Document, HttpError, send};
use crate::kubernetes::ApiServer;

/// The key in the ConfigMap's data. A pod that mounts it finds a file of this name.
pub(crate) const DATA_KEY: &str = "history.json";

/// A ConfigMap may have 1 MiB; JSON in JSON needs more room than it has content.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// How often a write is tried while others write, too.
const TRIES: usize = 8;

/// A ConfigMap on an API server.
#[derive(Debug)]
pub(crate) struct ConfigMap {
    server: ApiServer,
    namespace: String,
    name: String,
}

/// Why the ConfigMap cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigMapError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{verb} of ConfigMap {map} was answered with {status}{}", hint(*.status, .verb))]
    Status { verb: &'static str, map: String, status: u16 },
    #[error("ConfigMap {map}: the API server's answer is no ConfigMap")]
    Shape { map: String },
    #[error(
        "ConfigMap {map}: {source}; delete its {DATA_KEY} to start a new history: ages are then UNKNOWN until enough was seen"
    )]
    History { map: String, source: HistoryError },
    #[error(
        "ConfigMap {map} changed under each of {TRIES} tries to write it; are many observers writing to it?"
    )]
    Contended { map: String },
}

fn hint(status: u16, verb: &str) -> String {
    match status {
        401 => "; the token is not accepted by this API server: is its audience the API server's?"
            .to_owned(),
        403 => format!("; allow the account {verb} on configmaps by a Role in that namespace"),
        404 => "; does the namespace exist?".to_owned(),
        413 | 422 => "; the object is refused as too large or invalid".to_owned(),
        _ => String::new(),
    }
}

/// A ConfigMap as it was read, to be changed and sent back.
struct Object {
    value: Value,
    exists: bool,
}

impl ConfigMap {
    pub(crate) fn new(server: ApiServer, namespace: String, name: String) -> Self {
        Self { server, namespace, name }
    }

    fn map(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn url(&self) -> String {
        format!("{}/api/v1/namespaces/{}/configmaps", self.server.url(), self.namespace)
    }

    /// The history in it, if it has one.
    pub(crate) async fn read(&self) -> Result<Option<History>, ConfigMapError> {
        let object = self.get().await?;
        self.history(&object)
    }

    /// Changes the history: the change is made anew on whatever others wrote in the meantime.
    pub(crate) async fn add(
        &self,
        issuer: &str,
        change: impl Fn(&mut History),
    ) -> Result<(), ConfigMapError> {
        for _ in 0..TRIES {
            let mut object = self.get().await?;
            let mut history = self.history(&object)?.unwrap_or_else(|| History::new(issuer));
            change(&mut history);
            // At most 64 KiB, far below what a ConfigMap may have.
            let bytes = history.encode();
            let bytes =
                bytes.map_err(|source| ConfigMapError::History { map: self.map(), source })?;
            object.set(&String::from_utf8_lossy(&bytes));
            if self.put(&object).await? {
                return Ok(());
            }
        }
        Err(ConfigMapError::Contended { map: self.map() })
    }

    async fn get(&self) -> Result<Object, ConfigMapError> {
        let url = format!("{}/{}", self.url(), self.name);
        let (body, reply) = self.send(Method::GET, &url, Bytes::new()).await?;
        match reply {
            200 => {
                let value = serde_json::from_slice(&body).ok();
                let value = value.filter(|value: &Value| value["metadata"].is_object());
                let value = value.ok_or_else(|| ConfigMapError::Shape { map: self.map() })?;
                Ok(Object { value, exists: true })
            }
            404 => {
                let value = json!({
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": self.name,
                        "namespace": self.namespace,
                        "labels": { "app.kubernetes.io/managed-by": "cambist" },
                    },
                });
                Ok(Object { value, exists: false })
            }
            status => Err(ConfigMapError::Status { verb: "get", map: self.map(), status }),
        }
    }

    /// Whether it was written; not, if somebody else was faster.
    async fn put(&self, object: &Object) -> Result<bool, ConfigMapError> {
        let body = Bytes::from(object.value.to_string());
        let (verb, method, url) = if object.exists {
            ("update", Method::PUT, format!("{}/{}", self.url(), self.name))
        } else {
            ("create", Method::POST, self.url())
        };
        match self.send(method, &url, body).await?.1 {
            200 | 201 => Ok(true),
            409 => Ok(false),
            // Deleted since it was read: made anew at the next try.
            404 if object.exists => Ok(false),
            status => Err(ConfigMapError::Status { verb, map: self.map(), status }),
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
    ) -> Result<(Bytes, u16), HttpError> {
        let (transport, bearer) = (self.server.transport(), self.server.bearer());
        let (body, reply) =
            send(transport, method, url, bearer, body, Document::object(MAX_BODY)).await?;
        Ok((body, reply.status))
    }

    fn history(&self, object: &Object) -> Result<Option<History>, ConfigMapError> {
        match object.value["data"][DATA_KEY].as_str() {
            None | Some("") => Ok(None),
            Some(text) => History::decode(text.as_bytes())
                .map(Some)
                .map_err(|source| ConfigMapError::History { map: self.map(), source }),
        }
    }
}

impl Object {
    /// Leaves everything else of the object as it is, its `resourceVersion` above all.
    fn set(&mut self, history: &str) {
        if !self.value["data"].is_object() {
            self.value["data"] = json!({});
        }
        self.value["data"][DATA_KEY] = Value::from(history);
    }
}

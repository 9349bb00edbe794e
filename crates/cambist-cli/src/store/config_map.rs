//! The history in a ConfigMap: read, changed and written back with its `resourceVersion`, so that
//! of two writers one is told to read again.

use std::time::Duration;

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

/// How often a write is tried while others write, too: a dozen writers that begin at one moment all come
/// through.
const TRIES: u32 = 16;

/// The longest pause after a first conflict, and after many.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How long to wait after so many conflicts: any time up to one that doubles, or those who met once would
/// meet again. `dice` is any number.
fn pause(conflicts: u32, dice: u16) -> Duration {
    let (first, most) = PAUSES;
    let longest = first.saturating_mul(1 << conflicts.min(16)).min(most);
    longest.saturating_mul(u32::from(dice)) / u32::from(u16::MAX)
}

fn dice() -> u16 {
    let mut bytes = [0; 2];
    // Without random numbers there is none of the rest, TLS, either; the middle will do.
    aws_lc_rs::rand::fill(&mut bytes).map_or(u16::MAX / 2, |()| u16::from_ne_bytes(bytes))
}

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
    #[error("{verb} of ConfigMap {map} was answered with {status}{}", hint(*.status, .verb, .map))]
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

fn hint(status: u16, verb: &str, map: &str) -> String {
    let (namespace, name) = map.split_once('/').unwrap_or(("", map));
    match status {
        401 => "; the token is not accepted by this API server: is its audience the API server's?"
            .to_owned(),
        // RBAC cannot limit `create` to a name.
        403 if verb == "create" => format!(
            "; make it beforehand with `kubectl -n {namespace} create configmap {name}`: then get and update on configmaps, resourceNames [{name}], are all that the account's Role needs"
        ),
        403 => format!(
            "; allow the account get and update on configmaps, resourceNames [{name}], by a Role and a RoleBinding in the namespace {namespace}"
        ),
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
        for conflicts in 0..TRIES {
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
            if conflicts + 1 < TRIES {
                tokio::time::sleep(pause(conflicts, dice())).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_met_once_waits_for_a_time_of_his_own() {
        let (first, most) = PAUSES;
        assert_eq!([pause(0, 0), pause(0, u16::MAX)], [Duration::ZERO, first]);
        assert_eq!([pause(1, u16::MAX), pause(3, u16::MAX)], [first * 2, first * 8]);
        assert_eq!([pause(10, u16::MAX), pause(u32::MAX, u16::MAX)], [most; 2]);
        assert!(pause(5, 20_000) < pause(5, 40_000));
        let thrown: std::collections::BTreeSet<_> = (0..64).map(|_| dice()).collect();
        assert!(thrown.len() > 8, "{thrown:?}");
    }

    #[test]
    fn what_is_forbidden_is_told_with_the_role_that_is_missing() {
        let told = |verb, status| {
            ConfigMapError::Status { verb, map: "ops/history".to_owned(), status }.to_string()
        };
        for verb in ["get", "update"] {
            let told = told(verb, 403);
            assert!(
                told.contains("resourceNames [history]") && told.contains("namespace ops"),
                "{told}"
            );
        }
        assert!(told("create", 403).contains("kubectl -n ops create configmap history"));
        for status in [401, 404, 409, 422, 500] {
            assert!(!told("get", status).contains("Role"), "{status}");
        }
    }
}

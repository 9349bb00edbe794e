//! ConfigMaps with optimistic concurrency.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cambist_core::clock::UnixTime;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{lock, random};

/// What a ConfigMap's data may amount to, in bytes.
const MAX_DATA: usize = 1024 * 1024;

/// All ConfigMaps of the cluster. Clones share them.
///
/// An update must carry the `resourceVersion` it was made from, or none to win in any case; one that
/// carries another is refused with 409, and so is the creation of what exists.
#[derive(Clone, Debug, Default)]
pub struct ConfigMaps(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// By namespace and name.
    maps: BTreeMap<(String, String), Value>,
    /// The cluster's last `resourceVersion`.
    version: u64,
}

/// A refusal, in the parts of Kubernetes' `Status`.
pub(super) struct Refused {
    pub(super) code: StatusCode,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl ConfigMaps {
    /// One of them, as the API server would return it.
    ///
    /// ```
    /// let sim = cambist_sim::Sim::new()?;
    /// let maps = sim.api().config_maps();
    /// assert_eq!(maps.get("shop", "settings"), None);
    /// maps.set("shop", "settings", &[("colour", "blue")]);
    /// assert_eq!(maps.get("shop", "settings").unwrap()["data"]["colour"], "blue");
    /// # Ok::<(), cambist_sim::SimError>(())
    /// ```
    pub fn get(&self, namespace: &str, name: &str) -> Option<Value> {
        lock(&self.0).maps.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Writes one as somebody else would, with these data and no others. Who has read it before will
    /// be told of the conflict.
    pub fn set(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        let data: BTreeMap<_, _> = data.iter().copied().collect();
        let key = (namespace.to_owned(), name.to_owned());
        let mut inner = lock(&self.0);
        let object = inner.maps.get(&key).cloned().unwrap_or_else(|| new_map(&key));
        inner.store(key, object, json!(data));
    }

    pub(super) fn answer(
        &self,
        method: &Method,
        path: &str,
        body: &[u8],
        now: UnixTime,
    ) -> Result<(StatusCode, Value), Refused> {
        let nowhere = || refused(StatusCode::NOT_FOUND, "NotFound", "no such resource".to_owned());
        let parts = path.strip_prefix("/api/v1/namespaces/").ok_or_else(nowhere)?;
        match (method, &parts.split('/').collect::<Vec<_>>()[..]) {
            (&Method::GET, &[namespace, "configmaps", name]) => self
                .get(namespace, name)
                .map(|object| (StatusCode::OK, object))
                .ok_or_else(|| not_found(name)),
            (&Method::PUT, &[namespace, "configmaps", name]) => {
                let object = parse(body, namespace)?;
                if object["metadata"]["name"] != name {
                    let words = "the name of the object does not match the name on the URL";
                    return Err(refused(StatusCode::BAD_REQUEST, "BadRequest", words.to_owned()));
                }
                lock(&self.0).update(namespace, name, object)
            }
            (&Method::POST, &[namespace, "configmaps"]) => {
                lock(&self.0).create(namespace, parse(body, namespace)?, now)
            }
            (_, &[_, "configmaps"] | &[_, "configmaps", _]) => {
                let words = format!("{method} is not supported here");
                Err(refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", words))
            }
            _ => Err(nowhere()),
        }
    }
}

impl Inner {
    fn create(
        &mut self,
        namespace: &str,
        mut object: Value,
        now: UnixTime,
    ) -> Result<(StatusCode, Value), Refused> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (namespace.to_owned(), name.clone());
        if name.is_empty() {
            let words = "name or generateName is required".to_owned();
            return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", words));
        }
        if object["metadata"].get("resourceVersion").is_some_and(|it| it != "") {
            let words = "resourceVersion should not be set on objects to be created".to_owned();
            return Err(refused(StatusCode::BAD_REQUEST, "BadRequest", words));
        }
        if self.maps.contains_key(&key) {
            let words = format!("configmaps \"{name}\" already exists");
            return Err(refused(StatusCode::CONFLICT, "AlreadyExists", words));
        }
        object["metadata"]["uid"] = random::uuid().into();
        object["metadata"]["creationTimestamp"] = now.to_string().into();
        let data = object["data"].take();
        Ok((StatusCode::CREATED, self.store(key, object, data)))
    }

    fn update(
        &mut self,
        namespace: &str,
        name: &str,
        mut object: Value,
    ) -> Result<(StatusCode, Value), Refused> {
        let key = (namespace.to_owned(), name.to_owned());
        let old = self.maps.get(&key).ok_or_else(|| not_found(name))?;
        let from = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !from.is_empty() && old["metadata"]["resourceVersion"] != from {
            let words = format!(
                "Operation cannot be fulfilled on configmaps \"{name}\": the object has been \
                 modified; please apply your changes to the latest version and try again"
            );
            return Err(refused(StatusCode::CONFLICT, "Conflict", words));
        }
        for fixed in ["uid", "creationTimestamp"] {
            object["metadata"][fixed] = old["metadata"][fixed].clone();
        }
        let data = object["data"].take();
        Ok((StatusCode::OK, self.store(key, object, data)))
    }

    fn store(&mut self, key: (String, String), mut object: Value, data: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object["data"] = data;
        self.maps.insert(key, object.clone());
        object
    }
}

fn new_map((namespace, name): &(String, String)) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "namespace": namespace, "name": name, "uid": random::uuid() },
    })
}

/// A ConfigMap of this namespace, and not too large.
fn parse(body: &[u8], namespace: &str) -> Result<Value, Refused> {
    let bad = |words: String| refused(StatusCode::BAD_REQUEST, "BadRequest", words);
    let mut object: Value = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    if object["kind"] != "ConfigMap" || object["apiVersion"] != "v1" {
        return Err(bad("the object is no ConfigMap of v1".to_owned()));
    }
    if !object["metadata"].is_object() {
        return Err(bad("the object has no metadata".to_owned()));
    }
    let said = object["metadata"]["namespace"].as_str();
    if said.is_some_and(|said| said != namespace) {
        let words = "the namespace of the object does not match the namespace on the URL";
        return Err(bad(words.to_owned()));
    }
    object["metadata"]["namespace"] = namespace.into();
    let data = object["data"].as_object().into_iter().flatten();
    let texts = data.map(|(_, text)| text.as_str().map(str::len));
    let size = texts.sum::<Option<usize>>();
    let size = size.ok_or_else(|| bad("a value in data is no string".to_owned()))?;
    if size > MAX_DATA {
        let words = format!("data: Too long: must have at most {MAX_DATA} bytes");
        return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", words));
    }
    Ok(object)
}

fn not_found(name: &str) -> Refused {
    refused(StatusCode::NOT_FOUND, "NotFound", format!("configmaps \"{name}\" not found"))
}

fn refused(code: StatusCode, reason: &'static str, message: String) -> Refused {
    Refused { code, reason, message }
}

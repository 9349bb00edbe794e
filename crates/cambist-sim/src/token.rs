//! Service-account tokens, as they should be and as they should not.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cambist_core::clock::UnixTime;
use serde_json::{Map, Value, json};

use crate::keys::{KeyError, SigningKey};
use crate::random;

/// The pod a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workload {
    /// The pod's namespace.
    pub namespace: String,
    /// The name of the pod's service account.
    pub service_account: String,
    /// The service account's UID.
    pub service_account_uid: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID.
    pub pod_uid: String,
    /// The node the pod runs on; `None` as long as it has been given none.
    pub node: Option<Node>,
}

/// A node that a pod runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Workload {
    /// A pod of the given service account, with UIDs of its own.
    ///
    /// ```
    /// let shop = cambist_sim::token::Workload::new("shop", "checkout");
    /// assert_eq!(shop.subject(), "system:serviceaccount:shop:checkout");
    /// ```
    pub fn new(namespace: &str, service_account: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            service_account_uid: random::uuid(),
            pod: format!("{service_account}-{}", random::hex::<4>()),
            pod_uid: random::uuid(),
            node: Some(Node { name: "node-1".to_owned(), uid: random::uuid() }),
        }
    }

    /// The `sub` claim of its tokens.
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account)
    }
}

/// What kind of token a workload has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Form {
    /// A normal one, renewed by kubelet.
    #[default]
    Projected,
    /// One valid for a year, as whoever asks for that gets it from an API server that allows it.
    Long,
    /// One from a Secret: [`TokenSpec::legacy`]. Nobody renews it.
    Legacy,
}

/// A token's header and claims before it is signed; change either at will.
///
/// ```
/// use cambist_core::clock::UnixTime;
/// use cambist_sim::{keys::KeySource, token::{TokenSpec, Workload}};
/// use std::time::Duration;
///
/// let key = KeySource::Pool.take(0)?;
/// let token = TokenSpec::projected(
///     "https://issuer.sim.test/",
///     &Workload::new("shop", "checkout"),
///     "api://AzureADTokenExchange",
///     UnixTime::from_secs(1_795_407_225),
///     Duration::from_secs(3600),
/// )
/// .claim("aud", "https://somebody.else")
/// .without_claim("nbf")
/// .sign(&key)?;
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), cambist_sim::keys::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenSpec {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl TokenSpec {
    /// What kube-apiserver puts into a token that kubelet asks for on behalf of a pod.
    ///
    /// The header's `alg` and `kid` are filled in on signing unless set before.
    pub fn projected(
        issuer: &str,
        workload: &Workload,
        audience: &str,
        now: UnixTime,
        ttl: Duration,
    ) -> Self {
        let mut claims = json!({
            "aud": [audience],
            "exp": (now + ttl).as_secs(),
            "iat": now.as_secs(),
            "iss": issuer,
            "jti": random::uuid(),
            "kubernetes.io": {
                "namespace": workload.namespace,
                "pod": { "name": workload.pod, "uid": workload.pod_uid },
                "serviceaccount": {
                    "name": workload.service_account,
                    "uid": workload.service_account_uid,
                },
            },
            "nbf": now.as_secs(),
            "sub": workload.subject(),
        });
        if let Some(Node { name, uid }) = &workload.node {
            claims["kubernetes.io"]["node"] = json!({ "name": name, "uid": uid });
        }
        Self { header: Map::new(), claims: object(claims) }
    }

    /// What kube-apiserver makes of it with `--service-account-extend-token-expiration`: valid for a
    /// year, so that apps survive that never read the file again, and with `warnafter` to find them.
    ///
    /// It does so with what it mounts into pods unasked alone: a token of 3607 seconds for its own
    /// audience. Every other one, so each one for Entra, stays as it is.
    #[must_use]
    pub fn extended(mut self, api_audience: &str) -> Self {
        const YEAR: i64 = 365 * 24 * 3600;
        const WARN_AFTER: i64 = 3607;
        let moment = |name| self.claims.get(name).and_then(Value::as_i64).unwrap_or_default();
        let issued = moment("iat");
        let own = self.claims.get("aud") == Some(&json!([api_audience]));
        if !own || moment("exp") - issued != WARN_AFTER {
            return self;
        }
        self.claims.insert("exp".to_owned(), (issued + YEAR).into());
        if let Some(Value::Object(own)) = self.claims.get_mut("kubernetes.io") {
            own.insert("warnafter".to_owned(), (issued + WARN_AFTER).into());
        }
        self
    }

    /// What a Secret of type `kubernetes.io/service-account-token` holds: valid for ever and
    /// everywhere, without times or audience.
    pub fn legacy(workload: &Workload) -> Self {
        let claims = json!({
            "iss": "kubernetes/serviceaccount",
            "kubernetes.io/serviceaccount/namespace": workload.namespace,
            "kubernetes.io/serviceaccount/secret.name":
                format!("{}-token", workload.service_account),
            "kubernetes.io/serviceaccount/service-account.name": workload.service_account,
            "kubernetes.io/serviceaccount/service-account.uid": workload.service_account_uid,
            "sub": workload.subject(),
        });
        Self { header: Map::new(), claims: object(claims) }
    }

    /// Sets a member of the header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a member of the header out, `alg` and `kid` included.
    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        // Null marks what signing must not fill in; no header of ours holds a null of its own.
        self.header(name, Value::Null)
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// The claims as they stand.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The compact JWS, signed with `key`, whatever the header says about it.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn sign(&self, key: &SigningKey) -> Result<String, KeyError> {
        let mut header = self.header.clone();
        header.entry("alg").or_insert_with(|| key.algorithm().into());
        header.entry("kid").or_insert_with(|| key.kid().into());
        header.retain(|_, value| !value.is_null());
        let (header, claims) = (Value::Object(header), Value::Object(self.claims.clone()));
        key.sign_parts(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// The same with an empty signature and `"alg":"none"`.
    pub fn unsigned(&self) -> String {
        let header = json!({ "alg": "none" }).to_string();
        let claims = Value::Object(self.claims.clone()).to_string();
        format!("{}.{}.", BASE64URL.encode(header), BASE64URL.encode(claims))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeySource;

    fn part(token: &str, index: usize) -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap()
    }

    fn spec() -> TokenSpec {
        lasting(600)
    }

    fn lasting(secs: u64) -> TokenSpec {
        let now = UnixTime::from_secs(1_000_000);
        let workload = Workload::new("shop", "checkout");
        TokenSpec::projected("https://i.test", &workload, "aud", now, Duration::from_secs(secs))
    }

    #[test]
    fn has_the_claims_of_kubernetes() {
        let key = KeySource::Pool.take(0).unwrap();
        let token = spec().sign(&key).unwrap();
        assert_eq!(part(&token, 0), json!({ "alg": "RS256", "kid": key.kid() }));
        let claims = part(&token, 1);
        assert_eq!(claims["aud"], json!(["aud"]));
        assert_eq!(claims["sub"], "system:serviceaccount:shop:checkout");
        assert_eq!(claims["exp"], 1_000_600);
        assert_eq!(claims["nbf"], claims["iat"]);
        assert_eq!(claims["kubernetes.io"]["serviceaccount"]["name"], "checkout");
        assert_eq!(claims["kubernetes.io"]["node"]["name"], "node-1");
        assert!(cambist_core::names::is_guid(claims["jti"].as_str().unwrap()));
    }

    #[test]
    fn a_pod_that_has_no_node_yet_names_none() {
        let workload = Workload { node: None, ..Workload::new("shop", "checkout") };
        let (now, ttl) = (UnixTime::from_secs(1_000_000), Duration::from_secs(600));
        let spec = TokenSpec::projected("https://i.test", &workload, "aud", now, ttl);
        assert_eq!(spec.claims()["kubernetes.io"].get("node"), None);
    }

    #[test]
    fn only_what_the_api_server_mounts_unasked_lives_a_year() {
        let extended = lasting(3607).extended("aud");
        assert_eq!(extended.claims()["exp"], 1_000_000 + 31_536_000);
        assert_eq!(extended.claims()["kubernetes.io"]["warnafter"], 1_003_607);
        for (secs, api_audience) in [(3607, "other"), (3600, "aud")] {
            let spec = lasting(secs).extended(api_audience);
            assert_eq!(spec.claims()["exp"], 1_000_000 + secs);
            assert_eq!(spec.claims()["kubernetes.io"].get("warnafter"), None);
        }
    }

    #[test]
    fn legacy_tokens_live_for_ever() {
        let key = crate::keys::SigningKey::generate_ec().unwrap();
        let token = TokenSpec::legacy(&Workload::new("shop", "checkout")).sign(&key).unwrap();
        assert_eq!(part(&token, 0)["alg"], "ES256");
        let claims = part(&token, 1);
        for name in ["exp", "iat", "nbf", "aud", "jti"] {
            assert_eq!(claims.get(name), None, "{name}");
        }
        assert_eq!(claims["kubernetes.io/serviceaccount/namespace"], "shop");
    }

    #[test]
    fn forges_what_it_is_told() {
        let key = KeySource::Pool.take(0).unwrap();
        let token = spec()
            .header("alg", "ES256")
            .header("crit", json!(["exp"]))
            .without_header("kid")
            .without_claim("exp")
            .sign(&key)
            .unwrap();
        assert_eq!(part(&token, 0), json!({ "alg": "ES256", "crit": ["exp"] }));
        assert_eq!(part(&token, 1).get("exp"), None);
        assert!(spec().unsigned().ends_with('.'));
    }
}

//! The cluster's issuer: its keys, its discovery document and its key set.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock};
use http::StatusCode;
use serde_json::{Value, json};

use crate::clock::SimClock;
use crate::keys::{KeyError, KeySource, SigningKey};
use crate::lock;
use crate::reply::{Response, response};
use crate::token::{TokenSpec, Workload};

/// How many past key sets are remembered for a stale cache to serve.
const HISTORY: usize = 64;

/// A Kubernetes service-account issuer. Clones are the same issuer.
#[derive(Clone, Debug)]
pub struct Issuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    clock: SimClock,
    source: KeySource,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    signer: SigningKey,
    /// How many keys were ever made here.
    made: usize,
    published: Vec<SigningKey>,
    /// JWKs published as they are, after the keys.
    raw: Vec<Value>,
    /// Each key set with the moment from which it was published, oldest first.
    history: Vec<(BootTime, Value)>,
}

impl Issuer {
    /// An issuer of the given URL, with one key, published.
    ///
    /// The URL is used byte for byte; only the documents' addresses ignore a trailing slash.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn new(url: &str, clock: SimClock, source: KeySource) -> Result<Self, KeyError> {
        let signer = source.take(1)?;
        let state = State {
            published: vec![signer.clone()],
            signer,
            made: 1,
            raw: Vec::new(),
            history: Vec::new(),
        };
        let inner = Inner { url: url.to_owned(), clock, source, state: Mutex::new(state) };
        let issuer = Self(Arc::new(inner));
        issuer.change(|_| ());
        Ok(issuer)
    }

    /// The `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Where its discovery document is.
    pub fn discovery_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.base())
    }

    /// Where its key set is.
    pub fn jwks_url(&self) -> String {
        format!("{}/openid/v1/jwks", self.base())
    }

    fn base(&self) -> &str {
        self.0.url.strip_suffix('/').unwrap_or(&self.0.url)
    }

    /// The key that signs tokens now.
    pub fn signer(&self) -> SigningKey {
        lock(&self.0.state).signer.clone()
    }

    /// The `kid`s of the published keys, oldest first; raw ones are not among them.
    pub fn published(&self) -> Vec<String> {
        lock(&self.0.state).published.iter().map(|key| key.kid().to_owned()).collect()
    }

    /// Signs with a new key from now on. With `overlap` the old ones stay published, as a careful
    /// rotation has it; without, they vanish, and tokens that they signed with them.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn rotate(&self, overlap: bool) -> Result<SigningKey, KeyError> {
        let key = self.prepare()?;
        self.change(|state| {
            if !overlap {
                state.published.clear();
            }
            if !state.published.contains(&key) {
                state.published.push(key.clone());
            }
            state.signer = key.clone();
        });
        Ok(key)
    }

    /// Makes the key of the next rotation without publishing it or signing with it.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn prepare(&self) -> Result<SigningKey, KeyError> {
        let index = {
            let mut state = lock(&self.0.state);
            state.made += 1;
            state.made
        };
        self.0.source.take(index)
    }

    /// Publishes a key that does not sign (yet).
    pub fn publish(&self, key: &SigningKey) {
        self.change(|state| {
            if !state.published.contains(key) {
                state.published.push(key.clone());
            }
        });
    }

    /// Publishes a JWK as it is: a malformed one, a private one, one of a kind nobody knows.
    pub fn publish_raw(&self, jwk: Value) {
        self.change(|state| state.raw.push(jwk));
    }

    /// Takes the key of this `kid` out of the published set; it may go on signing.
    pub fn hide(&self, kid: &str) {
        self.change(|state| state.published.retain(|key| key.kid() != kid));
    }

    /// Takes all but the `keep` keys published last out of the set.
    pub fn retire(&self, keep: usize) {
        self.change(|state| {
            let old = state.published.len().saturating_sub(keep);
            state.published.drain(..old);
        });
    }

    /// Signs with `key` from now on, published or not.
    pub fn sign_with(&self, key: &SigningKey) {
        self.change(|state| state.signer = key.clone());
    }

    fn change(&self, by: impl FnOnce(&mut State)) {
        let now = self.0.clock.boot();
        let mut state = lock(&self.0.state);
        by(&mut state);
        let keys = state.published.iter().map(SigningKey::jwk).chain(state.raw.iter().cloned());
        let set = json!({ "keys": keys.collect::<Vec<_>>() });
        if state.history.last().is_some_and(|(_, last)| *last == set) {
            return;
        }
        if state.history.len() == HISTORY {
            state.history.remove(0);
        }
        state.history.push((now, set));
    }

    /// A normal token for `workload`, to be changed before [signing](Self::sign) or as it is.
    pub fn token_spec(&self, workload: &Workload, audience: &str, ttl: Duration) -> TokenSpec {
        TokenSpec::projected(self.url(), workload, audience, self.0.clock.wall(), ttl)
    }

    /// Signs with the current key.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn sign(&self, spec: &TokenSpec) -> Result<String, KeyError> {
        spec.sign(&self.signer())
    }

    /// The published key set.
    pub fn jwks(&self) -> Value {
        self.jwks_before(Duration::ZERO)
    }

    /// The key set that was published `age` ago, or the oldest known.
    pub fn jwks_before(&self, age: Duration) -> Value {
        let now = self.0.clock.boot();
        let state = lock(&self.0.state);
        let then = state.history.iter().rev().find(|(since, _)| now.since(*since) >= age);
        then.or_else(|| state.history.first()).map_or_else(|| json!({}), |(_, set)| set.clone())
    }

    /// The discovery document, with the members kube-apiserver gives it.
    pub fn discovery(&self) -> Value {
        let mut algorithms: Vec<_> =
            lock(&self.0.state).published.iter().map(SigningKey::algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        json!({
            "issuer": self.url(),
            "jwks_uri": self.jwks_url(),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        })
    }

    pub(crate) fn serve_discovery(&self) -> Response {
        kube_apiserver("application/json", &self.discovery())
    }

    pub(crate) fn serve_jwks(&self, age: Duration) -> Response {
        kube_apiserver("application/jwk-set+json", &self.jwks_before(age))
    }
}

fn kube_apiserver(content_type: &'static str, document: &Value) -> Response {
    let headers = [("content-type", content_type), ("cache-control", "public, max-age=3600")];
    response(StatusCode::OK, &headers, document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambist_core::clock::UnixTime;

    fn issuer(url: &str) -> Issuer {
        let clock = SimClock::starting_at(UnixTime::from_secs(1_795_407_225));
        Issuer::new(url, clock, KeySource::Pool).unwrap()
    }

    fn kids(set: &Value) -> Vec<&str> {
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
    }

    #[test]
    fn documents_lie_below_the_issuer_with_or_without_its_slash() {
        for url in ["https://issuer.test/c1", "https://issuer.test/c1/"] {
            let discovery = issuer(url).discovery();
            assert_eq!(discovery["issuer"], url);
            assert_eq!(discovery["jwks_uri"], "https://issuer.test/c1/openid/v1/jwks");
            assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["RS256"]));
        }
    }

    #[test]
    fn rotates_with_and_without_overlap() {
        let issuer = issuer("https://issuer.test");
        let first = issuer.signer();
        let second = issuer.rotate(true).unwrap();
        assert_eq!(issuer.signer(), second);
        assert_eq!(kids(&issuer.jwks()), [first.kid(), second.kid()]);
        let third = issuer.rotate(false).unwrap();
        assert_eq!(kids(&issuer.jwks()), [third.kid()]);
        let fourth = issuer.rotate(true).unwrap();
        issuer.retire(1);
        assert_eq!(kids(&issuer.jwks()), [fourth.kid()]);
    }

    #[test]
    fn hides_keys_and_publishes_anything() {
        let issuer = issuer("https://issuer.test");
        issuer.hide(issuer.signer().kid());
        issuer.publish_raw(json!({ "kty": "AKP", "kid": 7 }));
        assert_eq!(issuer.jwks(), json!({ "keys": [{ "kty": "AKP", "kid": 7 }] }));
        issuer.publish(&SigningKey::generate_ec().unwrap());
        let discovery = issuer.discovery();
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["ES256"]));
    }

    #[test]
    fn remembers_what_it_published() {
        let issuer = issuer("https://issuer.test");
        let before = issuer.jwks();
        issuer.0.clock.advance(Duration::from_secs(100));
        issuer.rotate(false).unwrap();
        issuer.0.clock.advance(Duration::from_secs(100));
        assert_eq!(issuer.jwks_before(Duration::from_secs(150)), before);
        assert_ne!(issuer.jwks_before(Duration::from_secs(50)), before);
        assert_eq!(issuer.jwks_before(Duration::from_secs(9_999)), before);
    }
}

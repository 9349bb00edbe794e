//! The cluster's issuer: its keys, its discovery document and its key set.
//!
//! The key set has two views: what the world sees at the issuer's address, and what the API server
//! itself serves. They are the same unless a key is published in one [`Place`] alone.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock, UnixTime};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::clock::SimClock;
use crate::keys::{KeyError, KeySource, SigningKey};
use crate::kube;
use crate::lock;
use crate::reply::Response;
use crate::token::{TokenSpec, Workload};

mod schedule;
mod serve;
mod state;
mod timeline;

pub use schedule::Schedule;

use state::{Entry, State};

/// The type of a key set (RFC 7517, section 8.5.2), the only one that the API server has of it.
pub(crate) const KEY_SET: &str = "application/jwk-set+json";

/// Where a key is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Place {
    /// Everywhere, as it should be.
    #[default]
    Both,
    /// At the issuer's address only: nothing that the API server has ever heard of.
    Public,
    /// By the API server only, as when an upload has been forgotten.
    Api,
}

/// Who serves the public key set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Hosting {
    /// kube-apiserver, which says nothing of when the set was made.
    #[default]
    ApiServer,
    /// A storage account, with `Last-Modified` and `ETag`, and 304 for whoever knows the set.
    Blob,
}

/// One of the two views of the key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Public,
    Api,
}

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Its `kid`.
    pub kid: String,
    /// `RS256` or `ES256`.
    pub alg: &'static str,
    /// Whether it signs tokens now.
    pub signs: bool,
    /// Where it is published; `None` for a key that is retired or not yet published.
    pub published: Option<Place>,
    /// Since when, by the wall clock.
    pub since: Option<UnixTime>,
}

/// A Kubernetes service-account issuer. Clones are the same issuer.
#[derive(Clone, Debug)]
pub struct Issuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    /// What documents are dated by.
    clock: SimClock,
    /// What tokens are dated by.
    signs: SimClock,
    source: KeySource,
    state: Mutex<State>,
}

impl Issuer {
    /// An issuer of the given URL, with one key, published.
    ///
    /// The URL is used byte for byte; only the documents' addresses ignore a trailing slash.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn new(url: &str, clock: SimClock, source: KeySource) -> Result<Self, KeyError> {
        Self::with_clocks(url, clock.clone(), clock, source)
    }

    /// The same, where another machine's clock than the documents' dates the tokens.
    pub(crate) fn with_clocks(
        url: &str,
        clock: SimClock,
        signs: SimClock,
        source: KeySource,
    ) -> Result<Self, KeyError> {
        let state = State::new(source.take(1)?, clock.boot(), clock.wall());
        let inner = Inner { url: url.to_owned(), clock, signs, source, state: Mutex::new(state) };
        Ok(Self(Arc::new(inner)))
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
        self.state().signer.clone()
    }

    /// The `kid`s of the public keys, oldest first; raw ones are not among them.
    pub fn published(&self) -> Vec<String> {
        let state = self.state();
        let public = state.entries.iter().filter(|entry| entry.place != Place::Api);
        public.filter_map(|entry| Some(entry.key.as_ref()?.kid().to_owned())).collect()
    }

    /// Every key that was ever made or published here, oldest first. Raw ones are not among them.
    pub fn keys(&self) -> Vec<KeyStatus> {
        let state = self.state();
        let (boot, wall) = (self.0.clock.boot(), self.0.clock.wall());
        let status = |key: &SigningKey| {
            let entry = state.entries.iter().find(|entry| entry.key.as_ref() == Some(key));
            KeyStatus {
                kid: key.kid().to_owned(),
                alg: key.algorithm(),
                signs: state.signer == *key,
                published: entry.map(|entry| entry.place),
                since: entry.map(|entry| wall - boot.since(entry.since)),
            }
        };
        state.known.iter().map(status).collect()
    }

    /// The key of this `kid`, whether it is published or not; of several, the one made last.
    pub fn key(&self, kid: &str) -> Option<SigningKey> {
        self.state().known.iter().rev().find(|key| key.kid() == kid).cloned()
    }

    /// Signs with a new key from now on. With `overlap` the old ones stay published, as a careful
    /// rotation has it; without, they vanish, and tokens that they signed with them.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn rotate(&self, overlap: bool) -> Result<SigningKey, KeyError> {
        let key = self.prepare()?;
        self.rotate_to(&key, overlap);
        Ok(key)
    }

    /// The same with a key of one's own: an ES256 one, or one [prepared](Self::prepare) before.
    pub fn rotate_to(&self, key: &SigningKey, overlap: bool) {
        self.change(|state, now| {
            if !overlap {
                state.entries.retain(|it| it.key.is_none() || it.key.as_ref() == Some(key));
            }
            state.publish(Entry::new(key, Place::Both, now), false);
            state.sign_with(key, now);
        });
    }

    /// Makes the key of the next rotation without publishing it or signing with it.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn prepare(&self) -> Result<SigningKey, KeyError> {
        // Making one takes too long to hold the lock over it.
        let index = self.state().number_next_key();
        let key = self.0.source.take(index)?;
        self.state().know(&key);
        Ok(key)
    }

    /// Publishes a key that does not sign (yet); a retired one, too. Nothing changes for a key that
    /// is published already.
    pub fn publish(&self, key: &SigningKey) {
        self.change(|state, now| state.publish(Entry::new(key, Place::Both, now), false));
    }

    /// Publishes a key in one place alone, or in both after all.
    pub fn publish_in(&self, place: Place, key: &SigningKey) {
        self.change(|state, now| state.publish(Entry::new(key, place, now), true));
    }

    /// Publishes a key's private half along with its public one.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn leak_in(&self, place: Place, key: &SigningKey) -> Result<(), KeyError> {
        let jwk = key.private_jwk()?;
        self.change(|state, now| {
            state.publish(Entry { jwk, ..Entry::new(key, place, now) }, true);
        });
        Ok(())
    }

    /// Publishes a JWK as it is: a malformed one, a private one, one of a kind nobody knows.
    pub fn publish_raw(&self, jwk: Value) {
        self.publish_raw_in(Place::Both, jwk);
    }

    /// The same in one place alone.
    pub fn publish_raw_in(&self, place: Place, jwk: Value) {
        self.change(|state, since| state.entries.push(Entry { key: None, jwk, place, since }));
    }

    /// Takes the keys of this `kid` out of both sets, raw ones too; it may go on signing.
    pub fn hide(&self, kid: &str) {
        self.change(|state, _| {
            state.entries.retain(|entry| entry.jwk.get("kid").and_then(Value::as_str) != Some(kid));
        });
    }

    /// Takes all but the `keep` keys published last out of the set.
    pub fn retire(&self, keep: usize) {
        self.change(|state, _| {
            let keys = state.entries.iter().filter(|entry| entry.key.is_some()).count();
            let mut old = keys.saturating_sub(keep);
            state.entries.retain(|entry| {
                let goes = old > 0 && entry.key.is_some();
                old -= usize::from(goes);
                !goes
            });
        });
    }

    /// Signs with `key` from now on, published or not.
    pub fn sign_with(&self, key: &SigningKey) {
        self.change(|state, now| state.sign_with(key, now));
    }

    /// Rotates by the clock from now on, until another schedule is given. What has fallen due is
    /// done at the next look at the issuer, and dated to when it fell due.
    pub fn follow(&self, schedule: Schedule) {
        self.change(|state, _| state.schedule = schedule);
    }

    /// Does now what the schedule has due. Every other method does so too; this is for a caller who
    /// wants the time it takes to make keys spent here.
    pub fn keep_schedule(&self) {
        drop(self.state());
    }

    /// Says who serves the public key set from now on.
    pub fn host(&self, hosting: Hosting) {
        self.change(|state, _| state.hosting = hosting);
    }

    /// Uploads the public key set again, changed or not: its `Last-Modified` is now.
    pub fn upload(&self) {
        let (now, wall) = (self.0.clock.boot(), self.0.clock.wall());
        self.state().upload(now, wall);
    }

    /// For so long from now on, every other request is answered by an API server that has not
    /// restarted yet, with the key set as it is at this moment. A set hosted as a blob is not
    /// affected, the API server's own is.
    pub fn roll_out(&self, during: Duration) {
        let until = self.0.clock.boot() + during;
        self.state().roll_out(until);
    }

    fn change(&self, by: impl FnOnce(&mut State, BootTime)) {
        let mut state = self.state();
        let (now, wall) = (self.0.clock.boot(), self.0.clock.wall());
        by(&mut state, now);
        state.record(now, wall);
    }

    /// The state as the schedule has it by now.
    fn state(&self) -> MutexGuard<'_, State> {
        loop {
            let mut state = lock(&self.0.state);
            if state.keep_schedule(self.0.clock.boot(), self.0.clock.wall()) {
                return state;
            }
            let index = state.number_next_key();
            drop(state);
            match self.0.source.take(index) {
                Ok(key) => lock(&self.0.state).spare.push(key),
                // The key before stays in place, as after any rotation that failed.
                Err(_) => return lock(&self.0.state),
            }
        }
    }

    /// A normal token for `workload`, to be changed before [signing](Self::sign) or as it is.
    pub fn token_spec(&self, workload: &Workload, audience: &str, ttl: Duration) -> TokenSpec {
        TokenSpec::projected(self.url(), workload, audience, self.0.signs.wall(), ttl)
    }

    /// The time by which tokens are dated.
    pub(crate) fn now(&self) -> UnixTime {
        self.0.signs.wall()
    }

    /// Signs with the current key.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn sign(&self, spec: &TokenSpec) -> Result<String, KeyError> {
        spec.sign(&self.signer())
    }

    /// The public key set.
    pub fn jwks(&self) -> Value {
        self.jwks_before(Duration::ZERO)
    }

    /// The key set that was public `age` ago, or the oldest known.
    pub fn jwks_before(&self, age: Duration) -> Value {
        let now = self.0.clock.boot();
        self.state().public.before(now, age).set.clone()
    }

    /// The key set that the API server serves.
    pub fn api_jwks(&self) -> Value {
        let now = self.0.clock.boot();
        self.state().api.before(now, Duration::ZERO).set.clone()
    }

    /// The discovery document, with the members kube-apiserver gives it.
    pub fn discovery(&self) -> Value {
        self.discovery_with(&self.jwks_url(), View::Public)
    }

    fn discovery_with(&self, jwks_uri: &str, view: View) -> Value {
        json!({
            "issuer": self.url(),
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": self.state().algorithms(view),
        })
    }

    pub(crate) fn serve_discovery(&self, asked: &HeaderMap) -> Response {
        let document = self.discovery();
        match self.state().hosting {
            Hosting::ApiServer => kube::document(asked, "application/json", &document),
            Hosting::Blob => serve::uploaded(&document),
        }
    }

    /// The API server's own discovery document. It names an address inside the cluster, which
    /// nobody should follow: a documentation address (RFC 5737) here.
    pub(crate) fn serve_api_discovery(&self, asked: &HeaderMap) -> Response {
        let inside = "https://192.0.2.1:443/openid/v1/jwks";
        kube::document(asked, "application/json", &self.discovery_with(inside, View::Api))
    }

    /// The public key set as it is served now, or as a cache has it that asked `age` ago.
    pub(crate) fn serve_jwks(&self, age: Duration, asked: &HeaderMap) -> Response {
        let now = self.0.clock.boot();
        let mut state = self.state();
        if state.hosting == Hosting::Blob {
            return serve::blob(state.public.before(now, age), asked);
        }
        let old = if age.is_zero() { state.not_restarted(View::Public, now) } else { None };
        let set = old.unwrap_or_else(|| state.public.before(now, age).set.clone());
        kube::document(asked, KEY_SET, &set)
    }

    pub(crate) fn serve_api_jwks(&self, asked: &HeaderMap) -> Response {
        let now = self.0.clock.boot();
        let mut state = self.state();
        let old = state.not_restarted(View::Api, now);
        let set = old.unwrap_or_else(|| state.api.before(now, Duration::ZERO).set.clone());
        kube::document(asked, KEY_SET, &set)
    }

    /// The public halves that the API server takes tokens of.
    pub(crate) fn accepted(&self) -> Vec<Value> {
        let state = self.state();
        let known = state.entries.iter().filter(|entry| entry.place != Place::Public);
        let mut keys: Vec<_> = known.filter_map(|it| Some(it.key.as_ref()?.jwk())).collect();
        keys.push(state.signer.jwk());
        keys
    }
}

#[cfg(test)]
mod tests;

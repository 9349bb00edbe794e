//! Entra's own view of the issuers' keys.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use cambist_core::clock::{BootTime, Clock};
use http::StatusCode;
use serde_json::Value;
use tower::{BoxError, Service, ServiceExt};

use super::assertion::Assertion;
use super::refusal::Refusal;
use crate::clock::SimClock;
use crate::lock;
use crate::reply::{Request, Response};

/// Entra keeps no more keys of an issuer than these.
const KEYS: usize = 100;
/// How long a key set is used without another look. Entra does not say; this is what Microsoft tells
/// validators to do.
const FRESH: Duration = Duration::from_secs(3600);
/// How long Entra waits for an issuer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct IssuerKeys {
    clock: SimClock,
    sets: Mutex<HashMap<String, (BootTime, Vec<Value>)>>,
}

impl IssuerKeys {
    pub(super) fn new(clock: SimClock) -> Self {
        Self { clock, sets: Mutex::default() }
    }

    pub(super) fn clear(&self) {
        lock(&self.sets).clear();
    }

    /// Verifies the assertion's signature with the keys of the issuer it names, which the caller has
    /// found to be a trusted one.
    pub(super) async fn verify<F>(&self, assertion: &Assertion, mut fetch: F) -> Result<(), Refusal>
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let kept = self.kept(assertion);
        let candidates = match kept {
            Some(keys) => keys,
            None => {
                let keys = fetch_keys(assertion.issuer(), &mut fetch).await?;
                let found = of_kid(&keys, assertion.kid());
                let issuer = assertion.issuer().to_owned();
                lock(&self.sets).insert(issuer, (self.clock.boot(), keys));
                found
            }
        };
        if candidates.is_empty() {
            let identifier: String = assertion.kid().bytes().map(|b| format!("{b:02X}")).collect();
            let text = format!(
                "The certificate with identifier '{identifier}' used to sign the federated \
                 credential could not be found in the metadata of identity provider '{}'.",
                assertion.issuer()
            );
            return Err(Refusal::new(7_000_272, text));
        }
        if candidates.iter().any(|key| assertion.signed_by(key)) {
            return Ok(());
        }
        Err(Refusal::plain(7_000_274))
    }

    /// The keys of the assertion's `kid` in a set fetched lately; `None` asks for a fetch.
    fn kept(&self, assertion: &Assertion) -> Option<Vec<Value>> {
        let sets = lock(&self.sets);
        let (fetched, keys) = sets.get(assertion.issuer())?;
        if self.clock.boot().since(*fetched) >= FRESH {
            return None;
        }
        Some(of_kid(keys, assertion.kid())).filter(|keys| !keys.is_empty())
    }
}

fn of_kid(keys: &[Value], kid: &str) -> Vec<Value> {
    keys.iter().filter(|key| key.get("kid").and_then(Value::as_str) == Some(kid)).cloned().collect()
}

async fn fetch_keys<F>(issuer: &str, fetch: &mut F) -> Result<Vec<Value>, Refusal>
where
    F: Service<Request, Response = Response, Error = BoxError>,
{
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let discovery = get(&format!("{base}/.well-known/openid-configuration"), fetch).await?;
    let said = discovery.get("issuer").and_then(Value::as_str);
    if said != Some(issuer) {
        let said = said.unwrap_or_default();
        return Err(unreachable(&format!("its document names issuer '{said}', not '{issuer}'")));
    }
    let jwks_uri = discovery.get("jwks_uri").and_then(Value::as_str);
    let jwks_uri = jwks_uri.ok_or_else(|| unreachable("its document has no jwks_uri"))?;
    let set = get(jwks_uri, fetch).await?;
    let keys = set.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| unreachable("its key set has no keys"))?;
    Ok(keys.iter().take(KEYS).cloned().collect())
}

async fn get<F>(url: &str, fetch: &mut F) -> Result<Value, Refusal>
where
    F: Service<Request, Response = Response, Error = BoxError>,
{
    if !url.starts_with("https://") {
        return Err(unreachable(&format!("'{url}' is no https address")));
    }
    // Without `Accept`: what Entra sends is not known, and this is what every server answers.
    let request = http::Request::get(url)
        .body(Bytes::new())
        .map_err(|_| unreachable(&format!("'{url}' is no address")))?;
    let call = async { fetch.ready().await?.call(request).await };
    let response = tokio::time::timeout(PATIENCE, call)
        .await
        .map_err(|_| unreachable(&format!("'{url}' did not answer in time")))?
        .map_err(|error| unreachable(&format!("'{url}' could not be reached: {error}")))?;
    if response.status() != StatusCode::OK {
        return Err(unreachable(&format!("'{url}' answered {}", response.status())));
    }
    serde_json::from_slice(response.body())
        .map_err(|_| unreachable(&format!("'{url}' did not answer with JSON")))
}

fn unreachable(why: &str) -> Refusal {
    Refusal::new(90_061, format!("Request to external OIDC endpoint failed: {why}."))
}

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
/// How long documents are used before they are read anew, unless something else is asked for. Entra
/// does not say; 20 to 45 minutes were seen.
pub(crate) const KEPT: Duration = Duration::from_secs(30 * 60);
/// How long Entra waits for an issuer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct IssuerKeys {
    clock: SimClock,
    kept: Mutex<Kept>,
}

/// What was read of each issuer, and for how long that is used.
#[derive(Debug)]
struct Kept {
    time: Duration,
    sets: HashMap<String, (BootTime, Vec<Value>)>,
}

impl IssuerKeys {
    pub(super) fn new(clock: SimClock) -> Self {
        let kept = Kept { time: KEPT, sets: HashMap::new() };
        Self { clock, kept: Mutex::new(kept) }
    }

    pub(super) fn keep(&self, time: Duration) {
        lock(&self.kept).time = time;
    }

    pub(super) fn clear(&self) {
        lock(&self.kept).sets.clear();
    }

    /// Verifies the assertion's signature with the keys of the issuer it names, which the caller has
    /// found to be a trusted one.
    pub(super) async fn verify<F>(&self, assertion: &Assertion, mut fetch: F) -> Result<(), Refusal>
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let keys = match self.kept(assertion.issuer()) {
            Some(keys) => keys,
            None => {
                let keys = fetch_keys(assertion.issuer(), &mut fetch).await?;
                let issuer = assertion.issuer().to_owned();
                lock(&self.kept).sets.insert(issuer, (self.clock.boot(), keys.clone()));
                keys
            }
        };
        verify_with(assertion, &keys)
    }

    /// The keys of a set that was fetched lately; `None` asks for a fetch.
    fn kept(&self, issuer: &str) -> Option<Vec<Value>> {
        let kept = lock(&self.kept);
        let (fetched, keys) = kept.sets.get(issuer)?;
        (self.clock.boot().since(*fetched) < kept.time).then(|| keys.clone())
    }
}

/// Verifies the assertion's signature with those of these keys that have its key id.
pub(super) fn verify_with(assertion: &Assertion, keys: &[Value]) -> Result<(), Refusal> {
    let named = |key: &&Value| key.get("kid").and_then(Value::as_str) == Some(assertion.kid());
    let candidates: Vec<_> = keys.iter().filter(named).collect();
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

async fn fetch_keys<F>(issuer: &str, fetch: &mut F) -> Result<Vec<Value>, Refusal>
where
    F: Service<Request, Response = Response, Error = BoxError>,
{
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let discovery = get(&format!("{base}/.well-known/openid-configuration"), fetch).await?;
    let said = discovery.get("issuer").and_then(Value::as_str);
    if said != Some(issuer) {
        let said = said.unwrap_or_default();
        return Err(invalid(&format!("its document names issuer '{said}', not '{issuer}'")));
    }
    let jwks_uri = discovery.get("jwks_uri").and_then(Value::as_str);
    let jwks_uri = jwks_uri.ok_or_else(|| invalid("its document has no jwks_uri"))?;
    let set = get(jwks_uri, fetch).await?;
    let keys = set.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| invalid("its key set has no keys"))?;
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
        .map_err(|_| invalid(&format!("'{url}' did not answer with JSON")))
}

fn unreachable(why: &str) -> Refusal {
    Refusal::new(90_061, format!("Request to external OIDC endpoint failed: {why}."))
}

/// It answers, but nothing that is of use.
fn invalid(why: &str) -> Refusal {
    Refusal::new(501_661, format!("Request to external OIDC endpoint failed: {why}."))
}

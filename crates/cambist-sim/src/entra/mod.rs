//! The part of Microsoft Entra ID that exchanges a federated assertion for an access token.

mod assertion;
mod issuer_keys;
mod refusal;
pub(crate) mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock};
use cambist_core::names::is_guid;
use http::{HeaderName, StatusCode};
use serde_json::{Map, Value, json};
use tower::{BoxError, Service};

use self::assertion::Assertion;
use self::issuer_keys::IssuerKeys;
use self::refusal::Refusal;
use self::request::TokenRequest;
use crate::clock::SimClock;
use crate::keys::{KeyError, SigningKey};
use crate::lock;
use crate::random;
use crate::reply::{Request, Response, response, set};

/// Whose assertions an app registration accepts. All three are compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedCredential {
    /// The `iss` of the assertion.
    pub issuer: String,
    /// Its `sub`.
    pub subject: String,
    /// Its `aud`.
    pub audience: String,
}

/// A tenant with its app registrations. Clones are the same tenant.
#[derive(Clone, Debug)]
pub struct Entra(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tenant: String,
    clock: SimClock,
    key: SigningKey,
    issuer_keys: IssuerKeys,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By client id, each with its federated credentials and the moment they become effective.
    apps: BTreeMap<String, Vec<(FederatedCredential, BootTime)>>,
    unknown_resources: BTreeSet<String>,
    lifetime: Duration,
    refresh_in: Option<Duration>,
}

impl Entra {
    /// A tenant without apps, whose access tokens `key` signs.
    pub fn new(tenant: &str, clock: SimClock, key: SigningKey) -> Self {
        let state = State {
            apps: BTreeMap::new(),
            unknown_resources: BTreeSet::new(),
            lifetime: Duration::from_secs(3599),
            refresh_in: None,
        };
        Self(Arc::new(Inner {
            tenant: tenant.to_owned(),
            issuer_keys: IssuerKeys::new(clock.clone()),
            clock,
            key,
            state: Mutex::new(state),
        }))
    }

    /// The tenant's id.
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// Registers an app that accepts no assertion yet.
    pub fn register(&self, client_id: &str) {
        lock(&self.0.state).apps.entry(client_id.to_owned()).or_default();
    }

    /// The app accepts such assertions from now on. Registers it if need be.
    pub fn trust(&self, client_id: &str, credential: FederatedCredential) {
        self.trust_after(Duration::ZERO, client_id, credential);
    }

    /// As [`trust`](Self::trust), but effective only after `lag`: Entra's federated credentials take
    /// minutes to reach all of its servers. Until then the answer is AADSTS70021.
    pub fn trust_after(&self, lag: Duration, client_id: &str, credential: FederatedCredential) {
        let effective = self.0.clock.boot() + lag;
        let mut state = lock(&self.0.state);
        state.apps.entry(client_id.to_owned()).or_default().push((credential, effective));
    }

    /// The app accepts no assertion any more.
    pub fn distrust(&self, client_id: &str) {
        lock(&self.0.state).apps.insert(client_id.to_owned(), Vec::new());
    }

    /// Tokens for this resource are refused (AADSTS500011), as if the tenant had never heard of it.
    pub fn forget_resource(&self, resource: &str) {
        lock(&self.0.state).unknown_resources.insert(resource.to_owned());
    }

    /// How long the next access tokens live.
    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        lock(&self.0.state).lifetime = lifetime;
    }

    /// Whether the next answers carry `refresh_in`, and which.
    pub fn set_refresh_in(&self, refresh_in: Option<Duration>) {
        lock(&self.0.state).refresh_in = refresh_in;
    }

    /// Forgets the issuers' keys, as an Entra server that has not served them yet.
    pub fn forget_issuer_keys(&self) {
        self.0.issuer_keys.clear();
    }

    /// The claims of an access token if it was granted here and is still valid: what a resource's
    /// server learns of a bearer token by verifying it.
    ///
    /// ```
    /// # use cambist_sim::Sim;
    /// let sim = Sim::new()?;
    /// assert_eq!(sim.entra().granted(&sim.token()?), None, "the cluster's tokens are not Entra's");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn granted(&self, token: &str) -> Option<Map<String, Value>> {
        let claims = assertion::claims_signed_by(token, &self.0.key.jwk())?;
        let moment = |name: &str| claims.get(name).and_then(Value::as_i64);
        let now = self.0.clock.wall().as_secs();
        (moment("nbf")? <= now && now < moment("exp")?).then_some(claims)
    }

    /// Answers a request to `/{tenant}/oauth2/v2.0/token`; `fetch` is how Entra reaches the issuer.
    pub async fn token<F>(&self, tenant: &str, request: &Request, fetch: F) -> Response
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let outcome = self.exchange(tenant, request, fetch).await;
        match outcome {
            Ok(body) => {
                let reply = response(StatusCode::OK, &HEADERS, body.to_string());
                with_ids(reply, request, &random::uuid())
            }
            Err(refusal) => self.refuse(request, &refusal),
        }
    }

    /// Answers with an error of Entra's, whatever the request.
    pub(crate) fn refuse_with(&self, request: &Request, code: u32) -> Response {
        self.refuse(request, &Refusal::plain(code))
    }

    fn refuse(&self, request: &Request, refusal: &Refusal) -> Response {
        let asked = request.headers().get("client-request-id").and_then(|id| id.to_str().ok());
        let correlation = asked.filter(|id| is_guid(id)).map(str::to_owned);
        let correlation = correlation.unwrap_or_else(random::uuid);
        let id = random::uuid();
        let body = refusal.body(self.0.clock.wall(), &id, &correlation);
        with_ids(response(refusal.status(), &HEADERS, body.to_string()), request, &id)
    }

    async fn exchange<F>(&self, tenant: &str, request: &Request, fetch: F) -> Result<Value, Refusal>
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let request = TokenRequest::parse(request)?;
        self.check_tenant(tenant)?;
        let credentials = self.credentials_of(&request.client_id)?;
        let resource = request.resource()?;
        if lock(&self.0.state).unknown_resources.contains(resource) {
            let text = format!(
                "The resource principal named {resource} was not found in the tenant named {}.",
                self.tenant()
            );
            return Err(Refusal::new(500_011, text));
        }
        let assertion = Assertion::parse(&request.assertion)?;
        assertion.find_record(&credentials, self.0.clock.boot())?;
        self.0.issuer_keys.verify(&assertion, fetch).await?;
        assertion.check_times(self.0.clock.wall())?;
        self.grant(&request.client_id, resource)
    }

    fn check_tenant(&self, tenant: &str) -> Result<(), Refusal> {
        if tenant == self.tenant() {
            return Ok(());
        }
        let looks_right = is_guid(tenant) || tenant.contains('.');
        let code = if looks_right { 90_002 } else { 900_023 };
        let text = if looks_right {
            format!(
                "Tenant '{tenant}' not found. Check that the tenant id and the cloud are right."
            )
        } else {
            format!("Specified tenant identifier '{tenant}' is neither a domain name nor a GUID.")
        };
        Err(Refusal::new(code, text))
    }

    fn credentials_of(
        &self,
        client_id: &str,
    ) -> Result<Vec<(FederatedCredential, BootTime)>, Refusal> {
        lock(&self.0.state).apps.get(client_id).cloned().ok_or_else(|| {
            let tenant = self.tenant();
            let text = format!(
                "Application with identifier '{client_id}' was not found in the directory '{tenant}'."
            );
            Refusal::new(700_016, text)
        })
    }

    fn grant(&self, client_id: &str, resource: &str) -> Result<Value, Refusal> {
        let (lifetime, refresh_in) = {
            let state = lock(&self.0.state);
            (state.lifetime, state.refresh_in)
        };
        let token = self.access_token(client_id, resource, lifetime);
        let token = token.map_err(|_| Refusal::plain(90_033))?;
        let mut body = Map::new();
        body.insert("token_type".to_owned(), "Bearer".into());
        body.insert("expires_in".to_owned(), lifetime.as_secs().into());
        body.insert("ext_expires_in".to_owned(), lifetime.as_secs().into());
        if let Some(refresh_in) = refresh_in {
            body.insert("refresh_in".to_owned(), refresh_in.as_secs().into());
        }
        body.insert("access_token".to_owned(), token.into());
        Ok(Value::Object(body))
    }

    fn access_token(
        &self,
        client_id: &str,
        resource: &str,
        lifetime: Duration,
    ) -> Result<String, KeyError> {
        let (now, tenant) = (self.0.clock.wall(), self.tenant());
        let header = json!({
            "typ": "JWT", "alg": self.0.key.algorithm(), "kid": self.0.key.kid(),
        });
        let claims = json!({
            "aud": resource,
            "iss": format!("https://sts.windows.net/{tenant}/"),
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": (now + lifetime).as_secs(),
            "appid": client_id,
            "appidacr": "2",
            "idtyp": "app",
            "jti": random::uuid(),
            "tid": tenant,
            "ver": "1.0",
        });
        self.0.key.sign_parts(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }
}

/// The ids that Entra puts into each answer: its own, and the client's if that asks for it.
fn with_ids(mut reply: Response, request: &Request, id: &str) -> Response {
    set(reply.headers_mut(), HeaderName::from_static("x-ms-request-id"), id);
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let wanted = header("return-client-request-id").is_some_and(|it| it == "true");
    if let Some(asked) = header("client-request-id").filter(|id| wanted && is_guid(id)) {
        set(reply.headers_mut(), HeaderName::from_static("client-request-id"), asked);
    }
    reply
}

const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/json; charset=utf-8"),
    ("cache-control", "no-store, no-cache"),
    ("pragma", "no-cache"),
];

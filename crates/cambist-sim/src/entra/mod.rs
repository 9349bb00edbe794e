//! The part of Microsoft Entra ID that exchanges a federated assertion for an access token.

mod access_token;
mod answer;
mod assertion;
mod azure;
mod issuer_keys;
mod refusal;
pub(crate) mod request;
mod resources;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cambist_core::clock::{BootTime, Clock};
use cambist_core::names::is_guid;
use http::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tower::{BoxError, Service};

pub use self::access_token::Kind;
pub(crate) use self::issuer_keys::KEPT;
pub(crate) use self::resources::is_resource;

use self::access_token::Subject;
use self::answer::RequestId;
use self::assertion::Assertion;
use self::issuer_keys::IssuerKeys;
use self::refusal::Refusal;
use self::request::TokenRequest;
use self::resources::Resources;
use crate::clock::SimClock;
use crate::keys::SigningKey;
use crate::lock;
use crate::random;
use crate::reply::{Request, Response};

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
    /// By client id.
    apps: BTreeMap<String, App>,
    resources: Resources,
    /// The application ids of the resources that take tokens of version 2.0, by the resource's name.
    v2_resources: BTreeMap<String, String>,
    lifetime: Duration,
    refresh_in: Option<Duration>,
}

/// An application or managed identity.
#[derive(Clone, Debug)]
struct App {
    kind: Kind,
    /// Its service principal's id.
    object_id: String,
    /// Whom it trusts, and the moment from which on it does.
    credentials: Vec<(FederatedCredential, BootTime)>,
}

impl Default for App {
    fn default() -> Self {
        Self { kind: Kind::default(), object_id: random::uuid(), credentials: Vec::new() }
    }
}

impl Entra {
    /// A tenant without apps, whose access tokens `key` signs.
    pub fn new(tenant: &str, clock: SimClock, key: SigningKey) -> Self {
        let state = State {
            apps: BTreeMap::new(),
            resources: Resources::azures(),
            v2_resources: BTreeMap::new(),
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

    /// Makes of a client id's owner what it says. Registers it if need be.
    pub fn make(&self, client_id: &str, kind: Kind) {
        lock(&self.0.state).apps.entry(client_id.to_owned()).or_default().kind = kind;
    }

    /// The id of the service principal of an app: `oid` and `sub` of its tokens.
    pub fn object_id(&self, client_id: &str) -> Option<String> {
        lock(&self.0.state).apps.get(client_id).map(|app| app.object_id.clone())
    }

    /// From now on this resource is known and gets tokens of version 2.0, which have its application id
    /// for an audience. Others get those of version 1.0, as Azure's own resources do.
    pub fn answer_in_v2(&self, resource: &str, application_id: &str) {
        let mut state = lock(&self.0.state);
        for name in [resource, application_id] {
            state.resources.know(name);
            state.v2_resources.insert(resources::name(name), application_id.to_owned());
        }
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
        let app = state.apps.entry(client_id.to_owned()).or_default();
        app.credentials.push((credential, effective));
    }

    /// The app accepts no assertion any more: AADSTS70025.
    pub fn distrust(&self, client_id: &str) {
        lock(&self.0.state).apps.entry(client_id.to_owned()).or_default().credentials.clear();
    }

    /// The tenant has this resource from now on. It has Azure's own (by their names and their
    /// application ids) and its registered apps (by client id and by `api://` and client id) in any
    /// case; for others there are no tokens: AADSTS500011. Case and one slash at the end do not matter,
    /// and a `*` stands for letters, digits, `-` and `_`, as in `api://orders-*`.
    ///
    /// ```
    /// # let sim = cambist_sim::Sim::new()?;
    /// sim.entra().know_resource("api://orders");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn know_resource(&self, resource: &str) {
        lock(&self.0.state).resources.know(resource);
    }

    /// Tokens for this resource are refused (AADSTS500011), as if the tenant had never heard of it.
    pub fn forget_resource(&self, resource: &str) {
        lock(&self.0.state).resources.forget(resource);
    }

    /// The resources that the tenant does not have and was asked for: each once, and the first hundred
    /// alone.
    pub fn unknown_resources(&self) -> watch::Receiver<Vec<String>> {
        lock(&self.0.state).resources.missed()
    }

    /// How long the next access tokens live.
    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        lock(&self.0.state).lifetime = lifetime;
    }

    /// Whether the next answers carry `refresh_in`, and which.
    pub fn set_refresh_in(&self, refresh_in: Option<Duration>) {
        lock(&self.0.state).refresh_in = refresh_in;
    }

    /// For how long an issuer's documents are used before they are read anew. Meanwhile a key that is
    /// not among them is unknown, AADSTS7000272, however long it has been published since. Half an hour
    /// at first: Microsoft does not say how long, and 20 to 45 minutes were seen. None at all is an
    /// Entra that reads them at each exchange.
    pub fn keep_documents(&self, time: Duration) {
        self.0.issuer_keys.keep(time);
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
        let id = RequestId::random();
        match self.exchange(tenant, request, id, fetch).await {
            Ok(body) => answer::json(StatusCode::OK, body.to_string(), request, id),
            Err(refusal) => self.refuse(request, id, &refusal),
        }
    }

    /// Answers with an error of Entra's, whatever the request.
    pub(crate) fn refuse_with(&self, request: &Request, code: u32) -> Response {
        self.refuse(request, RequestId::random(), &Refusal::plain(code))
    }

    /// Answers as to a client that asks too often.
    pub(crate) fn throttle(&self, request: &Request) -> Response {
        answer::throttled(request)
    }

    fn refuse(&self, request: &Request, id: RequestId, refusal: &Refusal) -> Response {
        let correlation = answer::correlation(request).unwrap_or_else(random::uuid);
        let body = refusal.body(self.0.clock.wall(), &id.to_string(), &correlation);
        answer::json(refusal.status(), body.to_string(), request, id)
    }

    async fn exchange<F>(
        &self,
        tenant: &str,
        request: &Request,
        id: RequestId,
        fetch: F,
    ) -> Result<Value, Refusal>
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let request = TokenRequest::parse(request)?;
        self.check_tenant(tenant)?;
        let app = self.app(&request.client_id)?;
        let resource = request.resource()?;
        self.check_resource(resource)?;
        let assertion = Assertion::parse(&request.assertion)?;
        assertion.find_record(&app.credentials, self.0.clock.boot())?;
        self.0.issuer_keys.verify(&assertion, fetch).await?;
        assertion.check_times(self.0.clock.wall())?;
        self.grant(&request.client_id, &app, resource, id)
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

    fn app(&self, client_id: &str) -> Result<App, Refusal> {
        lock(&self.0.state).apps.get(client_id).cloned().ok_or_else(|| {
            let tenant = self.tenant();
            let text = format!(
                "Application with identifier '{client_id}' was not found in the directory '{tenant}'."
            );
            Refusal::new(700_016, text)
        })
    }

    fn check_resource(&self, resource: &str) -> Result<(), Refusal> {
        let state = lock(&self.0.state);
        let is_an_app = || {
            let name = resources::name(resource);
            let client_id = name.strip_prefix("api://").unwrap_or(&name);
            is_guid(client_id) && state.apps.keys().any(|it| it.eq_ignore_ascii_case(client_id))
        };
        if state.resources.has(resource).unwrap_or_else(is_an_app) {
            return Ok(());
        }
        state.resources.miss(resource);
        // Entra's words and nothing else: programs read them.
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named {}. This can \
             happen if the application has not been installed by the administrator of the tenant or \
             consented to by any user in the tenant. You might have sent your authentication request \
             to the wrong tenant.",
            self.tenant()
        );
        Err(Refusal::new(500_011, text))
    }

    fn grant(
        &self,
        client_id: &str,
        app: &App,
        resource: &str,
        id: RequestId,
    ) -> Result<Value, Refusal> {
        let (lifetime, refresh_in, resource_app) = {
            let state = lock(&self.0.state);
            let resource_app = state.v2_resources.get(&resources::name(resource)).cloned();
            (state.lifetime, state.refresh_in, resource_app)
        };
        let subject = Subject {
            tenant: self.tenant(),
            client_id,
            object_id: &app.object_id,
            kind: &app.kind,
            resource,
            resource_app: resource_app.as_deref(),
        };
        let token = subject.token(&self.0.key, self.0.clock.wall(), lifetime, id);
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
}

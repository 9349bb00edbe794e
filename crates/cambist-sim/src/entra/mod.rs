//! The part of Microsoft Entra ID that exchanges a federated assertion for an access token.

mod access_token;
mod answer;
mod assertion;
mod azure;
mod directory;
mod guid;
mod identity;
mod issuer_keys;
mod own;
mod refusal;
mod registration;
pub(crate) mod request;
mod resources;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cambist_core::clock::Clock;
use http::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tower::{BoxError, Service};

pub use self::identity::{FederatedCredential, Identity, Kind};
pub(crate) use self::issuer_keys::KEPT;
pub(crate) use self::resources::is_resource;

use self::access_token::Subject;
use self::answer::RequestId;
use self::assertion::Assertion;
use self::directory::{Client, Directory};
use self::issuer_keys::IssuerKeys;
use self::refusal::Refusal;
use self::request::TokenRequest;
use self::resources::Resources;
use crate::clock::SimClock;
use crate::keys::SigningKey;
use crate::lock;
use crate::random;
use crate::reply::{Request, Response};

/// How long a token lives that a managed identity has without federation.
const A_DAY: Duration = Duration::from_secs(86_399);

/// Entra's tenants with their app registrations. What takes no tenant is about the first, or about an
/// app wherever that is registered. Clones are the same.
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
    directory: Directory,
    resources: Resources,
    /// The application ids of the resources that take tokens of version 2.0, by the resource's name.
    v2_resources: BTreeMap<String, String>,
    lifetime: Duration,
    refresh_in: Option<Duration>,
}

impl Entra {
    /// One tenant without apps. `key` signs its access tokens, and those of all others.
    pub fn new(tenant: &str, clock: SimClock, key: SigningKey) -> Self {
        let state = State {
            directory: Directory::new(tenant),
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

    /// The first tenant's id.
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// From now on this resource is known and gets tokens of version 2.0, which have its application id
    /// for an audience. Others get those of version 1.0, as Azure's own resources do.
    pub fn answer_in_v2(&self, resource: &str, application_id: &str) {
        let mut state = self.state();
        for name in [resource, application_id] {
            state.resources.know(name);
            state.v2_resources.insert(resources::name(name), application_id.to_owned());
        }
    }

    /// All tenants have this resource from now on. They have Azure's own (by their names and their
    /// application ids) and each its own apps (by client id and by `api://` and client id) in any case; for others there are no tokens: AADSTS500011. Case and one slash at the end do not matter,
    /// and a `*` stands for letters, digits, `-` and `_`, as in `api://orders-*`.
    ///
    /// ```
    /// # let sim = cambist_sim::Sim::new()?;
    /// sim.entra().know_resource("api://orders");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn know_resource(&self, resource: &str) {
        self.state().resources.know(resource);
    }

    /// Tokens for this resource are refused (AADSTS500011), as if no tenant had ever heard of it.
    pub fn forget_resource(&self, resource: &str) {
        self.state().resources.forget(resource);
    }

    /// The resources that a tenant does not have and was asked for: each once, and the first hundred
    /// alone.
    pub fn unknown_resources(&self) -> watch::Receiver<Vec<String>> {
        self.state().resources.missed()
    }

    /// How long the next access tokens live.
    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// Whether the next answers carry `refresh_in`, and which.
    pub fn set_refresh_in(&self, refresh_in: Option<Duration>) {
        self.state().refresh_in = refresh_in;
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

    /// A token of an identity's in the tenant that it is registered in, had without federation: as the
    /// metadata service of its machine gives it to a managed identity, for a day. `None` if there is no
    /// such identity, or the cryptography fails.
    pub fn unfederated_token(&self, client_id: &str, resource: &str) -> Option<String> {
        let client = {
            let state = self.state();
            let home = state.directory.home_of(client_id)?;
            state.directory.client(home, client_id).ok()?
        };
        let subject = Subject {
            client: &client,
            resource,
            resource_app: None,
            fmi_path: None,
            federated: false,
        };
        subject.token(&self.0.key, self.0.clock.wall(), A_DAY, RequestId::random()).ok()
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
        let client = self.state().directory.client(tenant, &request.client_id)?;
        let resource = request.resource()?;
        self.check_resource(tenant, resource)?;
        own::check_wish(&client, resource, request.fmi_path.as_deref())?;
        let assertion = Assertion::parse(&request.assertion)?;
        assertion.find_record(&client.credentials, self.0.clock.boot())?;
        if assertion.is_entras() {
            let key = self.0.key.jwk();
            issuer_keys::verify_with(&assertion, &[key])?;
        } else {
            self.0.issuer_keys.verify(&assertion, fetch).await?;
        }
        assertion.check_times(self.0.clock.wall())?;
        if assertion.is_entras() {
            own::check(&assertion, &client, &self.state().directory)?;
        }
        self.grant(&client, resource, request.fmi_path.as_deref(), id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    fn check_resource(&self, tenant: &str, resource: &str) -> Result<(), Refusal> {
        let state = self.state();
        let is_an_app = || state.directory.has_resource(tenant, resource);
        if state.resources.has(resource).unwrap_or_else(is_an_app) {
            return Ok(());
        }
        state.resources.miss(resource);
        // Entra's words and nothing else: programs read them.
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named {tenant}. This can \
             happen if the application has not been installed by the administrator of the tenant or \
             consented to by any user in the tenant. You might have sent your authentication request \
             to the wrong tenant."
        );
        Err(Refusal::new(500_011, text))
    }

    fn grant(
        &self,
        client: &Client,
        resource: &str,
        fmi_path: Option<&str>,
        id: RequestId,
    ) -> Result<Value, Refusal> {
        let (lifetime, refresh_in, resource_app) = {
            let state = self.state();
            let resource_app = state.v2_resources.get(&resources::name(resource)).cloned();
            (state.lifetime, state.refresh_in, resource_app)
        };
        let subject = Subject {
            client,
            resource,
            resource_app: resource_app.as_deref(),
            fmi_path,
            federated: true,
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

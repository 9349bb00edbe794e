//! All of it assembled: one cluster, one tenant, and the network between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cambist_core::clock::{Clock, UnixTime};
use cambist_core::headers::write_date;
use http::{Method, StatusCode, Uri, header};
use tower::{BoxError, Service};

use crate::api::ApiServer;
use crate::clock::{Machine, SimClock};
use crate::entra::{Entra, FederatedCredential, request};
use crate::fault::{By, Faults, Target};
use crate::issuer::Issuer;
use crate::journal::{Entry, Journal};
use crate::keys::KeyError;
use crate::reply::{Request, Response, response, set};
use crate::service::SimService;
use crate::settings::Settings;
use crate::token::{Form, TokenSpec};

mod token_proxy;

use token_proxy::NO_SUCH_ISSUER;

/// No request to the issuer or to Entra is larger than this; an assertion of 16 KiB fits well.
const MAX_BODY: usize = 64 * 1024;
/// The life of a [long](Form::Long) token.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// kube-apiserver's own limit.
const MAX_API_BODY: usize = 3 * 1024 * 1024;

/// A world could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A URL that no server of ours can have.
    #[error("'{url}' cannot be the {role}'s address: it must be https://host[:port][/path]")]
    Address {
        /// The URL.
        url: String,
        /// Whose it was to be.
        role: &'static str,
    },
    /// The cryptography failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A simulated world. Clones are the same world.
///
/// ```
/// use bytes::Bytes;
/// use cambist_sim::Sim;
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let sim = Sim::new()?;
/// let request = http::Request::get(sim.issuer().discovery_url()).body(Bytes::new())?;
/// let response = sim.service().oneshot(request).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(sim.journal().counts().discovery, 1);
/// # Ok::<(), tower::BoxError>(())
/// # })?;
/// # Ok::<(), tower::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sim(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    issuer_at: Uri,
    authority_at: Uri,
    api_at: Vec<Uri>,
    token_proxy_at: Option<Uri>,
    issuer: Issuer,
    /// One for each of `api_at`.
    apis: Vec<ApiServer>,
    /// How many tokens were asked for through the balancer before them.
    turns: AtomicUsize,
    entra: Entra,
    faults: Faults,
    journal: Journal,
    clocks: [SimClock; Machine::ALL.len()],
}

/// Which server a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Issuer,
    Entra,
    TokenProxy,
    /// The API server of this number.
    Api(usize),
}

impl Side {
    /// How many bytes a request to it may have.
    pub(crate) const fn max_body(self) -> usize {
        match self {
            Self::Issuer | Self::Entra | Self::TokenProxy => MAX_BODY,
            Self::Api(_) => MAX_API_BODY,
        }
    }

    /// The machine that answers there.
    const fn machine(self) -> Machine {
        match self {
            Self::Issuer => Machine::Issuer,
            Self::Entra => Machine::Entra,
            Self::TokenProxy | Self::Api(_) => Machine::Api,
        }
    }
}

impl Target {
    /// The server that has it.
    const fn side(self) -> Side {
        match self {
            Self::Entra => Side::Entra,
            Self::TokenProxy => Side::TokenProxy,
            Self::Discovery | Self::Jwks => Side::Issuer,
            Self::Api => Side::Api(0),
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Response),
    /// `Content-Length` tells the full length, the body stops before it.
    Cut(Response),
    Reset,
}

impl Sim {
    /// A world with the default [`Settings`].
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn new() -> Result<Self, SimError> {
        Self::with(Settings::default())
    }

    /// A world made to measure.
    ///
    /// # Errors
    /// If an address is not an https URL, or the cryptography fails.
    pub fn with(settings: Settings) -> Result<Self, SimError> {
        let issuer_at = address(&settings.issuer, "issuer")?;
        let authority_at = address(&settings.authority, "authority")?;
        let api_urls = std::iter::once(&settings.api_server).chain(&settings.more_api_servers);
        let api_at: Vec<_> =
            api_urls.map(|url| address(url, "API server")).collect::<Result<_, _>>()?;
        let token_proxy_at = settings.token_proxy.as_deref();
        let token_proxy_at = token_proxy_at.map(|url| address(url, "token proxy")).transpose()?;
        let clocks = Machine::ALL.map(|_| settings.clock.another());
        let clock = |machine: Machine| clocks[machine as usize].clone();
        let (dates, signs) = (clock(Machine::Issuer), clock(Machine::Api));
        let issuer = Issuer::with_clocks(&settings.issuer, dates, signs, settings.keys)?;
        let (server, audience) = (clock(Machine::Api), settings.api_audience.clone());
        let first = ApiServer::new(issuer.clone(), server, audience);
        let apis = api_at.iter().map(|_| first.another()).collect();
        let tenants = clock(Machine::Entra);
        let entra = Entra::new(&settings.tenant_id, tenants, settings.keys.take(0)?);
        entra.make(&settings.client_id, settings.client_kind.clone());
        entra.keep_documents(settings.entra_keeps);
        entra.set_access_token_lifetime(settings.access_token_lifetime);
        let sim = Self(Arc::new(Inner {
            issuer_at,
            authority_at,
            api_at,
            token_proxy_at,
            issuer,
            apis,
            turns: AtomicUsize::new(0),
            entra,
            faults: Faults::default(),
            journal: Journal::default(),
            clocks,
            settings,
        }));
        let asked = &sim.settings().federated_credentials;
        let own = || vec![sim.federated_credential()];
        for credential in if asked.is_empty() { own() } else { asked.clone() } {
            sim.entra().trust(&sim.settings().client_id, credential);
        }
        Ok(sim)
    }

    /// What it was made of.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The true time, and what moves it.
    pub fn clock(&self) -> &SimClock {
        &self.0.settings.clock
    }

    /// What a machine takes for the time.
    ///
    /// ```
    /// use cambist_core::clock::Clock as _;
    /// use cambist_sim::Sim;
    /// use cambist_sim::clock::Machine;
    ///
    /// let sim = Sim::new()?;
    /// sim.clock_of(Machine::Pod).skew(-3600);
    /// assert!(sim.clock_of(Machine::Pod).wall() < sim.clock_of(Machine::Entra).wall());
    /// # Ok::<(), cambist_sim::SimError>(())
    /// ```
    pub fn clock_of(&self, machine: Machine) -> &SimClock {
        &self.0.clocks[machine as usize]
    }

    /// The cluster's issuer.
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// The cluster's API server, or the first of them.
    pub fn api(&self) -> &ApiServer {
        &self.0.apis[0]
    }

    /// All API servers of the cluster.
    pub fn apis(&self) -> &[ApiServer] {
        &self.0.apis
    }

    /// Signs as the API server does whose turn it is.
    fn sign(&self, spec: &TokenSpec) -> Result<String, KeyError> {
        let turn = self.0.turns.fetch_add(1, Ordering::Relaxed);
        spec.sign(&self.0.apis[turn % self.0.apis.len()].signer())
    }

    /// The tenant.
    pub fn entra(&self) -> &Entra {
        &self.0.entra
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// What was asked.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Where tokens are asked for.
    pub fn token_url(&self) -> String {
        let settings = self.settings();
        let authority = settings.authority.trim_end_matches('/');
        format!("{authority}/{}/oauth2/v2.0/token", settings.tenant_id)
    }

    /// The federated credential that fits the settings' issuer, workload and audience.
    pub fn federated_credential(&self) -> FederatedCredential {
        let settings = self.settings();
        FederatedCredential {
            issuer: settings.issuer.clone(),
            subject: settings.workload.subject(),
            audience: settings.audience.clone(),
        }
    }

    /// A normal token of the workload's, still to be signed.
    pub fn token_spec(&self) -> TokenSpec {
        let settings = self.settings();
        let (workload, audience) = (&settings.workload, &settings.audience);
        self.issuer().token_spec(workload, audience, settings.token_lifetime)
    }

    /// A normal token of the workload's, issued now.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn token(&self) -> Result<String, KeyError> {
        self.sign(&self.token_spec())
    }

    /// The workload's token as kubelet gets it in this form, issued now.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn token_in(&self, form: Form) -> Result<String, KeyError> {
        self.sign(&match form {
            Form::Projected => self.token_spec(),
            Form::Long => {
                let settings = self.settings();
                self.issuer().token_spec(&settings.workload, &settings.audience, YEAR)
            }
            Form::Legacy => TokenSpec::legacy(&self.settings().workload),
        })
    }

    /// A token of the workload's for the API server, issued now.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn api_token(&self) -> Result<String, KeyError> {
        let audience = self.settings().api_audience.as_str();
        self.sign(&self.token_spec().claim("aud", [audience].as_slice()))
    }

    /// The world's network as the pod sees it: no sockets, so that it works under paused time.
    pub fn service(&self) -> SimService {
        SimService::new(self.clone(), By::Pod)
    }

    pub(crate) fn side(&self, uri: &Uri) -> Option<Side> {
        let asked = uri.authority()?;
        let is = |at: &Uri| {
            at.authority().is_some_and(|own| {
                own.host().eq_ignore_ascii_case(asked.host())
                    && own.port_u16().unwrap_or(443) == asked.port_u16().unwrap_or(443)
            })
        };
        if uri.scheme_str() != Some("https") {
            None
        } else if is(&self.0.authority_at) && self.tenant_in(uri.path()).is_some() {
            // One host may be both servers; the path tells them apart.
            Some(Side::Entra)
        } else if is(&self.0.issuer_at) {
            Some(Side::Issuer)
        } else {
            let others = [
                (Some(&self.0.authority_at), Side::Entra),
                (self.0.token_proxy_at.as_ref(), Side::TokenProxy),
            ];
            let apis = self.0.api_at.iter().enumerate();
            let apis = apis.map(|(number, at)| (Some(at), Side::Api(number)));
            let mut others = others.into_iter().chain(apis);
            others.find_map(|(at, side)| at.is_some_and(is).then_some(side))
        }
    }

    fn tenant_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let tenant = path.strip_prefix('/')?.strip_suffix("/oauth2/v2.0/token")?;
        (!tenant.is_empty() && !tenant.contains('/')).then_some(tenant)
    }

    fn target(&self, side: Side, path: &str) -> Option<Target> {
        let base = self.0.issuer_at.path();
        let below = |rest: &str| {
            path.strip_prefix(base.strip_suffix('/').unwrap_or(base)).is_some_and(|it| it == rest)
        };
        match side {
            Side::Entra => self.tenant_in(path).map(|_| Target::Entra),
            Side::TokenProxy => self.proxied_tenant_in(path).map(|_| Target::TokenProxy),
            Side::Issuer if below("/.well-known/openid-configuration") => Some(Target::Discovery),
            Side::Issuer if below("/openid/v1/jwks") => Some(Target::Jwks),
            Side::Issuer => None,
            Side::Api(_) => Some(Target::Api),
        }
    }

    /// What becomes of a request that reached `side`; `fetch` is how Entra reaches the issuer.
    pub(crate) async fn answer<F>(
        &self,
        side: Side,
        by: By,
        mut request: Request,
        fetch: F,
    ) -> Answer
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let target = self.target(side, request.uri().path());
        let number = self.journal().begin(Entry {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            target,
            by,
            time: self.clock().wall(),
            scope: target
                .is_some_and(Target::grants_tokens)
                .then(|| request::scope(&request))
                .flatten(),
            status: None,
        });
        // Over a socket the address does not say which server it came to.
        request.extensions_mut().insert(side);
        let mut answer = match target {
            Some(target) => self.meet(target, by, request, fetch).await,
            None => Answer::Whole(plain(StatusCode::NOT_FOUND)),
        };
        if let Answer::Whole(response) | Answer::Cut(response) = &mut answer {
            let now = write_date(self.clock_of(side.machine()).wall());
            if !response.headers().contains_key(header::DATE) {
                set(response.headers_mut(), header::DATE, &now);
            }
            self.journal().finish(number, response.status());
        }
        answer
    }

    async fn meet<F>(&self, target: Target, by: By, request: Request, fetch: F) -> Answer
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        let chosen = self.faults().choose(target, by);
        if let Some(delay) = chosen.delay {
            tokio::time::sleep(delay).await;
        }
        let mut answer = match chosen.answer {
            Some(fault) => fault.strike(self, target, &request, fetch).await,
            None => Answer::Whole(self.honest(target, &request, fetch).await),
        };
        if let (Some(skew), Answer::Whole(response) | Answer::Cut(response)) =
            (chosen.date_skew, &mut answer)
        {
            let now = self.clock_of(target.side().machine()).wall();
            let now = UnixTime::from_secs(now.as_secs().saturating_add(skew));
            set(response.headers_mut(), header::DATE, &write_date(now));
        }
        answer
    }

    /// The answer without any fault.
    pub(crate) async fn honest<F>(&self, target: Target, request: &Request, fetch: F) -> Response
    where
        F: Service<Request, Response = Response, Error = BoxError>,
    {
        if request.body().len() > target.side().max_body() {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        match target {
            Target::Entra if self.trusts_the_token_proxy_alone() => {
                self.entra().refuse_with(request, NO_SUCH_ISSUER)
            }
            Target::TokenProxy => self.pass_on(request, fetch).await,
            Target::Entra => {
                let tenant = self.tenant_in(request.uri().path()).unwrap_or_default();
                self.entra().token(tenant, request, fetch).await
            }
            Target::Api => {
                let number = match request.extensions().get() {
                    Some(Side::Api(number)) => *number,
                    _ => 0,
                };
                self.apis()[number].answer(request)
            }
            _ if !get => plain(StatusCode::METHOD_NOT_ALLOWED),
            Target::Discovery => self.issuer().serve_discovery(request.headers()),
            Target::Jwks => self.issuer().serve_jwks(Duration::ZERO, request.headers()),
        }
    }
}

fn address(url: &str, role: &'static str) -> Result<Uri, SimError> {
    let uri = url.parse::<Uri>().ok();
    uri.filter(|uri| uri.scheme_str() == Some("https") && uri.query().is_none())
        .ok_or_else(|| SimError::Address { url: url.to_owned(), role })
}

/// A status and its own words.
pub(crate) fn plain(status: StatusCode) -> Response {
    let words = format!("{status}\n");
    response(status, &[("content-type", "text/plain; charset=utf-8")], words)
}

#[cfg(test)]
mod tests;

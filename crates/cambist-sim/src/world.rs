//! All of it assembled: one cluster, Entra's tenants, and the network between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Uri;

use crate::api::ApiServer;
use crate::clock::{Machine, SimClock};
use crate::entra::{Entra, FederatedCredential};
use crate::fault::{By, Faults};
use crate::issuer::Issuer;
use crate::journal::Journal;
use crate::keys::KeyError;
use crate::service::SimService;
use crate::settings::Settings;
use crate::token::{Form, TokenSpec};

mod network;
mod token_proxy;

pub(crate) use network::{Answer, Side, plain};

/// The life of a [long](Form::Long) token.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

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
        for resource in &settings.resources {
            entra.know_resource(resource);
        }
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

    /// Its tenants.
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
        self.token_url_of(&self.settings().tenant_id)
    }

    /// Where another tenant's tokens are asked for.
    pub fn token_url_of(&self, tenant: &str) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.settings().authority.trim_end_matches('/'))
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
}

fn address(url: &str, role: &'static str) -> Result<Uri, SimError> {
    let uri = url.parse::<Uri>().ok();
    uri.filter(|uri| uri.scheme_str() == Some("https") && uri.query().is_none())
        .ok_or_else(|| SimError::Address { url: url.to_owned(), role })
}

#[cfg(test)]
mod tests;

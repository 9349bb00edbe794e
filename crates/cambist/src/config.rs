//! Configuration: the workload-identity webhook's variables first, then `CAMBIST_*`.
//!
//! Everything is read through an [`Env`] and all that is wrong is said at once.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cambist_core::admission::{Admission, Mode};
use cambist_core::issuer::{IssuerUrl, JwksHost};
use cambist_core::key_age::enforce::Exemption;
use cambist_core::key_age::{Grade, Limits};
use cambist_core::scope::Audience;
use cambist_core::subject::ServiceAccount;
use cambist_core::verify::{DefaultAccount, Verifier};
use jiff::SignedDuration;

use crate::assertions::Assertions;
use crate::credential::{Context, Credential, Workload};
use crate::env::Env;
use crate::exchange::{Authority, Exchange, TenantId};
use crate::history::HistoryFile;
use crate::issuer_keys::{IssuerKeys, Source};
use crate::key_age::{self, KeyAge};
use crate::token_file::TokenFile;
use crate::transport::{CaBundle, HttpsOptions, ProxyOptions, Transport};

mod faults;
mod variables;

pub use faults::{ConfigErrors, Fault};
pub use variables::{VARIABLES, Variable};

/// The CA certificate of the cluster, where pods find it.
const CLUSTER_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// What one identity needs to get its tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The Entra tenant: a GUID or a domain name.
    pub tenant_id: TenantId,
    /// The identity's client id.
    pub client_id: String,
    /// The projected token.
    pub token_file: PathBuf,
    /// Where tokens are exchanged.
    pub authority: Authority,
    /// What is checked before anything is sent.
    pub verifier: Verifier,
    /// How strict the issuer-key policy is.
    pub mode: Mode,
    /// What the ages of the issuer's keys are held against.
    pub key_age: key_age::Settings,
    /// Where to look for the issuer's keys, in order.
    pub keys: Vec<KeyPlace>,
    /// Whether the key set may live on another host than the issuer.
    pub jwks_host: JwksHost,
    /// More CA certificates for Entra (a PEM file).
    pub entra_ca_file: Option<PathBuf>,
    /// More CA certificates for the issuer (a PEM file).
    pub issuer_ca_file: Option<PathBuf>,
    /// The proxy on the way to Entra and to the public issuer, never to the API server.
    pub proxy: Option<ProxyOptions>,
}

/// A place to look for the issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPlace {
    /// The issuer's public discovery document.
    Public,
    /// The cluster's own API server.
    Api {
        /// `https://host:port`.
        server: String,
        /// A projected token whose audience is the API server's.
        token_file: PathBuf,
        /// The cluster's CA certificate.
        ca_file: PathBuf,
    },
    /// A key-set file.
    File(PathBuf),
}

impl fmt::Display for KeyPlace {
    /// As it is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Api { server, .. } => write!(f, "api ({server})"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl Config {
    /// Reads the configuration.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use cambist::Config;
    ///
    /// let env: BTreeMap<String, String> = [
    ///     ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
    ///     ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
    ///     ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token"),
    ///     ("CAMBIST_LEEWAY", "a while"),
    /// ].map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    /// let faults = Config::from_env(&env).unwrap_err();
    /// assert_eq!(faults.faults()[0].name, "CAMBIST_LEEWAY");
    /// ```
    ///
    /// # Errors
    /// All faults at once, each with the variable's name, what is wrong and what to do.
    pub fn from_env(env: &dyn Env) -> Result<Self, ConfigErrors> {
        let mut read = Reader { env, faults: Vec::new() };
        let tenant_id = read.tenant();
        let client_id = read.guid("AZURE_CLIENT_ID");
        let token_file = read.required("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
        let authority = read.authority();
        let mode = read.parsed("CAMBIST_KEY_AGE", "off, audit or enforce").unwrap_or_default();
        let verifier = read.verifier(authority.as_ref(), mode);
        let key_age = read.key_age();
        let jwks_host = read.jwks_host();
        let keys = read.keys();
        let both = read.env.get("CAMBIST_CA_FILE");
        let ca = |name| env.get(name).or_else(|| both.clone()).map(PathBuf::from);
        let proxy = read.proxy();
        match (tenant_id, client_id, token_file, authority) {
            (Some(tenant_id), Some(client_id), Some(token_file), Some(authority))
                if read.faults.is_empty() =>
            {
                Ok(Self {
                    tenant_id,
                    client_id,
                    token_file,
                    authority,
                    verifier,
                    mode,
                    key_age,
                    keys,
                    jwks_host,
                    entra_ca_file: ca("CAMBIST_ENTRA_CA_FILE"),
                    issuer_ca_file: ca("CAMBIST_ISSUER_CA_FILE"),
                    proxy,
                })
            }
            _ => Err(ConfigErrors::new(read.faults)),
        }
    }

    /// Opens the connections that this configuration asks for: one transport for each trust domain,
    /// so that a CA added for one cannot speak for another.
    ///
    /// # Errors
    /// If a CA file cannot be read or a transport cannot be made of it.
    pub fn credential(&self, context: Context) -> Result<Credential, ConfigErrors> {
        let entra = open("CAMBIST_ENTRA_CA_FILE", self.options(self.entra_ca_file.as_ref()));
        match (entra, self.key_sources()) {
            (Ok(entra), Ok(sources)) => Ok(self.credential_over(entra, sources, context)),
            (entra, sources) => {
                let faults = [entra.err(), sources.err()].into_iter().flatten();
                Err(ConfigErrors::new(faults.flat_map(|e| e.faults().to_vec()).collect()))
            }
        }
    }

    /// The verified assertions alone, for who exchanges them otherwise: see
    /// [`crate::azure::VerifiedAssertion`] of the feature `azure`.
    ///
    /// # Errors
    /// As [`credential`](Self::credential).
    pub fn assertions(&self, context: Context) -> Result<Assertions, ConfigErrors> {
        Ok(self.assertions_over(self.key_sources()?, context))
    }

    /// Where keys come from, with a connection for each.
    fn key_sources(&self) -> Result<Vec<Source>, ConfigErrors> {
        let (mut sources, mut faults) = (Vec::new(), Vec::new());
        for place in &self.keys {
            match self.key_source(place) {
                Ok(source) => sources.push(source),
                Err(errors) => faults.extend_from_slice(errors.faults()),
            }
        }
        if faults.is_empty() { Ok(sources) } else { Err(ConfigErrors::new(faults)) }
    }

    fn key_source(&self, place: &KeyPlace) -> Result<Source, ConfigErrors> {
        match place {
            KeyPlace::Public => {
                let options = self.options(self.issuer_ca_file.as_ref());
                let transport = open("CAMBIST_ISSUER_CA_FILE", options)?;
                Ok(Source::Public { transport, host: self.jwks_host })
            }
            KeyPlace::Api { server, token_file, ca_file } => {
                let options = read_ca(ca_file).map(|bundle| HttpsOptions {
                    roots: vec![bundle],
                    platform_roots: false,
                    ..HttpsOptions::default()
                });
                let transport = open("CAMBIST_API_CA_FILE", options)?;
                let (server, token_file) = (server.clone(), token_file.clone());
                Ok(Source::Api { transport, server, token_file })
            }
            KeyPlace::File(path) => Ok(Source::File(path.clone())),
        }
    }

    /// The same over transports that somebody else made: a test's, or an app's own client.
    pub fn credential_over(
        &self,
        entra: Transport,
        sources: Vec<Source>,
        context: Context,
    ) -> Credential {
        let clock = context.clock.clone();
        let (authority, tenant_id) = (self.authority.clone(), self.tenant_id.clone());
        Credential::new(Workload {
            assertions: self.assertions_over(sources, context.clone()),
            exchange: Exchange::new(entra, authority, tenant_id, &self.client_id, clock),
            context,
        })
    }

    /// The verified assertions alone, for who exchanges them otherwise.
    pub fn assertions_over(&self, sources: Vec<Source>, context: Context) -> Assertions {
        let key_age = KeyAge::new(self.key_age.clone(), context.clone());
        key_age.read_ledger();
        let key_age = (self.mode != Mode::Off).then_some(key_age);
        Assertions::new(
            TokenFile::new(self.token_file.clone()),
            IssuerKeys::judged(sources, key_age, context.clone()),
            Admission::new(self.verifier.clone(), self.mode),
            context,
        )
    }

    fn options(&self, ca_file: Option<&PathBuf>) -> Result<HttpsOptions, String> {
        let roots = ca_file.map(read_ca).transpose()?.into_iter().collect();
        Ok(HttpsOptions { roots, proxy: self.proxy.clone(), ..HttpsOptions::default() })
    }
}

fn open(
    name: &'static str,
    options: Result<HttpsOptions, String>,
) -> Result<Transport, ConfigErrors> {
    let opened = options.and_then(|options| Transport::https(options).map_err(|e| e.to_string()));
    opened.map_err(|problem| ConfigErrors::new(vec![Fault { name: name.into(), problem }]))
}

fn read_ca(path: &PathBuf) -> Result<CaBundle, String> {
    let shown = path.display().to_string();
    let pem = std::fs::read(path).map_err(|e| format!("{shown} cannot be read: {e}"))?;
    CaBundle::parse(shown, &pem).map_err(|e| e.to_string())
}

/// Reads one variable after the other and notes what is wrong.
struct Reader<'a> {
    env: &'a dyn Env,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, name: &str, problem: impl Into<String>) {
        self.faults.push(Fault { name: name.to_owned().into(), problem: problem.into() });
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let text = self.env.get(name);
        if text.is_none() {
            self.fault(
                name,
                "is not set; the workload-identity webhook sets it for pods labelled \
                azure.workload.identity/use: \"true\", or set it yourself",
            );
        }
        text
    }

    fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.env.get(name)?;
        let parsed = text.trim().parse().ok();
        if parsed.is_none() {
            self.fault(name, format!("must be {expected}, found {text:?}"));
        }
        parsed
    }

    fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let expected = "a duration such as 300s, 10m or 24h";
        let Some(parsed) = self.parsed::<SignedDuration>(name, expected) else { return default };
        Duration::try_from(parsed).unwrap_or_else(|_| {
            self.fault(name, format!("must be {expected}, not a negative one"));
            default
        })
    }

    fn guid(&mut self, name: &str) -> Option<String> {
        let text = self.required(name)?;
        let lengths = text.split('-').map(str::len);
        let hex = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if hex && lengths.eq([8, 4, 4, 4, 12]) {
            return Some(text);
        }
        self.fault(name, format!("must be a GUID, found {text:?}"));
        None
    }

    fn tenant(&mut self) -> Option<TenantId> {
        let name = "AZURE_TENANT_ID";
        let text = self.required(name)?;
        match TenantId::parse(&text) {
            Ok(tenant) => Some(tenant),
            Err(problem) => {
                self.fault(name, problem.to_string());
                None
            }
        }
    }

    fn authority(&mut self) -> Option<Authority> {
        let allowed = self.env.get("CAMBIST_ALLOW_AUTHORITY").unwrap_or_default();
        let mut allowed: Vec<_> =
            allowed.split(',').map(str::trim).filter(|a| !a.is_empty()).collect();
        allowed.retain(|authority| match Authority::parse(authority, &[authority]) {
            Ok(_) => true,
            Err(problem) => {
                self.fault("CAMBIST_ALLOW_AUTHORITY", problem.to_string());
                false
            }
        });
        let text = self.env.get("AZURE_AUTHORITY_HOST");
        let text = text.as_deref().unwrap_or("https://login.microsoftonline.com/");
        match Authority::parse(text, &allowed) {
            Ok(authority) => Some(authority),
            Err(problem) => {
                self.fault("AZURE_AUTHORITY_HOST", problem.to_string());
                None
            }
        }
    }

    fn verifier(&mut self, authority: Option<&Authority>, mode: Mode) -> Verifier {
        let issuer = self.env.get("CAMBIST_ISSUER").and_then(|text| {
            let parsed = IssuerUrl::parse(&text);
            parsed.map_err(|e| self.fault("CAMBIST_ISSUER", e.to_string())).ok()
        });
        if issuer.is_none() && mode == Mode::Enforce && self.env.get("CAMBIST_ISSUER").is_none() {
            self.fault(
                "CAMBIST_ISSUER",
                "is not set, but CAMBIST_KEY_AGE=enforce needs it: without \
                it a token's own issuer would decide which keys to trust",
            );
        }
        // Where something is wrong, reading goes on with a stand-in, to tell all faults at once.
        let usual = authority.map_or_else(Audience::entra, Authority::default_audience);
        let audience = match self.env.get("CAMBIST_AUDIENCE").map(Audience::parse) {
            Some(Ok(audience)) => audience,
            Some(Err(error)) => {
                self.fault("CAMBIST_AUDIENCE", error.to_string());
                usual
            }
            None => usual,
        };
        let mut verifier = Verifier::new(issuer, audience);
        verifier.leeway = self.duration("CAMBIST_LEEWAY", verifier.leeway);
        verifier.max_lifetime = self.duration("CAMBIST_MAX_TOKEN_LIFETIME", verifier.max_lifetime);
        let name = "CAMBIST_ALLOW_DEFAULT_ACCOUNT";
        if let Some(text) = self.env.get(name) {
            let accounts: Result<Vec<ServiceAccount>, _> =
                text.split(',').map(|account| account.trim().parse()).collect();
            match accounts {
                Ok(accounts) => verifier.default_account = DefaultAccount::Allowed(accounts),
                Err(problem) => self.fault(name, problem.to_string()),
            }
        }
        verifier
    }

    fn key_age(&mut self) -> key_age::Settings {
        let given = ["CAMBIST_ROTATE_AFTER", "CAMBIST_EXPIRE_AFTER"].map(|name| self.env.get(name));
        let mut limits = None;
        if given.iter().any(Option::is_some) {
            let usual = Limits::AZURE_LOCAL;
            let rotate_after = self.duration("CAMBIST_ROTATE_AFTER", usual.rotate_after());
            let expire_after =
                self.duration("CAMBIST_EXPIRE_AFTER", usual.expire_after().max(rotate_after * 2));
            let given = Limits::new(rotate_after, expire_after);
            limits = given.map_err(|e| self.fault("CAMBIST_ROTATE_AFTER", e.to_string())).ok();
        }
        let exempt = Exemption::list(&self.env.get("CAMBIST_KEY_AGE_EXEMPT").unwrap_or_default());
        let exempt = exempt.map_err(|e| self.fault("CAMBIST_KEY_AGE_EXEMPT", e.to_string()));
        let trust = self.parsed("CAMBIST_LEDGER_TRUST", "attested, asserted or assumed");
        key_age::Settings {
            platform: self.parsed("CAMBIST_PLATFORM", "a platform such as aks-arc or kubeadm"),
            limits,
            exempt: exempt.unwrap_or_default(),
            ledger: self.env.get("CAMBIST_LEDGER").map(HistoryFile::new),
            ledger_trust: trust.unwrap_or(Grade::Attested).min(Grade::Attested),
        }
    }

    fn jwks_host(&mut self) -> JwksHost {
        match self.parsed("CAMBIST_JWKS_ANY_HOST", "true or false") {
            Some(true) => JwksHost::AnyHttps,
            _ => JwksHost::SameAsIssuer,
        }
    }

    fn keys(&mut self) -> Vec<KeyPlace> {
        let text = self.env.get("CAMBIST_KEYS").unwrap_or_else(|| "public".to_owned());
        text.split(',').filter_map(|place| self.key_place(place.trim())).collect()
    }

    fn key_place(&mut self, place: &str) -> Option<KeyPlace> {
        match place.split_once(':') {
            None if place == "public" => Some(KeyPlace::Public),
            None if place == "api" => self.api(),
            Some(("file", path)) if !path.is_empty() => Some(KeyPlace::File(path.into())),
            _ => {
                let problem = format!("must list public, api and file:PATH, found {place:?}");
                self.fault("CAMBIST_KEYS", problem);
                None
            }
        }
    }

    fn api(&mut self) -> Option<KeyPlace> {
        let need = "is not set, but CAMBIST_KEYS lists api";
        let mut get = |name: &str, more: &str| {
            let text = self.env.get(name);
            if text.is_none() {
                self.fault(name, format!("{need}{more}"));
            }
            text
        };
        let host = get("KUBERNETES_SERVICE_HOST", "; it is set in every pod of a cluster")?;
        let token_file = get(
            "CAMBIST_API_TOKEN_FILE",
            ": mount a projected token whose audience \
            is the API server's, in the sidecar only",
        )?;
        let port = self.env.get("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let ca_file = self.env.get("CAMBIST_API_CA_FILE").unwrap_or_else(|| CLUSTER_CA.to_owned());
        Some(KeyPlace::Api {
            server: format!("https://{host}:{port}"),
            token_file: token_file.into(),
            ca_file: ca_file.into(),
        })
    }

    fn proxy(&mut self) -> Option<ProxyOptions> {
        let either = |upper, lower| self.env.get(upper).or_else(|| self.env.get(lower));
        let url = either("HTTPS_PROXY", "https_proxy")?;
        let no_proxy = either("NO_PROXY", "no_proxy").unwrap_or_default();
        let proxy = ProxyOptions::parse(&url, &no_proxy);
        proxy.map_err(|e| self.fault("HTTPS_PROXY", e.to_string())).ok()
    }
}

#[cfg(test)]
mod tests;

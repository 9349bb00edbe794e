//! Configuration: the workload-identity webhook's variables first, then `CAMBIST_*`.
//!
//! Everything is read through an [`Env`] and all that is wrong is said at once.

use std::fmt;
use std::path::{Path, PathBuf};

use cambist_core::admission::{Admission, Mode};
use cambist_core::issuer::JwksHost;
use cambist_core::verify::Verifier;

use crate::assertions::Assertions;
use crate::context::Context;
use crate::credential::{Credential, Workload};
use crate::env::Env;
use crate::exchange::{Authority, Exchange, TenantId};
use crate::issuer_keys::{IssuerKeys, Source};
use crate::key_age::{self, KeyAge};
use crate::token_file::TokenFile;
use crate::transport::{
    CaBundle, HttpsOptions, ProxyOptions, TokenProxyOptions, TokenProxyTrust, Transport,
};

mod faults;
mod reader;
mod variables;

use reader::Reader;

pub use faults::{ConfigErrors, Fault};
pub use variables::{VARIABLES, Variable};

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
    /// The cluster's token proxy (AKS identity bindings), through which tokens are exchanged instead
    /// of at the authority's own address.
    pub token_proxy: Option<TokenProxyOptions>,
    /// The proxy on the way to Entra and to the public issuer, never to the API server or the token
    /// proxy.
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
        let mut read = Reader::new(env);
        let tenant_id = read.tenant();
        let client_id = read.guid("AZURE_CLIENT_ID");
        let token_file = read.required("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
        let authority = read.authority();
        let token_proxy = read.token_proxy();
        let mode = read.parsed("CAMBIST_KEY_AGE", "off, audit or enforce").unwrap_or_default();
        let verifier = read.verifier(authority.as_ref(), mode);
        let key_age = read.key_age();
        let jwks_host = read.jwks_host();
        let keys = read.keys();
        let both = env.get("CAMBIST_CA_FILE");
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
                    token_proxy,
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
        let entra = match self.token_proxy.clone() {
            // A domain of its own: Entra's CAs and the proxy on the way to Entra have no say there.
            Some(proxy) => {
                let name = match proxy.trust {
                    TokenProxyTrust::Bundle(_) => "AZURE_KUBERNETES_CA_DATA",
                    _ => "AZURE_KUBERNETES_CA_FILE",
                };
                open(name, Transport::token_proxy(proxy))
            }
            None => https("CAMBIST_ENTRA_CA_FILE", self.options(self.entra_ca_file.as_ref())),
        };
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
                let transport = https("CAMBIST_ISSUER_CA_FILE", options)?;
                Ok(Source::Public { transport, host: self.jwks_host })
            }
            KeyPlace::Api { server, token_file, ca_file } => {
                let options = read_ca(ca_file).map(|bundle| HttpsOptions {
                    roots: vec![bundle],
                    platform_roots: false,
                    ..HttpsOptions::default()
                });
                let transport = https("CAMBIST_API_CA_FILE", options)?;
                let (server, token_file) = (server.clone(), token_file.clone());
                Ok(Source::Api { transport, server, token_file })
            }
            KeyPlace::File(path) => Ok(Source::File(path.clone())),
        }
    }

    /// The same over transports that somebody else made: a test's, or an app's own client. With a
    /// token proxy, `entra` is the way there.
    pub fn credential_over(
        &self,
        entra: Transport,
        sources: Vec<Source>,
        context: Context,
    ) -> Credential {
        let clock = context.clock.clone();
        let (authority, tenant_id) = (self.authority.clone(), self.tenant_id.clone());
        let direct = Exchange::new(entra, authority, tenant_id, &self.client_id, clock);
        Credential::new(Workload {
            assertions: self.assertions_over(sources, context.clone()),
            exchange: match &self.token_proxy {
                Some(proxy) => direct.through(proxy),
                None => direct,
            },
            context,
        })
    }

    /// The verified assertions alone, for who exchanges them otherwise.
    pub fn assertions_over(&self, sources: Vec<Source>, context: Context) -> Assertions {
        let key_age = (self.mode != Mode::Off)
            .then(|| KeyAge::new(self.key_age.clone(), context.clone()))
            .inspect(KeyAge::read_ledger);
        Assertions::new(
            TokenFile::new(self.token_file.clone()),
            IssuerKeys::judged(sources, key_age, context.clone()),
            Admission::new(self.verifier.clone(), self.mode),
            context,
        )
    }

    fn options(&self, ca_file: Option<&PathBuf>) -> Result<HttpsOptions, String> {
        let roots = ca_file.map(|path| read_ca(path)).transpose()?.into_iter().collect();
        Ok(HttpsOptions { roots, proxy: self.proxy.clone(), ..HttpsOptions::default() })
    }
}

fn https(
    name: &'static str,
    options: Result<HttpsOptions, String>,
) -> Result<Transport, ConfigErrors> {
    let opened = options.and_then(|options| Transport::https(options).map_err(|e| e.to_string()));
    open(name, opened)
}

fn open(
    name: &'static str,
    opened: Result<Transport, impl fmt::Display>,
) -> Result<Transport, ConfigErrors> {
    opened.map_err(|problem| {
        let problem = problem.to_string();
        ConfigErrors::new(vec![Fault { name: name.into(), problem }])
    })
}

fn read_ca(path: &Path) -> Result<CaBundle, String> {
    CaBundle::read(path).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;

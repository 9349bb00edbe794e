//! What is trusted: the issuer and its keys, the CAs, and how strictly.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cambist_core::admission::Mode;
use cambist_core::issuer::{IssuerUrl, JwksHost};
use cambist_core::scope::Audience;
use cambist_core::verify::{DefaultAccount, ENTRA_MAX_LIFETIME, OwnTokenVerifier, Rules, Verifier};

use super::{ConfigErrors, ConfigFault};
use crate::context::Context;
use crate::issuer_keys::KeyOrigin;
use crate::key_age;
use crate::transport::{
    CaFiles, HttpsOptions, ProxyOptions, TokenProxyOptions, TokenProxyTrust, Transport,
};
use crate::trust::Trust;

/// What every identity of one process trusts, and through what it reaches whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrustConfig {
    /// The one accepted issuer of the pod's tokens; `None` believes the token's own word for it, see
    /// [`OwnTokenVerifier::DangerUnpinned`].
    pub issuer: Option<IssuerUrl>,
    /// How far the clocks of cluster and pod may differ.
    pub leeway: Duration,
    /// The longest accepted time from a projected token's `iat` to its `exp`. What goes to Entra itself
    /// may live for [`ENTRA_MAX_LIFETIME`] at most.
    pub max_lifetime: Duration,
    /// Whether a namespace's `default` account may be exchanged.
    pub default_account: DefaultAccount,
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

impl TrustConfig {
    /// Opens the connections that this configuration asks for: one transport for each trust domain,
    /// so that a CA added for one cannot speak for another.
    ///
    /// # Errors
    /// If a CA file cannot be read or a transport cannot be made of it: all of them at once.
    pub fn open(&self, context: Context) -> Result<Trust, ConfigErrors> {
        let mut files = CaFiles::default();
        let entra = match self.token_proxy.clone() {
            // A domain of its own: Entra's CAs and the proxy on the way to Entra have no say there.
            Some(proxy) => {
                let name = match proxy.trust {
                    TokenProxyTrust::Bundle(_) => "AZURE_KUBERNETES_CA_DATA",
                    _ => "AZURE_KUBERNETES_CA_FILE",
                };
                open(name, Transport::token_proxy(proxy))
            }
            None => {
                let name = self.ca_file("CAMBIST_ENTRA_CA_FILE");
                self.transport(name, self.entra_ca_file.as_deref(), &mut files)
            }
        };
        match (entra, self.key_sources(&mut files)) {
            (Ok(entra), Ok(sources)) => {
                let files = files.watched(&context.observer);
                Ok(Trust::new(self.clone(), entra, sources, files, context))
            }
            (entra, sources) => {
                let faults = [entra.err(), sources.err()].into_iter().flatten();
                let mut faults: Vec<_> = faults.flat_map(|e| e.faults().to_vec()).collect();
                // One file for both is one fault.
                faults.dedup();
                Err(ConfigErrors::new(faults))
            }
        }
    }

    /// The same over transports that somebody else made: a test's, or an app's own client. With a
    /// token proxy, `entra` is the way there. The CA files are of no use to those.
    pub fn open_over(&self, entra: Transport, sources: Vec<KeyOrigin>, context: Context) -> Trust {
        Trust::new(self.clone(), entra, sources, Vec::new(), context)
    }

    /// What a projected token with this audience is held against.
    pub(crate) fn verifier(&self, audience: Audience) -> OwnTokenVerifier {
        let mut rules = Rules::new(audience);
        rules.leeway = self.leeway;
        // Sent to Entra, a longer one is refused there (AADSTS70023). The cluster's token proxy sends one
        // of its own instead.
        rules.max_lifetime = match self.token_proxy {
            None => self.max_lifetime.min(ENTRA_MAX_LIFETIME),
            Some(_) => self.max_lifetime,
        };
        rules.default_account = self.default_account.clone();
        match self.issuer.clone() {
            Some(issuer) => Verifier::with(issuer, rules).into(),
            None => OwnTokenVerifier::DangerUnpinned(rules),
        }
    }

    /// Where keys come from, with a connection for each.
    fn key_sources(&self, files: &mut CaFiles) -> Result<Vec<KeyOrigin>, ConfigErrors> {
        let (mut sources, mut faults) = (Vec::new(), Vec::new());
        for place in &self.keys {
            match self.key_source(place, files) {
                Ok(source) => sources.push(source),
                Err(errors) => faults.extend_from_slice(errors.faults()),
            }
        }
        if faults.is_empty() { Ok(sources) } else { Err(ConfigErrors::new(faults)) }
    }

    fn key_source(&self, place: &KeyPlace, files: &mut CaFiles) -> Result<KeyOrigin, ConfigErrors> {
        match place {
            KeyPlace::Public => {
                let name = self.ca_file("CAMBIST_ISSUER_CA_FILE");
                let transport = self.transport(name, self.issuer_ca_file.as_deref(), files)?;
                Ok(KeyOrigin::Public { transport, host: self.jwks_host })
            }
            KeyPlace::Api { server, token_file, ca_file } => {
                let name = "CAMBIST_API_CA_FILE";
                let options = HttpsOptions { platform_roots: false, ..HttpsOptions::default() };
                let transport = open(name, files.transport(name, ca_file, options))?;
                let (server, token_file) = (server.clone(), token_file.clone());
                Ok(KeyOrigin::Api { transport, server, token_file })
            }
            KeyPlace::File(path) => Ok(KeyOrigin::File(path.clone())),
        }
    }

    /// Where a CA file was most likely named: one for both is named once.
    fn ca_file(&self, own: &'static str) -> &'static str {
        match (&self.entra_ca_file, &self.issuer_ca_file) {
            (Some(entra), Some(issuer)) if entra == issuer => "CAMBIST_CA_FILE",
            _ => own,
        }
    }

    /// A transport to who is out there, by the platform's CAs and those of a file.
    fn transport(
        &self,
        name: &'static str,
        ca_file: Option<&Path>,
        files: &mut CaFiles,
    ) -> Result<Transport, ConfigErrors> {
        let options = HttpsOptions { proxy: self.proxy.clone(), ..HttpsOptions::default() };
        match ca_file {
            Some(path) => open(name, files.transport(name, path, options)),
            None => open(name, Transport::https(options)),
        }
    }
}

fn open(
    name: &'static str,
    opened: Result<Transport, impl fmt::Display>,
) -> Result<Transport, ConfigErrors> {
    opened.map_err(|problem| ConfigErrors::new(vec![ConfigFault::new(name, problem.to_string())]))
}

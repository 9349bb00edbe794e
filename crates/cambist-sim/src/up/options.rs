//! What can be chosen about a world on real sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cambist_core::scope::Audience;

use crate::clock::SimClock;
use crate::entra::{FederatedCredential, Kind};
use crate::keys::KeySource;
use crate::settings::Settings;
use crate::token::Workload;

/// How [`start`](super::start) sets a world up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where the token, the CA and `env` are written.
    pub dir: PathBuf,
    /// The address of this machine on whose free ports the issuer, Entra, the API servers and the token
    /// proxy are. The admin API and the CONNECT proxy stay on 127.0.0.1.
    pub listen: IpAddr,
    /// How long a projected token lives.
    pub token_lifetime: Duration,
    /// How long an access token lives.
    pub access_token_lifetime: Duration,
    /// How long Entra goes on with an issuer's documents before it reads them anew; with
    /// `rotate_every` no longer than that.
    pub entra_keeps: Duration,
    /// The resource id of the managed identity that the client id is of; `None` for an application.
    pub managed_identity: Option<String>,
    /// How often the issuer rotates its key, with overlap, each new key being public for as long
    /// before it signs; `None` for never.
    pub rotate_every: Option<Duration>,
    /// What the app trusts; empty for exactly the projected token.
    pub federated_credentials: Vec<Trust>,
    /// The resources that the tenant has besides Azure's own, as
    /// [`know_resource`](crate::entra::Entra::know_resource) takes them.
    pub resources: Vec<String>,
    /// Files of certificate authorities (PEM) whose issuers the simulated Entra reads as well: those
    /// of a federated credential may live outside of the simulator.
    pub ca_files: Vec<PathBuf>,
    /// How many API servers the cluster has; at least one.
    pub api_servers: usize,
    /// Whether `env` has the sidecar open `imds`, which asks for no secret.
    pub imds: bool,
    /// Whether there is an authenticating CONNECT proxy.
    pub proxy: bool,
    /// Whether the cluster has a token proxy (AKS identity bindings).
    pub token_proxy: bool,
    /// The pod's namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// The audience of its token; `None` for what Entra expects, or the token proxy if there is one.
    pub audience: Option<String>,
    /// The audience of its second token, which is for the API server.
    pub api_audience: String,
    /// The app registration's client id.
    pub client_id: String,
    /// The tenant's id.
    pub tenant_id: String,
    /// Where signing keys come from.
    pub keys: KeySource,
}

/// Where the servers are.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    pub(super) issuer: String,
    pub(super) authority: String,
    pub(super) api_server: String,
    pub(super) more_api_servers: Vec<String>,
    pub(super) token_proxy: Option<String>,
}

impl Options {
    /// The defaults, writing into `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let settings = Settings::default();
        Self {
            dir: dir.into(),
            listen: Ipv4Addr::LOCALHOST.into(),
            token_lifetime: settings.token_lifetime,
            access_token_lifetime: settings.access_token_lifetime,
            entra_keeps: settings.entra_keeps,
            managed_identity: None,
            rotate_every: None,
            federated_credentials: Vec::new(),
            resources: Vec::new(),
            ca_files: Vec::new(),
            api_servers: 1,
            imds: false,
            proxy: false,
            token_proxy: false,
            namespace: settings.workload.namespace,
            service_account: settings.workload.service_account,
            audience: None,
            api_audience: settings.api_audience,
            client_id: settings.client_id,
            tenant_id: settings.tenant_id,
            keys: KeySource::Fresh,
        }
    }

    /// For how long Entra uses a set: no longer than a key is public before it signs.
    pub(crate) fn kept_by_entra(&self) -> Duration {
        self.rotate_every.map_or(self.entra_keeps, |every| every.min(self.entra_keeps))
    }

    pub(super) fn settings(&self, at: Addresses, clock: SimClock) -> Settings {
        let Addresses { issuer, authority, api_server, more_api_servers, token_proxy } = at;
        let usual = match &token_proxy {
            Some(_) => Audience::aks_identity_binding(),
            None => Audience::entra(),
        };
        let audience = self.audience.clone().unwrap_or_else(|| usual.to_string());
        let workload = Workload::new(&self.namespace, &self.service_account);
        let trust = |trust: &Trust| {
            let own = FederatedCredential {
                issuer: issuer.clone(),
                subject: workload.subject(),
                audience: audience.clone(),
            };
            trust.clone().or(own)
        };
        Settings {
            federated_credentials: self.federated_credentials.iter().map(trust).collect(),
            issuer,
            authority,
            api_server,
            more_api_servers,
            token_proxy,
            api_audience: self.api_audience.clone(),
            tenant_id: self.tenant_id.clone(),
            client_id: self.client_id.clone(),
            workload,
            audience: audience.clone(),
            token_lifetime: self.token_lifetime,
            access_token_lifetime: self.access_token_lifetime,
            client_kind: match self.managed_identity.clone() {
                Some(resource_id) => Kind::ManagedIdentity { resource_id },
                None => Kind::Application,
            },
            entra_keeps: self.kept_by_entra(),
            resources: self.resources.clone(),
            keys: self.keys,
            clock,
        }
    }
}

/// A federated credential of which any part may be left to what the projected token has.
///
/// ```
/// use cambist_sim::up::Trust;
///
/// let trust: Trust = "subject=system:serviceaccount:shop:billing".parse()?;
/// assert_eq!(trust.subject.as_deref(), Some("system:serviceaccount:shop:billing"));
/// assert_eq!(trust.issuer, None);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trust {
    /// The `iss`.
    pub issuer: Option<String>,
    /// The `sub`.
    pub subject: Option<String>,
    /// The `aud`.
    pub audience: Option<String>,
}

impl Trust {
    /// The parts that are left out, of another.
    pub(super) fn or(self, other: FederatedCredential) -> FederatedCredential {
        FederatedCredential {
            issuer: self.issuer.unwrap_or(other.issuer),
            subject: self.subject.unwrap_or(other.subject),
            audience: self.audience.unwrap_or(other.audience),
        }
    }
}

impl FromStr for Trust {
    type Err = String;

    /// `issuer=...,subject=...,audience=...`, each at most once.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut trust = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let field = match name {
                "issuer" => &mut trust.issuer,
                "subject" => &mut trust.subject,
                "audience" => &mut trust.audience,
                _ => return Err(format!("'{name}' is none of issuer, subject, audience")),
            };
            if value.is_empty() {
                return Err(format!("'{name}' needs a value: {name}=..."));
            }
            if field.replace(value.to_owned()).is_some() {
                return Err(format!("'{name}' is given twice"));
            }
        }
        Ok(trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_left_out_are_the_projected_tokens() {
        let trust = "audience=a=b,issuer=https://i.test/".parse().unwrap();
        let mut options = Options::new("unused");
        options.federated_credentials = vec![trust];
        let settings = options.settings(Addresses::default(), SimClock::system());
        let credential = &settings.federated_credentials[0];
        assert_eq!(credential.issuer, "https://i.test/");
        assert_eq!(credential.audience, "a=b");
        assert_eq!(credential.subject, "system:serviceaccount:shop:checkout");
    }

    #[test]
    fn says_what_is_wrong_with_a_credential() {
        for (bad, word) in [
            ("", "none of"),
            ("issuer", "needs a value"),
            ("issuer=a,issuer=b", "twice"),
            ("sub=x", "'sub'"),
        ] {
            assert!(bad.parse::<Trust>().unwrap_err().contains(word), "{bad}");
        }
    }
}

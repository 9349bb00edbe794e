//! What runs, typed: from flags and variables, before anything is opened.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

#[cfg(feature = "developer")]
use cambist::Credential;
use cambist::config::{ConfigErrors, ConfigFault, TrustConfig};
use cambist::{Context, Env};
use cambist_core::refresh::Jitter;
use cambist_core::scope::{Resource, Scope};

use crate::admin::StatusFor;
use crate::confine::Confine;
use crate::front_door::HostName;
use crate::in_force::Origin;
use crate::key_age::Rules;
use crate::listener::{CERT_FILE, CertificateFiles, KEY_FILE};
use crate::log::{Filter, Format};
use crate::otlp::Otlp;
use crate::request::Protocol;
use crate::settings::{Settings, unknown};
use crate::telemetry::audit::To;

mod cloud;
mod doors;
mod init;
mod listen;
mod made;
mod policy;
mod source;
mod told;

pub(crate) use init::{Draft, draft};
pub use listen::Listen;
pub(crate) use made::{MAKE_SECRET, secret as made_secret};
pub(crate) use policy::{Before, Unusable};
pub use policy::{Policied, PolicySource};

use policy::CONFIG;
pub(crate) use policy::SECRET_FILE;

const ADMIN_LISTEN: &str = "CAMBIST_ADMIN_LISTEN";
const HOST_IP: &str = "CAMBIST_HOST_IP";

/// Where probes and scrapers ask by default.
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8422);

/// The sidecar's configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where tokens come from.
    pub source: SignIn,
    /// Where apps ask.
    pub listen: Listen,
    /// Where probes and scrapers ask, if anywhere.
    pub admin: Option<SocketAddr>,
    /// The names that probes and scrapers ask by, beside its addresses.
    pub admin_hosts: Vec<HostName>,
    /// Where the certificate is that they are met with, if they are to speak TLS.
    pub admin_certificate: Option<CertificateFiles>,
    /// Who may read the status there.
    pub admin_status: StatusFor,
    /// The node's address, if it was told.
    pub host_ip: Option<IpAddr>,
    /// Where identities, callers and their secrets are from.
    pub policy: PolicySource,
    /// What was there at the start.
    pub policied: Policied,
    /// Whether what is not needed is given up.
    pub confine: Confine,
    /// Where the audit trail goes.
    pub audit: To,
    /// What is logged.
    pub log: Filter,
    /// How the log looks.
    pub log_format: Format,
    /// Whether colours are welcome on a terminal (no `NO_COLOR`).
    pub colours: bool,
    /// What the issuer's keys are held against; nothing for a developer's own sign-in.
    pub key_age: Option<Rules>,
    /// The pod's share of the spread of refreshes.
    pub jitter: Jitter,
    /// Where telemetry is sent, if anywhere.
    pub(crate) otlp: Option<Otlp>,
    /// What is allowed and still worth a warning.
    pub warnings: Vec<String>,
}

/// The admin listener's address by these settings alone, for a probe that needs no more.
///
/// # Errors
/// In words, if it is no address.
pub(crate) fn admin_address(env: &dyn Env) -> Result<Option<SocketAddr>, String> {
    match env.get(ADMIN_LISTEN) {
        Some(text) => listen::admin(&text),
        None => Ok(Some(DEFAULT_ADMIN)),
    }
}

/// As whom tokens are asked for.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// The projected token, exchanged; by what is trusted.
    Federated(Box<TrustConfig>),
    /// A developer's own sign-in.
    #[cfg(feature = "developer")]
    Developer,
}

impl SignIn {
    /// Whether a developer stands in for whatever identity the app asks for.
    pub const fn is_developer(&self) -> bool {
        !matches!(self, Self::Federated(_))
    }
}

impl Config {
    /// Reads flags and variables, and the file of the header secret if there is one.
    ///
    /// # Errors
    /// All faults at once, each under the name of its flag or variable.
    pub fn read(settings: &Settings<'_>) -> Result<Self, ConfigErrors> {
        let mut read = Reader { settings, faults: unknown(settings), warnings: Vec::new() };
        let source = read.source();
        let listen = read.parsed("CAMBIST_LISTEN", Listen::Both(8421), Listen::from_str);
        let admin = read.parsed(ADMIN_LISTEN, Some(DEFAULT_ADMIN), listen::admin);
        let admin_hosts = read.parsed("CAMBIST_ADMIN_HOSTS", Vec::new(), |text| {
            parts(text).map(HostName::from_str).collect()
        });
        let admin_certificate = read.certificate();
        let admin_status =
            read.parsed("CAMBIST_ADMIN_STATUS", StatusFor::default(), StatusFor::from_str);
        let port = match listen {
            Listen::Both(port) => port,
            Listen::One(at) => at.port(),
        };
        if port != 0 && admin.is_some_and(|admin| admin.port() == port) {
            read.fault(ADMIN_LISTEN, format!("port {port} is the token listener's; take another"));
        }
        let open = vec![Protocol::AppService, Protocol::Native];
        let protocols = read.parsed("CAMBIST_PROTOCOLS", open, protocols);
        let policy = match settings.get(CONFIG) {
            Some(path) => read.of_file(path.into(), protocols, source.as_ref()),
            None => read.of_variables(protocols, source.as_ref()),
        };
        let policied = policy.as_ref().and_then(|policy| match policy.read(Before::default()) {
            Ok(policied) => Some(policied),
            Err(unusable) => {
                read.faults.extend(unusable.faults);
                None
            }
        });
        let host_ip = read.parsed(HOST_IP, None, |text| listen::ip(text).map(Some));
        read.check_host_network(host_ip);
        let source = source.map(|source| source.sign_in);
        if let (Some(source), Some(policied)) = (&source, &policied) {
            read.check_binding(source, &policied.identities.identities);
            read.warnings.extend(policied.warnings.iter().cloned());
        }
        let confine = read.parsed("CAMBIST_CONFINE", Confine::default(), Confine::from_str);
        let audit = read.parsed("CAMBIST_AUDIT", To::default(), To::from_str);
        let log = read.parsed("CAMBIST_LOG", Filter::default(), Filter::from_str);
        let log_format = read.parsed("CAMBIST_LOG_FORMAT", Format::default(), Format::from_str);
        let otlp = Otlp::read(settings, &mut read.faults, &mut read.warnings);
        let (Some(source), Some(policy), Some(policied), true) =
            (source, policy, policied, read.faults.is_empty())
        else {
            return Err(settings.locate(read.faults));
        };
        let key_age = match &source {
            SignIn::Federated(trust) => Some(Rules::new(trust)),
            #[cfg(feature = "developer")]
            SignIn::Developer => None,
        };
        Ok(Self {
            source,
            key_age,
            listen,
            admin,
            admin_hosts,
            admin_certificate,
            admin_status,
            host_ip,
            policy,
            policied,
            confine,
            audit,
            log,
            log_format,
            colours: settings.get("NO_COLOR").is_none_or(|text| text.is_empty()),
            // The pod's name is what differs between the pods of a fleet.
            jitter: Jitter::of(settings.get("HOSTNAME").unwrap_or_default().as_bytes()),
            otlp,
            warnings: read.warnings,
        })
    }

    /// What makes the credentials that this configuration asks for.
    ///
    /// # Errors
    /// If a file that it names cannot be used.
    pub fn open(&self, context: Context) -> Result<Origin, ConfigErrors> {
        match &self.source {
            SignIn::Federated(trust) => trust.open(context).map(Origin::from),
            #[cfg(feature = "developer")]
            SignIn::Developer => match Credential::developer(context) {
                Ok(credential) => Ok(Origin::from(credential)),
                Err(error) => {
                    let fault = ConfigFault::new("CAMBIST_SOURCE", error.to_string());
                    Err(ConfigErrors::new(vec![fault]))
                }
            },
        }
    }

    /// The protocols that are both open and possible.
    pub fn served(&self) -> impl Iterator<Item = Protocol> {
        Protocol::possible(self.policy.protocols(), self.policied.identities.have_secrets())
    }

    /// What is wrong now with files that are read anew whenever they are needed.
    pub(crate) async fn ailing_files(&self) -> Vec<ConfigFault> {
        match &self.source {
            SignIn::Federated(trust) => {
                let identities = &self.policied.identities.identities;
                trust.ailing_files(identities.iter().map(|it| &*it.token_file)).await
            }
            #[cfg(feature = "developer")]
            SignIn::Developer => Vec::new(),
        }
    }
}

struct Reader<'a> {
    settings: &'a Settings<'a>,
    faults: Vec<ConfigFault>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, name: &'static str, problem: impl Into<String>) {
        self.faults.push(ConfigFault::new(name, problem));
    }

    /// A setting, or its default; after a fault the default too, so that the rest is still checked.
    fn parsed<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some(text) = self.settings.get(name) else { return default };
        parse(&text).unwrap_or_else(|problem| {
            self.fault(name, problem);
            default
        })
    }

    /// The files of the admin listener's certificate, which are good now.
    fn certificate(&mut self) -> Option<CertificateFiles> {
        let (cert, key) = (self.settings.get(CERT_FILE), self.settings.get(KEY_FILE));
        let files = CertificateFiles::named(cert, key).and_then(|files| {
            files.as_ref().map_or(Ok(()), |files| files.read().map(drop))?;
            Ok(files)
        });
        files.unwrap_or_else(|fault| {
            self.faults.push(fault);
            None
        })
    }

    /// With hostNetwork, loopback is the node's. A pod cannot see that for itself; the downward API
    /// can tell it, because then the pod's address is the node's.
    fn check_host_network(&mut self, host_ip: Option<IpAddr>) {
        let allowed = self.parsed("CAMBIST_ALLOW_HOST_NETWORK", false, |text| {
            text.trim().parse().map_err(|_| format!("{text:?} is neither \"true\" nor \"false\""))
        });
        let pod_ip = self.parsed("CAMBIST_POD_IP", None, |text| listen::ip(text).map(Some));
        if pod_ip.is_none() || pod_ip != host_ip {
            return;
        }
        let finding = "it is the node's address, CAMBIST_HOST_IP: with hostNetwork every process \
             of the node can ask for this identity's tokens";
        if allowed {
            self.warnings.push(format!("CAMBIST_POD_IP: {finding}"));
        } else {
            let fix = "Take hostNetwork out of the pod, or set CAMBIST_ALLOW_HOST_NETWORK=true";
            self.fault("CAMBIST_POD_IP", format!("{finding}. {fix}"));
        }
    }
}

/// The parts of a comma-separated list.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn protocols(text: &str) -> Result<Vec<Protocol>, String> {
    let mut open = Vec::new();
    for word in parts(text) {
        match Protocol::ALL.into_iter().find(|p| p.as_str() == word) {
            Some(protocol) if open.contains(&protocol) => {}
            Some(protocol) => open.push(protocol),
            None => return Err(format!("{word:?} is none of app-service, native, imds")),
        }
    }
    if open.is_empty() { Err("it names no protocol".to_owned()) } else { Ok(open) }
}

fn scopes(text: &str) -> Result<Vec<Scope>, String> {
    let mut scopes = Vec::new();
    for part in parts(text) {
        let scope = Resource::parse(part).map_err(|error| error.to_string())?.scope();
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests;

//! What runs, typed: from flags and variables, before anything is opened.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use cambist::config::{ConfigErrors, ConfigFault};
use cambist::files::read_in_time;
use cambist::{Context, Credential, Env};
use cambist_core::refresh::Jitter;
use cambist_core::scope::{Resource, Scope};
use cambist_core::secret::Secret;

use crate::front_door::HostName;
use crate::key_age::Rules;
use crate::log::Filter;
use crate::request::Protocol;
use crate::settings::{Settings, unknown};

mod cloud;
mod listen;
mod told;

pub use listen::Listen;

/// The header secret's least length: as many characters as 64 random bits have in hexadecimal.
const MIN_SECRET: usize = 16;

/// The header secret's greatest length: a header line must have room for it.
const MAX_SECRET: usize = 256;

/// The longest file with it that is read, in bytes.
const MAX_SECRET_FILE: usize = 4096;

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
    /// The node's address, if it was told.
    pub host_ip: Option<IpAddr>,
    /// How apps may ask.
    pub protocols: Vec<Protocol>,
    /// What apps must know.
    pub header_secret: Option<Secret>,
    /// What is held from the start.
    pub prefetch: Vec<Scope>,
    /// The identity's object id, if known.
    pub object_id: Option<String>,
    /// The identity's Azure resource id, if known.
    pub resource_id: Option<String>,
    /// What is logged.
    pub log: Filter,
    /// What the issuer's keys are held against; nothing for a developer's own sign-in.
    pub key_age: Option<Rules>,
    /// The pod's share of the spread of refreshes.
    pub jitter: Jitter,
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
    /// The projected token, exchanged.
    Federated(Box<cambist::Config>),
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
        let port = match listen {
            Listen::Both(port) => port,
            Listen::One(at) => at.port(),
        };
        if port != 0 && admin.is_some_and(|admin| admin.port() == port) {
            read.fault(ADMIN_LISTEN, format!("port {port} is the token listener's; take another"));
        }
        let open = vec![Protocol::AppService, Protocol::Native];
        let protocols = read.parsed("CAMBIST_PROTOCOLS", open, protocols);
        let header_secret = read.header_secret();
        read.check_doors(&protocols, header_secret.as_ref());
        let host_ip = read.parsed(HOST_IP, None, |text| listen::ip(text).map(Some));
        read.check_host_network(host_ip);
        let prefetch = read.parsed("CAMBIST_PREFETCH", Vec::new(), scopes);
        read.check_clouds(source.as_ref(), &prefetch);
        read.check_binding(source.as_ref());
        let log = read.parsed("CAMBIST_LOG", Filter::default(), Filter::from_str);
        let (Some(source), true) = (source, read.faults.is_empty()) else {
            return Err(settings.locate(read.faults));
        };
        let key_age = match &source {
            SignIn::Federated(library) => Some(Rules::new(library)),
            #[cfg(feature = "developer")]
            SignIn::Developer => None,
        };
        Ok(Self {
            source,
            key_age,
            listen,
            admin,
            admin_hosts,
            host_ip,
            protocols,
            header_secret,
            prefetch,
            object_id: settings.get("CAMBIST_OBJECT_ID"),
            resource_id: settings.get("CAMBIST_RESOURCE_ID"),
            log,
            // The pod's name is what differs between the pods of a fleet.
            jitter: Jitter::of(settings.get("HOSTNAME").unwrap_or_default().as_bytes()),
            warnings: read.warnings,
        })
    }

    /// The credential that this configuration asks for.
    ///
    /// # Errors
    /// If a file that it names cannot be used.
    pub fn credential(&self, context: Context) -> Result<Credential, ConfigErrors> {
        match &self.source {
            SignIn::Federated(library) => library.credential(context),
            #[cfg(feature = "developer")]
            SignIn::Developer => Credential::developer(context).map_err(|error| {
                ConfigErrors::new(vec![ConfigFault::new("CAMBIST_SOURCE", error.to_string())])
            }),
        }
    }

    /// What is wrong now with files that are read anew whenever they are needed.
    pub(crate) async fn ailing_files(&self) -> Vec<ConfigFault> {
        match &self.source {
            SignIn::Federated(library) => library.ailing_files().await,
            #[cfg(feature = "developer")]
            SignIn::Developer => Vec::new(),
        }
    }

    /// The protocols that are both open and possible.
    pub fn served(&self) -> impl Iterator<Item = Protocol> {
        let secret = self.header_secret.is_some();
        self.protocols.iter().copied().filter(move |p| secret || !p.needs_secret())
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

    fn source(&mut self) -> Option<SignIn> {
        match self.settings.get("CAMBIST_SOURCE").as_deref().map(str::trim) {
            None | Some("federated") => match cambist::Config::from_env(self.settings) {
                Ok(library) => Some(SignIn::Federated(Box::new(library))),
                Err(errors) => {
                    self.faults.extend_from_slice(errors.faults());
                    None
                }
            },
            #[cfg(feature = "developer")]
            Some("developer") => Some(SignIn::Developer),
            #[cfg(not(feature = "developer"))]
            Some("developer") => {
                let problem = "this build has no developer source: it is for laptops, and left out \
                     of images. Build with `--features developer`";
                self.fault("CAMBIST_SOURCE", problem);
                None
            }
            Some(other) => {
                let problem = format!("{other:?} is neither \"federated\" nor \"developer\"");
                self.fault("CAMBIST_SOURCE", problem);
                None
            }
        }
    }

    fn header_secret(&mut self) -> Option<Secret> {
        let file = self.settings.get("CAMBIST_IDENTITY_HEADER_FILE");
        let (name, secret) = match (self.settings.get("IDENTITY_HEADER"), file) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                let problem = "IDENTITY_HEADER is set, too; set one of them";
                self.fault("CAMBIST_IDENTITY_HEADER_FILE", problem);
                return None;
            }
            (Some(text), None) => ("IDENTITY_HEADER", Ok(Secret::new(text))),
            (None, Some(path)) => ("CAMBIST_IDENTITY_HEADER_FILE", read_secret(Path::new(&path))),
        };
        match secret.and_then(check_secret) {
            Ok(secret) => Some(secret),
            Err(problem) => {
                self.fault(name, problem);
                None
            }
        }
    }

    /// Something must be open, and what is opened without a lock is worth a word.
    fn check_doors(&mut self, protocols: &[Protocol], secret: Option<&Secret>) {
        let faulty = |name| self.faults.iter().any(|fault| fault.name == name);
        if faulty("CAMBIST_IDENTITY_HEADER_FILE") || faulty("IDENTITY_HEADER") {
            return;
        }
        if secret.is_none() {
            let closed: Vec<_> = protocols.iter().filter(|p| p.needs_secret()).collect();
            if closed.len() == protocols.len() {
                let problem = "it is not set, so no protocol is open: set it to a random text of \
                     16 characters or more, the same for the app and for the sidecar";
                self.fault("IDENTITY_HEADER", problem);
            } else if !closed.is_empty() {
                let names: Vec<_> = closed.iter().map(|p| p.as_str()).collect();
                let names = names.join(" and ");
                self.warnings.push(format!("{names} stay closed: IDENTITY_HEADER is not set"));
            }
        }
        if protocols.contains(&Protocol::Imds) {
            let warning = "imds is open, which asks for \"Metadata: true\" and for no secret: \
                 whatever can make the app send that header gets its tokens";
            self.warnings.push(warning.to_owned());
        }
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

/// The secret in a file, without the line end that editors leave.
fn read_secret(path: &Path) -> Result<Secret, String> {
    let content = read_in_time(path, MAX_SECRET_FILE);
    let content = content.map_err(|fault| format!("{} {fault}", path.display()))?;
    let text = std::str::from_utf8(&content);
    let text = text.map_err(|_| format!("{} is not text (not UTF-8)", path.display()))?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

fn check_secret(secret: Secret) -> Result<Secret, String> {
    let text = secret.expose();
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("it must be visible ASCII, without blanks: it travels in a header".to_owned());
    }
    if !(MIN_SECRET..=MAX_SECRET).contains(&text.len()) {
        return Err(format!(
            "it has {} characters; {MIN_SECRET} to {MAX_SECRET} random ones are needed",
            text.len()
        ));
    }
    Ok(secret)
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

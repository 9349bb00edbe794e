//! What a configuration needs of the system: a list, made of the configuration alone but for what was
//! [found](Found) beforehand.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use cambist::config::{KeyPlace, TrustConfig};
use cambist::identities::{Identities, KnownBy};
use cambist::transport::TokenProxyTrust;
use cambist_core::issuer::JwksHost;
use http::Uri;

use super::Found;
use crate::config::{Config, Listen, SignIn};
use crate::otlp::Otlp;

/// What names are resolved by, without which nobody is found.
const RESOLVER: [&str; 5] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/// Where the C library finds the modules that `/etc/nsswitch.conf` names. A static program loads none.
const LIBRARIES: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// Where the platform's certificates are behind their links.
const CERTIFICATES: [&str; 2] = ["/usr/share/ca-certificates", "/usr/local/share/ca-certificates"];

/// Where a virtual machine's snapshots are counted: AWS-LC, which must never draw the same numbers twice.
const SNAPSHOTS: &str = "/dev/sysgenid";

/// What a configuration needs of the system. All else can be given up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// What is read. Once it runs, no file is opened to be written, and nothing run.
    pub reads: Vec<Read>,
    /// What is opened to be written before everything else is given up.
    pub writes: Option<PathBuf>,
    /// The TCP ports that are listened on.
    pub listens: Ports,
    /// The TCP ports that are connected to.
    pub connects: Ports,
}

/// Something that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Read {
    /// A file, or a directory with all beneath.
    pub path: PathBuf,
    /// What for.
    pub why: &'static str,
    /// Which of them.
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file that the configuration names: worth a word if it is not there.
    Named,
    /// A file that there may be.
    Usual,
    /// A directory that there may be.
    Tree,
    /// One of CAs: its links may lead out of it.
    Cas,
}

/// TCP ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Whichever, and why.
    Any(&'static str),
    /// These, each with what for.
    These(BTreeMap<u16, Vec<&'static str>>),
}

impl Needs {
    /// What this configuration needs.
    pub fn of(config: &Config, found: &Found) -> Self {
        let mut reads: Vec<_> = RESOLVER.map(|path| Read::usual(path, "names")).into();
        reads.push(Read::usual(SNAPSHOTS, "random numbers"));
        if !cfg!(target_feature = "crt-static") {
            reads.push(Read::usual("/etc/ld.so.cache", "names"));
            reads.extend(LIBRARIES.map(|path| Read::tree(path, "names")));
        }
        reads.extend(config.policy.file().map(|path| Read::named(path, "the identities")));
        reads.extend(of_identities(&config.policied.identities));
        reads.extend(config.admin_certificate.iter().flat_map(|files| {
            let cert = Read::named(&files.cert, "the admin listener's certificate");
            [cert, Read::named(&files.key, "the admin listener's key")]
        }));
        let mut connects = BTreeMap::new();
        #[cfg_attr(not(feature = "developer"), expect(irrefutable_let_patterns))]
        if let SignIn::Federated(trust) = &config.source {
            of_trust(trust, found, &mut reads);
            connects = ports_of(config, trust, found);
        }
        if let Some(otlp) = &config.otlp {
            of_otlp(otlp, found, &mut reads, &mut connects);
        }
        let writes = config.audit.file().map(Path::to_owned);
        Self { reads, writes, listens: listens(config), connects: Ports::These(connects) }
    }
}

/// The files of a policy: what each identity and each caller has.
pub(super) fn of_identities(identities: &Identities) -> Vec<Read> {
    let tokens = identities.identities.iter().map(|it| &it.token_file);
    let secrets = identities.known_by.iter().flat_map(|known_by| match known_by {
        KnownBy::Files(paths) => &**paths,
        _ => &[],
    });
    let tokens = tokens.map(|path| Read::named(path, "the projected token"));
    let mut reads: Vec<_> =
        tokens.chain(secrets.map(|path| Read::named(path, "a header secret"))).collect();
    reads.dedup();
    reads
}

fn of_trust(trust: &TrustConfig, found: &Found, reads: &mut Vec<Read>) {
    let mut platform = false;
    match trust.token_proxy.as_ref().map(|proxy| &proxy.trust) {
        Some(TokenProxyTrust::File(path)) => reads.push(Read::named(path, "the token proxy's CAs")),
        Some(TokenProxyTrust::Bundle(_)) => {}
        Some(_) => platform = true,
        None => {
            platform = true;
            reads.extend(trust.entra_ca_file.iter().map(|path| Read::named(path, "Entra's CAs")));
        }
    }
    for place in &trust.keys {
        match place {
            KeyPlace::Api { token_file, ca_file, .. } => {
                reads.push(Read::named(token_file, "the API server's token"));
                reads.push(Read::named(ca_file, "the API server's CA"));
            }
            KeyPlace::File(path) => reads.push(Read::named(path, "the issuer's keys")),
            _ => {
                platform = true;
                let ca = trust.issuer_ca_file.iter();
                reads.extend(ca.map(|path| Read::named(path, "the issuer's CAs")));
            }
        }
    }
    let history = trust.key_age.history.iter();
    reads.extend(history.map(|file| Read::named(file.path(), "the key history")));
    if platform {
        of_platform(found, reads);
    }
}

fn of_otlp(
    otlp: &Otlp,
    found: &Found,
    reads: &mut Vec<Read>,
    connects: &mut BTreeMap<u16, Vec<&'static str>>,
) {
    reads.extend(otlp.ca_file().map(|path| Read::named(path, "the collector's CAs")));
    for url in otlp.urls() {
        let whys = connects.entry(port(url)).or_default();
        if !whys.contains(&"OTLP") {
            whys.push("OTLP");
        }
        if url.scheme_str() == Some("https") {
            of_platform(found, reads);
        }
    }
}

/// The platform's certificate authorities.
fn of_platform(found: &Found, reads: &mut Vec<Read>) {
    if reads.iter().any(|read| read.kind == Kind::Cas) {
        return;
    }
    reads.extend(found.certificates.iter().map(|path| Read::usual(path, "the platform's CAs")));
    let trees = found.certificate_dirs.iter().map(PathBuf::as_path);
    let trees = trees.chain(CERTIFICATES.iter().map(Path::new));
    reads.extend(trees.map(|path| Read::cas(path, "the platform's CAs")));
}

fn listens(config: &Config) -> Ports {
    let tokens = match config.listen {
        Listen::Both(port) => port,
        Listen::One(at) => at.port(),
    };
    let mut ports = BTreeMap::from([(tokens, vec!["tokens"])]);
    if let Some(admin) = config.admin {
        ports.entry(admin.port()).or_default().push("admin");
    }
    if ports.contains_key(&0) {
        return Ports::Any("port 0 is any that is free: name one to have no other");
    }
    Ports::These(ports)
}

fn ports_of(
    config: &Config,
    trust: &TrustConfig,
    found: &Found,
) -> BTreeMap<u16, Vec<&'static str>> {
    let mut ports = BTreeMap::<u16, Vec<_>>::new();
    let mut add = |port: u16, why: &'static str| {
        let whys = ports.entry(port).or_default();
        if !whys.contains(&why) {
            whys.push(why);
        }
    };
    add(53, "names");
    match &trust.token_proxy {
        Some(proxy) => add(port(&proxy.url(&Uri::from_static("/"))), "token proxy"),
        None => {
            let identities = config.policied.identities.identities.iter();
            identities.for_each(|it| add(port_at(it.authority.host()), "authority"));
            // A changed file may name whatever was allowed beforehand, and those that need no allowance.
            if config.policy.file().is_some() {
                add(443, "authority");
            }
            let allowed = config.policy.allowed_authorities().iter();
            allowed.for_each(|url| add(port_of(url), "authority"));
        }
    }
    for place in &trust.keys {
        match (place, &trust.issuer) {
            (KeyPlace::Api { server, .. }, _) => add(port_of(server), "API server"),
            (KeyPlace::File(_), _) => {}
            (_, Some(issuer)) => add(port_of(issuer.as_str()), "issuer"),
            (_, None) => {
                add(443, "issuer");
                found.issuers.iter().for_each(|issuer| add(port_of(issuer.as_str()), "issuer"));
            }
        }
        if *place == KeyPlace::Public && trust.jwks_host == JwksHost::AnyHttps {
            add(443, "issuer's keys");
        }
    }
    if let Some(proxy) = &trust.proxy {
        add(port_of(&proxy.to_string()), "proxy");
    }
    ports
}

fn port_of(url: &str) -> u16 {
    url.trim().parse().map_or(443, |url| port(&url))
}

fn port_at(host: &str) -> u16 {
    host.parse::<http::uri::Authority>().ok().and_then(|at| at.port_u16()).unwrap_or(443)
}

fn port(url: &Uri) -> u16 {
    let usual = if url.scheme_str() == Some("http") { 80 } else { 443 };
    url.port_u16().unwrap_or(usual)
}

impl Read {
    pub(super) fn named(path: impl AsRef<Path>, why: &'static str) -> Self {
        Self { path: path.as_ref().to_owned(), why, kind: Kind::Named }
    }

    pub(super) fn usual(path: impl AsRef<Path>, why: &'static str) -> Self {
        Self { kind: Kind::Usual, ..Self::named(path, why) }
    }

    pub(super) fn tree(path: impl AsRef<Path>, why: &'static str) -> Self {
        Self { kind: Kind::Tree, ..Self::named(path, why) }
    }

    pub(super) fn cas(path: impl AsRef<Path>, why: &'static str) -> Self {
        Self { kind: Kind::Cas, ..Self::named(path, why) }
    }
}

impl fmt::Display for Needs {
    /// A line each, for `--check-config`. What is read is told by what comes to be [granted](super::Granted).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.writes {
            // Nothing can be opened to be written any more: this is open by then.
            Some(path) => writeln!(f, "writes           {} (the audit trail)", path.display())?,
            None => writeln!(f, "writes           nothing, once it runs")?,
        }
        writeln!(f, "runs             nothing")?;
        writeln!(f, "listens on       TCP {}", self.listens)?;
        write!(f, "connects to      TCP {}", self.connects)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(why) => write!(f, "any ({why})"),
            Self::These(ports) => {
                let ports =
                    ports.iter().map(|(port, whys)| format!("{port} ({})", whys.join(", ")));
                f.write_str(&ports.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

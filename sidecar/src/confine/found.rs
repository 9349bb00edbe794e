//! What no configuration says and has to be looked up before all else is given up.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cambist::Env;
use cambist::config::{KeyPlace, TrustConfig};
use cambist::files::read_in_time;
#[cfg(target_os = "linux")]
use cambist::transport::platform_ca_sources;
use cambist_core::issuer::IssuerUrl;
use cambist_core::jws::MAX_TOKEN_BYTES;
use cambist_core::token::ProjectedToken;

use crate::config::{Config, SignIn};

/// Most projected tokens that are looked at.
const MOST_TOKENS: usize = 16;

/// What the system says of itself, and who made the projected tokens that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Bundles of the platform's certificates.
    pub certificates: Vec<PathBuf>,
    /// Directories of them.
    pub certificate_dirs: Vec<PathBuf>,
    /// Where no issuer is configured, those that the tokens name, unchecked: it is only about ports.
    pub issuers: Vec<IssuerUrl>,
}

impl Found {
    /// Looks now: it blocks its caller, for 2 seconds for each token at most.
    pub fn now(config: &Config, env: &dyn Env) -> Self {
        let (mut certificates, mut certificate_dirs) = platform_ca_sources();
        certificates.extend(env.get("SSL_CERT_FILE").map(PathBuf::from));
        let dirs = env.get("SSL_CERT_DIR").unwrap_or_default();
        certificate_dirs.extend(std::env::split_paths(&dirs).filter(|dir| dir.as_os_str() != ""));
        let issuers = match &config.source {
            SignIn::Federated(trust) if by_token(trust) => issuers(config),
            _ => Vec::new(),
        };
        Self { certificates, certificate_dirs, issuers }
    }
}

/// What is read there is nobody's business: nothing is given up.
#[cfg(not(target_os = "linux"))]
fn platform_ca_sources() -> (Vec<PathBuf>, Vec<PathBuf>) {
    Default::default()
}

/// Whether a token's own issuer is asked for its keys.
fn by_token(trust: &TrustConfig) -> bool {
    trust.issuer.is_none() && trust.keys.contains(&KeyPlace::Public)
}

fn issuers(config: &Config) -> Vec<IssuerUrl> {
    let files = config.policied.identities.identities.iter().map(|it| &it.token_file);
    let files: BTreeSet<_> = files.collect();
    let tokens = files.into_iter().take(MOST_TOKENS).filter_map(|path| {
        let text = read_in_time(path, MAX_TOKEN_BYTES).ok()?;
        let token = ProjectedToken::parse(std::str::from_utf8(&text).ok()?).ok()?;
        IssuerUrl::parse(&token.claims().issuer).ok()
    });
    tokens.collect()
}

//! Collecting evidence. What fails is recorded beside what worked.

use cambist::transport::{CaBundle, HttpsOptions, ProxyOptions};
use cambist_core::clock::{Clock, UnixTime};
use cambist_core::issuer::{IssuerUrl, JwksHost};

use crate::cli::issuer::Sources;
use crate::kubernetes::{Access, ApiServer};
use crate::world::World;

mod api;
pub(crate) mod bundle;
pub(crate) mod http;
pub(crate) mod look;
mod manifest;
mod metrics;
pub(crate) mod mint;
mod node;
mod public;
pub(crate) mod tokens;

pub(crate) use look::Look;
use look::NodeSeen;

/// Why there is no look at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error(
        "no issuer is named: give --issuer URL, CAMBIST_ISSUER, a --token-file whose `iss` names it, or an --offline bundle"
    )]
    NoIssuer,
    #[error(transparent)]
    Issuer(#[from] cambist_core::issuer::IssuerError),
    #[error("no issuer is named, and {0}")]
    Token(#[from] cambist::token_file::TokenFileError),
    #[error(transparent)]
    Bundle(#[from] bundle::BundleError),
    #[error(transparent)]
    Ca(#[from] cambist::transport::CaError),
    #[error(transparent)]
    Proxy(#[from] cambist::transport::ProxyError),
    #[error(transparent)]
    Transport(#[from] cambist::transport::TransportBuildError),
    #[error(transparent)]
    Api(#[from] crate::kubernetes::AccessError),
}

/// The public key set that a history saw last.
#[derive(Clone, Debug)]
pub(crate) struct KnownSet {
    /// Where.
    pub(crate) uri: String,
    pub(crate) etag: String,
}

/// Looks everywhere the arguments say.
pub(crate) async fn collect(
    sources: &Sources,
    world: &World<'_>,
    clock: &dyn Clock,
) -> Result<Look, CollectError> {
    collect_unless(sources, world, clock, None).await
}

/// The same, without fetching the public key set again if it is still the one that is known.
pub(crate) async fn collect_unless(
    sources: &Sources,
    world: &World<'_>,
    clock: &dyn Clock,
    known: Option<&KnownSet>,
) -> Result<Look, CollectError> {
    if !sources.offline.is_empty() {
        return Ok(bundle::read_all(&sources.offline, sources.issuer.as_deref())?);
    }
    let mut tokens = Vec::new();
    for path in &sources.token_file {
        tokens.push((path, tokens::read(path).await));
    }
    let issuer = issuer(sources, world, &mut tokens)?;
    let mut look = Look::new(issuer.as_str(), clock.wall());
    let host = if sources.jwks_any_host { JwksHost::AnyHttps } else { JwksHost::SameAsIssuer };
    let transport = (world.connect)(options(sources, world)?)?;
    public::collect(&mut look, &transport, &issuer, host, known).await;
    if sources.compare_api {
        api::collect(&mut look, &api_server(sources, world)?).await;
    }
    for (path, token) in tokens {
        match token {
            Ok(token) => {
                tokens::collect(&mut look, path, &token);
                // A file's time is of the machine's clock, which `--now` takes the place of.
                if let Some(seen) = look.tokens.last_mut().filter(|_| sources.now.is_some()) {
                    seen.changed = None;
                }
            }
            Err(error) => look.problem("token", error),
        }
    }
    nodes(sources, &mut look);
    if let Some(path) = &sources.apiserver_metrics {
        metrics::collect(&mut look, path, sources.now.is_some());
    }
    Ok(look)
}

/// The control-plane nodes' files, and each one's flags. A manifest that is named belongs to the one
/// node, if there is one, else to none of them.
fn nodes(sources: &Sources, look: &mut Look) {
    let named = sources.manifest.as_deref().and_then(|path| manifest::collect(look, path));
    for root in &sources.node_root {
        node::collect(look, root);
        let flags = match &named {
            Some(_) if sources.node_root.len() == 1 => None,
            _ => manifest::collect_under(look, root),
        };
        if let Some(node) = look.nodes.last_mut() {
            node.flags = flags;
        }
    }
    match look.nodes.as_mut_slice() {
        [node] if named.is_some() => node.flags = named,
        _ => look.nodes.extend(named.map(|flags| NodeSeen {
            root: flags.path.clone(),
            files: Vec::new(),
            flags: Some(flags),
        })),
    }
}

/// When a file's content was last changed.
fn modified(stat: &std::fs::Metadata) -> Option<UnixTime> {
    use std::os::unix::fs::MetadataExt as _;
    Some(UnixTime::from_secs(stat.mtime()))
}

/// The API server that the arguments name.
pub(crate) fn api_server(
    sources: &Sources,
    world: &World<'_>,
) -> Result<ApiServer, crate::kubernetes::AccessError> {
    let access = Access {
        kubeconfig: sources.kubeconfig.as_deref().filter(|_| !sources.in_cluster),
        token_file: sources.api_token_file.as_deref(),
        mount: world.mount.as_deref(),
    };
    ApiServer::find(&access, world.env, world.connect)
}

type Tokens<'a> = Vec<(
    &'a std::path::PathBuf,
    Result<cambist_core::token::ProjectedToken, cambist::token_file::TokenFileError>,
)>;

/// The issuer: as named, or as the first token says.
fn issuer(
    sources: &Sources,
    world: &World<'_>,
    tokens: &mut Tokens<'_>,
) -> Result<IssuerUrl, CollectError> {
    let named = sources.issuer.clone().or_else(|| world.env.get("CAMBIST_ISSUER"));
    if let Some(named) = named {
        return Ok(IssuerUrl::parse(&named)?);
    }
    if let Some(token) = tokens.iter().find_map(|(_, token)| token.as_ref().ok()) {
        return Ok(IssuerUrl::parse(&token.claims().issuer)?);
    }
    match tokens.pop() {
        Some((_, Err(error))) => Err(error.into()),
        _ => Err(CollectError::NoIssuer),
    }
}

/// How the issuer is reached: the platform's authorities and the named ones, through the proxy that
/// the environment names.
fn options(sources: &Sources, world: &World<'_>) -> Result<HttpsOptions, CollectError> {
    let env = |name: &str| world.env.get(name);
    let ca = sources.ca_file.as_ref().map(|path| path.display().to_string());
    let ca = ca.or_else(|| env("CAMBIST_ISSUER_CA_FILE")).or_else(|| env("CAMBIST_CA_FILE"));
    let mut options = HttpsOptions::default();
    if let Some(path) = ca {
        options.roots.push(CaBundle::read(path.as_ref())?);
    }
    if let Some(proxy) = env("HTTPS_PROXY").or_else(|| env("https_proxy")) {
        let no_proxy = env("NO_PROXY").or_else(|| env("no_proxy")).unwrap_or_default();
        options.proxy = Some(ProxyOptions::parse(&proxy, &no_proxy)?);
    }
    Ok(options)
}

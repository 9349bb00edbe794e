//! Collecting evidence. What fails is recorded beside what worked.

use std::time::UNIX_EPOCH;

use cambist::transport::{CaBundle, HttpsOptions, ProxyOptions};
use cambist_core::clock::{Clock, UnixTime};
use cambist_core::issuer::JwksHost;

use crate::cli::issuer::{Reach, Sources};
use crate::kubernetes::{Access, ApiServer};
use crate::world::World;

mod api;
pub(crate) mod bundle;
mod flags;
pub(crate) mod http;
mod issuer;
pub(crate) mod look;
mod manifest;
mod metrics;
pub(crate) mod mint;
#[cfg_attr(windows, path = "node/windows.rs")]
mod node;
pub(crate) mod public;
mod rancher;
pub(crate) mod tokens;
mod unit;

pub(crate) use issuer::NamedBy;
pub(crate) use look::Look;
use look::NodeSeen;

/// Why there is no look at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error(
        "no issuer is named: give --issuer URL, a --token-file whose `iss` names it, or --in-cluster or --kubeconfig FILE to ask the API server; what was collected elsewhere is read with --offline"
    )]
    NoIssuer,
    #[error(
        "no issuer is named, and the API server {server} does not tell: {why}; give --issuer URL"
    )]
    Unnamed { server: String, why: String },
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
    let at = clock.wall();
    // Whoever names an API server has it asked which issuer it is, if only to compare.
    let Reach { in_cluster, kubeconfig, .. } = &sources.reach;
    let server = (*in_cluster || kubeconfig.is_some() || sources.compare_api)
        .then(|| api_server(&sources.reach, world));
    let server = server.transpose()?;
    let api = match &server {
        Some(server) => Some(api::discover(server).await),
        None => None,
    };
    let (issuer, named_by) = issuer::find(sources, world.env, &mut tokens, api.as_ref())?;
    let mut look = Look { named_by, ..Look::new(issuer.as_str(), at) };
    if let Some(api) = api {
        look.api.discovery = api.reply;
        if let Some(problem) = api.problem {
            look.problem("api", problem);
        }
    }
    let host = if sources.jwks_any_host { JwksHost::AnyHttps } else { JwksHost::SameAsIssuer };
    let transport = (world.connect)(options(sources, world)?)?;
    public::collect(&mut look, &transport, &issuer, host, known).await;
    if let Some(server) = server.filter(|_| sources.compare_api) {
        api::access(&mut look, &server).await;
        api::keys(&mut look, &server).await;
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

/// The control-plane nodes' flags, and the files that these name. A manifest that is named belongs to
/// the one node, if there is one, else to none of them.
fn nodes(sources: &Sources, look: &mut Look) {
    let mut named = sources.manifest.as_deref().and_then(|path| manifest::collect(look, path));
    for root in &sources.node_root {
        let flags = match named.take_if(|_| sources.node_root.len() == 1) {
            Some(flags) => Some(flags),
            None => manifest::collect_under(look, root),
        };
        node::collect(look, root, flags.as_ref());
        if let Some(node) = look.nodes.last_mut() {
            node.flags = flags;
        }
    }
    look.nodes.extend(named.map(|flags| NodeSeen {
        root: flags.path.clone(),
        files: Vec::new(),
        flags: Some(flags),
    }));
}

/// When a file's content was last changed.
fn modified(stat: &std::fs::Metadata) -> Option<UnixTime> {
    let since = stat.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(UnixTime::from_secs)
}

/// The API server that the arguments name.
pub(crate) fn api_server(
    reach: &Reach,
    world: &World<'_>,
) -> Result<ApiServer, crate::kubernetes::AccessError> {
    let access = Access {
        kubeconfig: reach.kubeconfig.as_deref().filter(|_| !reach.in_cluster),
        token_file: reach.api_token_file.as_deref(),
        mount: world.mount.as_deref(),
    };
    ApiServer::find(&access, world.env, world.connect)
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

//! The API server: where it is, whom to trust there, and as whom to speak.
//!
//! Its transport trusts the cluster's CA alone and never goes through a proxy, so that neither the
//! platform's authorities nor whoever runs a proxy can speak for the cluster.

use std::path::Path;

use cambist::Env;
use cambist::files::{FileFault, read_in_time};
use cambist::transport::{CaBundle, CaError, HttpsOptions, Transport, TransportBuildError};
use cambist_core::foreign::Foreign;
use cambist_core::issuer::IssuerUrl;
use zeroize::Zeroizing;

use crate::collect::http::Bearer;
use crate::world::Connect;

mod kubeconfig;

/// Where a pod finds its account's token and the cluster's CA.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Largest file that is read here, in bytes.
const MAX: usize = 1024 * 1024;

/// A reachable API server.
#[derive(Clone, Debug)]
pub(crate) struct ApiServer {
    url: String,
    transport: Transport,
    bearer: Option<Bearer>,
}

/// How the API server is to be found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access<'a> {
    pub(crate) kubeconfig: Option<&'a Path>,
    pub(crate) token_file: Option<&'a Path>,
    /// Where a pod's account is mounted, if not at the usual place.
    pub(crate) mount: Option<&'a Path>,
}

/// Why the API server cannot be asked. It never repeats a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    #[error(
        "this is no pod (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig, or run in the cluster"
    )]
    NoPod,
    #[error("{path}: {problem}")]
    File { path: String, problem: FileFault },
    #[error(
        "{path}: {problem}; expected a kubeconfig whose current context names a cluster and a user"
    )]
    Kubeconfig { path: String, problem: String },
    #[error(
        "{path}: the user of its current context signs in by {found}, which is not done here: make a token of an account that may do it, such as by (umask 077; kubectl --kubeconfig {kubeconfig} create token default --namespace default >api-token), and give --api-token-file api-token"
    )]
    Credential {
        path: String,
        found: &'static str,
        /// The path, as a shell takes it.
        kubeconfig: String,
    },
    #[error(
        "{path}: its cluster is reached by a detour ({found}), which is not done here, so that nobody between can speak for the cluster: give a kubeconfig that names the API server itself, or run in the cluster with --in-cluster"
    )]
    Detour { path: String, found: &'static str },
    #[error(
        "{path}: the cluster is to be trusted unchecked (insecure-skip-tls-verify), which is refused: give its certificate authority"
    )]
    Insecure { path: String },
    #[error("the API server's address {0} is no https URL")]
    Server(Foreign),
    #[error("{0}: holds no token that could stand in a header")]
    Token(String),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Transport(#[from] TransportBuildError),
}

impl ApiServer {
    /// Finds the API server by a kubeconfig, or else as a pod does.
    pub(crate) fn find(
        access: &Access<'_>,
        env: &dyn Env,
        connect: &Connect,
    ) -> Result<Self, AccessError> {
        let found = match access.kubeconfig {
            Some(path) => kubeconfig::read(path)?,
            None => in_cluster(env, access.mount.unwrap_or(Path::new(MOUNT)))?,
        };
        let url = found.server.trim_end_matches('/').to_owned();
        IssuerUrl::parse(&url).map_err(|_| AccessError::Server(Foreign::new(&url)))?;
        let token = match access.token_file {
            Some(path) => Some(bearer(path)?),
            None => found.bearer?,
        };
        let mut options = HttpsOptions::default();
        options.roots.push(found.ca);
        options.platform_roots = false;
        Ok(Self { url, transport: connect(options)?, bearer: token })
    }

    /// `https://host:port`, without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Another API server of the same cluster, trusted and spoken to as this one.
    pub(crate) fn at(&self, url: &str) -> Result<Self, AccessError> {
        let url = url.trim_end_matches('/').to_owned();
        IssuerUrl::parse(&url).map_err(|_| AccessError::Server(Foreign::new(&url)))?;
        Ok(Self { url, ..self.clone() })
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn bearer(&self) -> Option<&Bearer> {
        self.bearer.as_ref()
    }
}

struct Found {
    server: String,
    ca: CaBundle,
    /// Read only where no other is given: a user that cannot be used does not matter then.
    bearer: Result<Option<Bearer>, AccessError>,
}

fn in_cluster(env: &dyn Env, mount: &Path) -> Result<Found, AccessError> {
    let host = env.get("KUBERNETES_SERVICE_HOST").ok_or(AccessError::NoPod)?;
    let port = env.get("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let ca = mount.join("ca.crt");
    Ok(Found {
        server: format!("https://{host}:{port}"),
        ca: CaBundle::read(&ca)?,
        bearer: bearer(&mount.join("token")).map(Some),
    })
}

fn bearer(path: &Path) -> Result<Bearer, AccessError> {
    let wrong = || AccessError::Token(path.display().to_string());
    let content = read(path)?;
    let text = std::str::from_utf8(&content).map_err(|_| wrong())?.trim_ascii();
    Bearer::new(text).filter(|_| !text.is_empty()).ok_or_else(wrong)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, AccessError> {
    read_in_time(path, MAX)
        .map_err(|problem| AccessError::File { path: path.display().to_string(), problem })
}

#[cfg(test)]
mod tests;

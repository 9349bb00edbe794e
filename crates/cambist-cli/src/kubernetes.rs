//! The API server: where it is, whom to trust there, and as whom to speak.
//!
//! Its transport trusts the cluster's CA alone and never goes through a proxy, so that neither the
//! platform's authorities nor whoever runs a proxy can speak for the cluster.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cambist::Env;
use cambist::transport::{CaBundle, CaError, HttpsOptions, Transport, TransportBuildError};
use cambist_core::foreign::Foreign;
use cambist_core::issuer::IssuerUrl;
use serde::Deserialize;

use crate::collect::http::Bearer;
use crate::world::Connect;

/// Where a pod finds its account's token and the cluster's CA.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Largest file that is read here, in bytes.
const MAX: u64 = 1024 * 1024;

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
    File { path: String, problem: String },
    #[error(
        "{path}: {problem}; expected a kubeconfig whose current context names a cluster and a user"
    )]
    Kubeconfig { path: String, problem: String },
    #[error(
        "{path}: the user authenticates by {found}, which is not supported: give a token with --api-token-file"
    )]
    Credential { path: String, found: &'static str },
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
            Some(path) => kubeconfig(path)?,
            None => in_cluster(env, access.mount.unwrap_or(Path::new(MOUNT)))?,
        };
        let url = found.server.trim_end_matches('/').to_owned();
        IssuerUrl::parse(&url).map_err(|_| AccessError::Server(Foreign::new(&url)))?;
        let token = match access.token_file {
            Some(path) => Some(bearer(path)?),
            None => found.bearer?,
        };
        let options =
            HttpsOptions { roots: vec![found.ca], platform_roots: false, ..Default::default() };
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

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "current-context")]
    current: Option<String>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: ContextOf,
}

#[derive(Deserialize)]
struct ContextOf {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    exec: Option<serde::de::IgnoredAny>,
    #[serde(rename = "client-certificate-data", alias = "client-certificate")]
    client_certificate: Option<serde::de::IgnoredAny>,
}

fn kubeconfig(path: &Path) -> Result<Found, AccessError> {
    let shown = path.display().to_string();
    let wrong = |problem: &str| AccessError::Kubeconfig {
        path: shown.clone(),
        problem: problem.to_owned(),
    };
    let text = String::from_utf8(read(path)?).map_err(|_| wrong("it is not text"))?;
    // The parser's own words could repeat what it read.
    let config: Config = serde_saphyr::from_str(&text).map_err(|_| wrong("it is not readable"))?;
    let current = config.current.ok_or_else(|| wrong("it has no current-context"))?;
    let context = config.contexts.into_iter().find(|context| context.name == current);
    let context = context.ok_or_else(|| wrong("its current-context does not exist"))?.context;
    let cluster = config.clusters.into_iter().find(|cluster| cluster.name == context.cluster);
    let cluster = cluster.ok_or_else(|| wrong("its context's cluster does not exist"))?.cluster;
    if cluster.insecure_skip_tls_verify {
        return Err(AccessError::Insecure { path: shown });
    }
    // Paths in a kubeconfig are relative to it.
    let beside = |file: &Path| path.parent().unwrap_or(Path::new("")).join(file);
    let ca = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => {
            let data = data.split_ascii_whitespace().collect::<String>();
            STANDARD.decode(data).map_err(|_| wrong("certificate-authority-data is not base64"))?
        }
        (None, Some(file)) => read(&beside(file))?,
        (None, None) => return Err(wrong("its cluster has no certificate authority")),
    };
    let user = config.users.into_iter().find(|user| user.name == context.user);
    let user = user.map(|user| user.user).unwrap_or_default();
    let credential = |found| Err(AccessError::Credential { path: shown.clone(), found });
    let bearer = match (user.token, user.token_file) {
        (Some(token), _) => match Bearer::new(&token) {
            Some(bearer) => Ok(Some(bearer)),
            None => Err(AccessError::Token(shown.clone())),
        },
        (None, Some(file)) => bearer(&beside(&file)).map(Some),
        (None, None) if user.exec.is_some() => credential("a program (exec)"),
        (None, None) if user.client_certificate.is_some() => credential("a client certificate"),
        (None, None) => Ok(None),
    };
    Ok(Found { server: cluster.server, ca: CaBundle::parse(shown, &ca)?, bearer })
}

fn bearer(path: &Path) -> Result<Bearer, AccessError> {
    let wrong = || AccessError::Token(path.display().to_string());
    let text = String::from_utf8(read(path)?).map_err(|_| wrong())?;
    let text = text.trim_ascii();
    Bearer::new(text).filter(|_| !text.is_empty()).ok_or_else(wrong)
}

fn read(path: &Path) -> Result<Vec<u8>, AccessError> {
    use std::io::Read as _;
    let mut content = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(MAX).read_to_end(&mut content));
    read.map_err(|e| AccessError::File {
        path: path.display().to_string(),
        problem: e.to_string(),
    })?;
    Ok(content)
}

#[cfg(test)]
mod tests;

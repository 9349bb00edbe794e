//! What a kubeconfig file says of its current context.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cambist::transport::CaBundle;
use cambist_core::foreign::Foreign;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{AccessError, Found, bearer};
use crate::collect::http::Bearer;
use crate::output::shell::quoted;

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
    proxy_url: Option<String>,
    tls_server_name: Option<String>,
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
    exec: Option<IgnoredAny>,
    #[serde(rename = "auth-provider")]
    provider: Option<IgnoredAny>,
    #[serde(rename = "client-certificate-data", alias = "client-certificate")]
    client_certificate: Option<IgnoredAny>,
    username: Option<IgnoredAny>,
    #[serde(rename = "as")]
    impersonates: Option<IgnoredAny>,
}

/// Server, authority and credential of the current context.
pub(super) fn read(path: &Path) -> Result<Found, AccessError> {
    let shown = path.display().to_string();
    let wrong = |problem: &str| AccessError::Kubeconfig {
        path: shown.clone(),
        problem: problem.to_owned(),
    };
    let content = super::read(path)?;
    let text = std::str::from_utf8(&content).map_err(|_| wrong("it is not text"))?;
    // The parser's own words could repeat what it read.
    let config: Config = serde_saphyr::from_str(text).map_err(|_| wrong("it is not readable"))?;
    let context = current(&config).map_err(|problem| wrong(&problem))?;
    let cluster = config.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let cluster = cluster.ok_or_else(|| wrong("its context's cluster does not exist"))?;
    let cluster = &cluster.cluster;
    if cluster.insecure_skip_tls_verify {
        return Err(AccessError::Insecure { path: shown });
    }
    let detour = [(&cluster.proxy_url, "proxy-url"), (&cluster.tls_server_name, "tls-server-name")];
    if let Some((_, found)) = detour.into_iter().find(|(set, _)| given(set).is_some()) {
        return Err(AccessError::Detour { path: shown, found });
    }
    // Paths in a kubeconfig are relative to it.
    let beside = |file: &Path| path.parent().unwrap_or(Path::new("")).join(file);
    // As in client-go, what is there but empty is not there.
    let named = cluster.certificate_authority.as_deref().filter(|it| !it.as_os_str().is_empty());
    let ca = match (given(&cluster.certificate_authority_data), named) {
        (Some(data), _) => {
            let data = data.split_ascii_whitespace().collect::<String>();
            let data = STANDARD.decode(data);
            CaBundle::parse(
                shown.clone(),
                &data.map_err(|_| wrong("certificate-authority-data is not base64"))?,
            )?
        }
        (None, Some(file)) => CaBundle::read(&beside(file))?,
        (None, None) => return Err(wrong("its cluster has no certificate authority")),
    };
    let bearer = match config.users.iter().find(|user| user.name == context.user) {
        Some(user) => credential(&user.user, path, &beside),
        None if context.user.is_empty() => Ok(None),
        None => Err(wrong("its context's user does not exist")),
    };
    Ok(Found { server: cluster.server.clone(), ca, bearer })
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// The context that `kubectl` would take, or why there is none.
fn current(config: &Config) -> Result<&ContextOf, String> {
    let names = || {
        let names = config.contexts.iter().map(|context| Foreign::new(&context.name).to_string());
        match names.collect::<Vec<_>>().join(", ") {
            names if names.is_empty() => "it has none at all".to_owned(),
            names => format!("it has {names}; choose one with `kubectl config use-context`"),
        }
    };
    let Some(current) = given(&config.current) else {
        return Err(format!("no context is the current one: {}", names()));
    };
    match config.contexts.iter().find(|context| context.name == current) {
        Some(context) => Ok(&context.context),
        None => Err(format!(
            "its current-context {} does not exist: {}",
            Foreign::new(current),
            names()
        )),
    }
}

fn credential(
    user: &User,
    path: &Path,
    beside: &impl Fn(&Path) -> PathBuf,
) -> Result<Option<Bearer>, AccessError> {
    let shown = || path.display().to_string();
    let found = match user {
        // Whoever acts as somebody else is not to act as himself by mistake.
        User { impersonates: Some(_), .. } => "impersonation (as)",
        // client-go believes the file rather than the text beside it.
        User { token_file: Some(file), .. } if !file.as_os_str().is_empty() => {
            return bearer(&beside(file)).map(Some);
        }
        User { token: Some(token), .. } if !token.is_empty() => {
            let token = Bearer::new(token).ok_or_else(|| AccessError::Token(shown()))?;
            return Ok(Some(token));
        }
        User { exec: Some(_), .. } => "a program (exec)",
        User { provider: Some(_), .. } => "a plugin (auth-provider)",
        User { client_certificate: Some(_), .. } => "a client certificate",
        User { username: Some(_), .. } => "a password",
        _ => return Ok(None),
    };
    Err(AccessError::Credential { path: shown(), found, kubeconfig: quoted(&shown()) })
}

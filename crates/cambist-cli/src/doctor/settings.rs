//! The variables: those of the environment, with those that flags stand for in front.

use std::collections::BTreeMap;

use cambist::Env;
use cambist::config::{RENAMED, VARIABLES};

use super::facts::Environment;
use crate::cli::doctor::Doctor;

/// What `cambist-sidecar` reads besides the library; `docs/configuration.md` has each of them.
pub(super) const SIDECAR: [&str; 21] = [
    "CAMBIST_LISTEN",
    "CAMBIST_ADMIN_LISTEN",
    "CAMBIST_ADMIN_HOSTS",
    "CAMBIST_ADMIN_CERT_FILE",
    "CAMBIST_ADMIN_KEY_FILE",
    "CAMBIST_ADMIN_STATUS",
    "CAMBIST_AUDIT",
    "CAMBIST_PROTOCOLS",
    "CAMBIST_IDENTITY_HEADER_FILE",
    "CAMBIST_MAKE_HEADER_FILE",
    "CAMBIST_PREFETCH",
    "CAMBIST_CONFIG",
    "CAMBIST_OBJECT_ID",
    "CAMBIST_RESOURCE_ID",
    "CAMBIST_SOURCE",
    "CAMBIST_CONFINE",
    "CAMBIST_LOG",
    "CAMBIST_LOG_FORMAT",
    "CAMBIST_POD_IP",
    "CAMBIST_HOST_IP",
    "CAMBIST_ALLOW_HOST_NETWORK",
];

/// By these, SDKs sign in with a secret, and do so before they try anything else.
const SECRETS: [&str; 4] =
    ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_PASSWORD"];

/// The environment, and in front of it what flags say.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    env: &'a dyn Env,
    flags: BTreeMap<&'static str, String>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(args: &Doctor, env: &'a dyn Env) -> Self {
        let path = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.display().to_string())
        };
        let flags = [
            ("AZURE_FEDERATED_TOKEN_FILE", path(&args.token_file)),
            ("CAMBIST_ISSUER", args.issuer.clone()),
            ("AZURE_TENANT_ID", args.tenant_id.clone()),
            ("AZURE_CLIENT_ID", args.client_id.clone()),
            ("CAMBIST_CA_FILE", path(&args.ca_file)),
        ];
        let flags = flags.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Self { env, flags: flags.collect() }
    }
}

impl Env for Settings<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.flags.get(name).cloned().or_else(|| self.env.get(name))
    }

    fn names(&self) -> Vec<String> {
        self.env.names()
    }
}

/// The same without some variables: with what is wrong out of the way, the rest can be looked at.
#[derive(Debug)]
pub(super) struct Without<'a> {
    pub(super) env: &'a dyn Env,
    pub(super) names: Vec<String>,
}

impl Env for Without<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let wanted = self.names.iter().all(|without| without != name);
        wanted.then(|| self.env.get(name)).flatten()
    }

    fn names(&self) -> Vec<String> {
        self.env.names()
    }
}

/// The `CAMBIST_` variables that somebody reads.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    let library = VARIABLES.iter().map(|variable| variable.name);
    library.filter(|name| name.starts_with("CAMBIST_")).chain(SIDECAR)
}

/// What names alone tell.
pub(super) fn environment(env: &dyn Env) -> Environment {
    let is_set = |name: &&str| env.get(name).is_some();
    let mut unread: Vec<_> = env.names();
    unread.retain(|name| {
        name.starts_with("CAMBIST_")
            && known().all(|known| known != name)
            && RENAMED.iter().all(|(old, _)| old != name)
            && !of_a_service(name)
    });
    unread.sort();
    let renamed = RENAMED.iter().filter_map(|(old, new)| Some((*old, *new, env.get(old)?)));
    Environment {
        secrets: SECRETS.into_iter().filter(is_set).collect(),
        unread: unread.into_iter().map(|name| (name.clone(), nearest(&name))).collect(),
        renamed: renamed.collect(),
    }
}

/// The variable that was meant, if one comes near.
fn nearest(name: &str) -> Option<&'static str> {
    let near = known().map(|known| (strsim::jaro_winkler(&known[8..], &name[8..]), known));
    let near = near.filter(|(likeness, _)| *likeness > 0.85);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Whether Kubernetes made this name of a Service that is called `cambist` or begins so.
fn of_a_service(name: &str) -> bool {
    ["_SERVICE_HOST", "_SERVICE_PORT"].iter().any(|part| name.contains(part))
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|part| name.contains(part))
        || name.ends_with("_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_the_page_is_known_and_no_other() {
        let page = include_str!("../../../../docs/configuration.md");
        let read = page.split("## Names that are no longer read").next().unwrap();
        let mut rows: Vec<_> = read
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .filter(|name| name.starts_with("CAMBIST_"))
            .collect();
        let mut known: Vec<_> = known().collect();
        rows.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, rows);
    }

    #[test]
    fn a_service_called_cambist_is_no_misspelt_variable() {
        let names = ["CAMBIST_PORT_8422_TCP_ADDR", "CAMBIST_ADMIN_SERVICE_HOST", "CAMBIST_PORT"];
        let env: BTreeMap<_, _> =
            names.into_iter().map(|name| (name.to_owned(), "x".to_owned())).collect();
        assert!(environment(&env).unread.is_empty());
    }
}

//! The configuration as far as it can be read: what is wrong with one variable keeps nothing else from being
//! looked at.

use std::collections::BTreeMap;
use std::path::Path;

use cambist::config::{Config, ConfigFault, Identity, Shared};
use cambist::files::read_in_time;
use cambist::{Env, policy_file};

use crate::doctor::facts::PolicyFile;
use crate::doctor::settings::Without;

/// The longest file of identities that is read, as by the sidecar.
const MAX_FILE: usize = 1024 * 1024;

/// What is configured.
pub(super) struct Setup {
    pub(super) shared: Shared,
    pub(super) faults: Vec<ConfigFault>,
    pub(super) policy: Option<PolicyFile>,
    /// As whom an exchange is made, if nothing is wrong.
    pub(super) identity: Option<Identity>,
}

impl Setup {
    pub(super) fn of(env: &dyn Env) -> Self {
        let file = env.get("CAMBIST_CONFIG");
        let read = match &file {
            None => Config::from_env(env).map(|config| Some(config.identity)),
            Some(_) => Shared::from_env(env).map(|_| None),
        };
        let (mut identity, faults) = match read {
            Ok(identity) => (identity, Vec::new()),
            Err(errors) => (None, errors.faults().to_vec()),
        };
        let shared = shared(env, &faults);
        let policy = file.map(|path| {
            let (policy, own) = policy(&path, &shared, env);
            identity = own.filter(|_| faults.is_empty());
            policy
        });
        Self { shared, faults, policy, identity }
    }
}

/// What is shared, with whatever is wrong out of the way.
fn shared(env: &dyn Env, faults: &[ConfigFault]) -> Shared {
    let mut names: Vec<String> = faults.iter().map(|fault| fault.name.to_string()).collect();
    for (name, other) in [
        // With `enforce`, the want of an issuer is a fault as well.
        ("CAMBIST_ISSUER", "CAMBIST_KEY_AGE"),
        ("HTTPS_PROXY", "https_proxy"),
    ] {
        if names.iter().any(|wrong| wrong == name) {
            names.push(other.to_owned());
        }
    }
    let nothing = BTreeMap::new();
    Shared::from_env(&Without { env, names })
        .or_else(|_| Shared::from_env(&nothing))
        .expect("where nothing is set nothing is wrong")
}

fn policy(path: &str, shared: &Shared, env: &dyn Env) -> (PolicyFile, Option<Identity>) {
    let mut policy = PolicyFile {
        path: path.to_owned(),
        faults: Vec::new(),
        identities: 0,
        warnings: Vec::new(),
    };
    let text = match read_in_time(Path::new(path), MAX_FILE) {
        Ok(text) => text,
        Err(fault) => {
            policy.faults.push(fault.to_string());
            return (policy, None);
        }
    };
    match policy_file::load(&String::from_utf8_lossy(&text), &shared.defaults) {
        Err(errors) => {
            policy.faults = errors.faults().iter().map(ToString::to_string).collect();
            (policy, None)
        }
        Ok(identities) => {
            policy.identities = identities.identities.len();
            policy.warnings = identities.warnings;
            let asked = env.get("AZURE_CLIENT_ID");
            let all = identities.identities;
            let own =
                all.iter().find(|it| asked.as_deref() == Some(&*it.client_id)).or(all.first());
            (policy, own.cloned())
        }
    }
}

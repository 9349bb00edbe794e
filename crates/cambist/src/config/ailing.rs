//! The files that are read again and again while tokens are asked for, looked at beforehand.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Config, ConfigFault, KeyPlace, TrustConfig};
use crate::issuer_keys::fetch::{api_token, key_file};
use crate::token_file::TokenFile;

impl Config {
    /// What is wrong now with the files that tokens, keys and a history are read from: each under the name
    /// of its variable. None is a fault of the configuration, since each is read anew when it is needed;
    /// where a pod's volumes are not mounted, as in a pipeline, none is there.
    pub async fn ailing_files(&self) -> Vec<ConfigFault> {
        self.trust.ailing_files([&*self.identity.token_file]).await
    }
}

impl TrustConfig {
    /// The same for identities that have their projected tokens in these files.
    pub async fn ailing_files<'p>(
        &self,
        token_files: impl IntoIterator<Item = &'p Path>,
    ) -> Vec<ConfigFault> {
        let mut ailing = Vec::new();
        let mut note = |name: &'static str, problem| ailing.push(ConfigFault::new(name, problem));
        let token_files: BTreeSet<_> = token_files.into_iter().collect();
        for path in token_files {
            if let Err(error) = TokenFile::new(path).read().await {
                note("AZURE_FEDERATED_TOKEN_FILE", error.to_string());
            }
        }
        for place in &self.keys {
            match place {
                KeyPlace::Public => {}
                KeyPlace::Api { token_file, .. } => {
                    if let Err(error) = api_token(token_file).await {
                        note("CAMBIST_API_TOKEN_FILE", error.to_string());
                    }
                }
                KeyPlace::File(path) => {
                    if let Err(error) = key_file(path).await {
                        note("CAMBIST_KEYS", error.to_string());
                    }
                }
            }
        }
        if let Some(history) = &self.key_age.history {
            match history.read_off_workers().await {
                Ok(Some(stored)) => {
                    if let Some(damage) = stored.damage {
                        let path = history.path().display();
                        note("CAMBIST_HISTORY", format!("the history {path} {damage}"));
                    }
                }
                Ok(None) => {
                    let path = history.path().display();
                    let problem = format!(
                        "the history {path} is not there yet: `cambist issuer observe --history` makes it; \
                         until then this process judges by what it sees itself"
                    );
                    note("CAMBIST_HISTORY", problem);
                }
                Err(error) => note("CAMBIST_HISTORY", error.to_string()),
            }
        }
        ailing
    }
}

//! Where the history is kept.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cambist::history::{Damage, HistoryFile, HistoryFileError};
use cambist_core::clock::UnixTime;
use cambist_core::foreign::Foreign;
use cambist_core::names::{is_namespace, is_object_name};
use cambist_key_age::history::HistoryError;
use cambist_key_age::{Grade, History};

use crate::kubernetes::ApiServer;

mod config_map;

pub(crate) use config_map::{ConfigMap, ConfigMapError};

/// A store, as `--history` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreName {
    /// `file:PATH`
    File(PathBuf),
    /// `cm:NAMESPACE/NAME`
    ConfigMap { namespace: String, name: String },
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::ConfigMap { namespace, name } => write!(f, "cm:{namespace}/{name}"),
        }
    }
}

impl FromStr for StoreName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected file:PATH or cm:NAMESPACE/NAME".to_owned();
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("cm", rest)) => {
                let (namespace, name) = rest.split_once('/').ok_or_else(wrong)?;
                if !is_namespace(namespace) || !is_object_name(name) {
                    return Err(
                        "namespace and name are of a-z, 0-9 and '-', a name of '.' besides"
                            .to_owned(),
                    );
                }
                Ok(Self::ConfigMap { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(wrong()),
        }
    }
}

/// A reachable store.
#[derive(Debug)]
pub(crate) enum Store {
    File(HistoryFile),
    ConfigMap(Box<ConfigMap>),
}

/// Why a store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    File(#[from] HistoryFileError),
    #[error(transparent)]
    ConfigMap(#[from] ConfigMapError),
    #[error(
        "the store has a history of {found}, not of {expected}; issuers are compared byte for byte, a trailing slash included: name another --history"
    )]
    AnotherIssuer { expected: Foreign, found: Foreign },
}

/// How far clocks of observers may differ before a history is called one of the future.
pub(crate) const SLACK: Duration = Duration::from_secs(15 * 60);

/// What a store holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) history: Option<History>,
    /// What was wrong with it, though it could be read.
    pub(crate) damage: Option<HistoryError>,
}

impl Held {
    /// The history if it can be believed: a damaged one cannot, even if a backup could be.
    pub(crate) fn whole(self, now: UnixTime) -> Result<Option<History>, HistoryError> {
        let checked = self.history.as_ref().map_or(Ok(()), |it| it.check(now, SLACK, None));
        self.damage.map_or(checked, Err).map(|()| self.history)
    }
}

impl Store {
    pub(crate) fn file(path: PathBuf) -> Self {
        Self::File(HistoryFile::new(path))
    }

    pub(crate) fn config_map(server: ApiServer, namespace: String, name: String) -> Self {
        Self::ConfigMap(Box::new(ConfigMap::new(server, namespace, name)))
    }

    /// How well its word is believed at most: a ConfigMap is a history that others write, too.
    pub(crate) fn trust(&self) -> Grade {
        match self {
            Self::File(_) => Grade::Proven,
            Self::ConfigMap(_) => Grade::Attested,
        }
    }

    /// Reads the history, of that issuer if one is named.
    pub(crate) async fn read(&self, issuer: Option<&str>) -> Result<Held, StoreError> {
        let held = match self {
            Self::File(file) => file.read()?.map_or_else(Held::default, |stored| Held {
                damage: stored.damage.map(|damage| match damage {
                    Damage::RolledBack { expected, found } => {
                        HistoryError::RolledBack { known: expected, found }
                    }
                    other => HistoryError::Shape(format!("{} {other}", file.path().display())),
                }),
                history: Some(stored.history),
            }),
            Self::ConfigMap(map) => Held { history: map.read().await?, damage: None },
        };
        if let Some(issuer) = issuer {
            same_issuer(held.history.as_ref(), issuer)?;
        }
        Ok(held)
    }

    /// Adds what `fresh` saw, whoever else is writing. Answers where the bytes of a damaged file are kept
    /// that its backup took the place of.
    pub(crate) async fn add(
        &self,
        issuer: &str,
        change: impl Fn(&mut History) + Clone,
    ) -> Result<Option<PathBuf>, StoreError> {
        match self {
            Self::File(file) => {
                let torn = file.update(|stored| {
                    let damage = stored.as_ref().and_then(|stored| stored.damage.as_ref());
                    let torn = matches!(damage, Some(Damage::Torn(_)));
                    let mut history = stored.map_or_else(|| History::new(issuer), |s| s.history);
                    change(&mut history);
                    (history, torn)
                })?;
                Ok(torn.then(|| file.set_aside()))
            }
            Self::ConfigMap(map) => {
                map.add(issuer, change).await?;
                Ok(None)
            }
        }
    }
}

fn same_issuer(history: Option<&History>, issuer: &str) -> Result<(), StoreError> {
    match history.map(History::issuer).filter(|found| *found != issuer) {
        Some(found) => {
            let (expected, found) = (Foreign::new(issuer), Foreign::new(found));
            Err(StoreError::AnotherIssuer { expected, found })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_named_in_two_ways() {
        assert_eq!("file:a:b".parse(), Ok(StoreName::File("a:b".into())));
        let map = StoreName::ConfigMap { namespace: "ns".to_owned(), name: "a.b-c".to_owned() };
        assert_eq!("cm:ns/a.b-c".parse(), Ok(map));
        for bad in
            ["", "file:", "cm:ns", "cm:ns/", "cm:ns/a/b", "cm:../x", "cm:NS/a", "blob:x", "x"]
        {
            assert!(bad.parse::<StoreName>().is_err(), "{bad}");
        }
    }
}

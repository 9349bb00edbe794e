//! The key that an argument means: a file with its public half, a thumbprint, or a kid that was seen.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use cambist_core::jwks::Thumbprint;
use cambist_key_age::History;

use crate::key;
use crate::text::plain;

/// Why no key is meant.
#[derive(Debug, thiserror::Error)]
pub(super) enum NamedError {
    #[error("{path}: {problem}")]
    KeyFile { path: String, problem: String },
    #[error(
        "{name:?} is no file, and no key that was seen is called so: give the file with its public half, its kid or its thumbprint"
    )]
    NoKey { name: String },
}

/// The keys of a history by the names they were published under.
pub(super) fn names(history: &History) -> Vec<(Thumbprint, String)> {
    let runs = history.runs().iter().flat_map(|run| run.keys.iter().copied());
    let keys: BTreeSet<_> = runs.chain(history.signings().keys().copied()).collect();
    let named = |key: Thumbprint| history.kids(key).map(move |kid| (key, kid.to_owned()));
    keys.into_iter().flat_map(named).collect()
}

/// The key that is meant.
pub(super) fn find(name: &str, seen: Vec<(Thumbprint, String)>) -> Result<Thumbprint, NamedError> {
    let wrong = |problem: String| NamedError::KeyFile { path: plain(name), problem };
    match open(Path::new(name)).map_err(wrong)? {
        Some(content) => {
            let keys = key::read(&content).map_err(|error| wrong(error.to_string()))?;
            return match &keys[..] {
                [key] => Ok(key.thumbprint),
                _ => Err(wrong(format!("it has {} keys, and one is to be named", keys.len()))),
            };
        }
        None => {
            if let Ok(key) = name.parse() {
                return Ok(key);
            }
        }
    }
    let mut found = seen.into_iter().filter(|(_, kid)| kid == name).map(|(key, _)| key);
    found.next().ok_or_else(|| NamedError::NoKey { name: plain(name) })
}

/// A file's content, if there is a file of that name.
fn open(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match std::fs::File::open(path) {
        Ok(file) => content(file).map(Some),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// All of a key file; no more of a larger one than shows that it is none.
pub(super) fn content(file: std::fs::File) -> Result<Vec<u8>, String> {
    let limit = u64::try_from(key::MAX_KEY_FILE + 1).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    file.take(limit).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() > key::MAX_KEY_FILE {
        return Err(format!("is larger than the {} bytes that are read", key::MAX_KEY_FILE));
    }
    Ok(content)
}

//! Bundles: collected on an air-gapped node, judged elsewhere.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cambist_core::JsonError;
use cambist_core::foreign::Foreign;
use cambist_core::json;
use cambist_core::jwks::SECRET_MEMBERS;
use serde_json::Value;

use super::look::{Look, VERSION};
use crate::output::file;
use crate::text::plain;

/// Largest bundle that is read, in bytes.
const MAX: u64 = 4 * 1024 * 1024;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    #[error("no bundle is named")]
    None,
    #[error("the bundle {path}: {problem}")]
    File { path: String, problem: String },
    #[error("the bundle {path} has schemaVersion {found}; this program reads {VERSION}")]
    Version { path: String, found: u64 },
    #[error(
        "the bundle {path} is of the issuer {found}, but --issuer or another bundle says {expected}; they are compared byte for byte"
    )]
    Issuer { path: String, expected: Foreign, found: Foreign },
}

/// Reads bundles of one issuer, that one if one is named: the latest, with the others in it.
pub(crate) fn read_all(paths: &[PathBuf], issuer: Option<&str>) -> Result<Look, BundleError> {
    let mut looks: Vec<Look> = Vec::new();
    for path in paths {
        let named = looks.first().map(|look| look.issuer.clone());
        let mut look = read(path, issuer.or(named.as_deref()))?;
        if paths.len() > 1 {
            // Every node's root is `/host`, or the like.
            let name = path.display();
            look.nodes.iter_mut().for_each(|node| node.root = format!("{name}: {}", node.root));
            look.problems.iter_mut().for_each(|it| it.detail = format!("{name}: {}", it.detail));
        }
        looks.push(look);
    }
    looks.sort_by_key(|look| look.at);
    let Some(mut latest) = looks.pop() else { return Err(BundleError::None) };
    for look in &mut looks {
        latest.problems.append(&mut look.problems);
    }
    latest.others = looks;
    Ok(latest)
}

/// Reads a bundle, of that issuer if one is named.
fn read(path: &Path, issuer: Option<&str>) -> Result<Look, BundleError> {
    let shown = path.display().to_string();
    let failed = |problem: String| BundleError::File { path: shown.clone(), problem };
    let mut text = String::new();
    let file = std::fs::File::open(path).and_then(|file| file.take(MAX).read_to_string(&mut text));
    file.map_err(|e| failed(e.to_string()))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|e| failed(format!("is {}", JsonError::from(e))))?;
    match value.get("schemaVersion").and_then(Value::as_u64) {
        Some(found) if found != u64::from(VERSION) => {
            return Err(BundleError::Version { path: shown, found });
        }
        _ => {}
    }
    let mut look: Look =
        json::read(text.as_bytes()).map_err(|e| failed(format!("is no bundle: it is {e}")))?;
    // One word of ours, unless somebody else wrote the bundle.
    look.problems.iter_mut().for_each(|it| it.place = plain(&it.place));
    match issuer.filter(|issuer| *issuer != look.issuer) {
        Some(expected) => {
            let (expected, found) = (Foreign::new(expected), Foreign::new(&look.issuer));
            Err(BundleError::Issuer { path: shown, expected, found })
        }
        None => Ok(look),
    }
}

/// Writes a bundle, whole or not at all.
pub(crate) fn write(path: &Path, look: &Look) -> Result<(), BundleError> {
    let failed = |problem: String| BundleError::File { path: path.display().to_string(), problem };
    let mut text =
        serde_json::to_string_pretty(&without_secrets(look)).map_err(|e| failed(e.to_string()))?;
    text.push('\n');
    file::write(path, text.as_bytes()).map_err(|e| failed(e.to_string()))
}

/// A secret that an issuer publishes by mistake is not carried about: that it is there is what
/// counts. A set without one stays as it was served, byte for byte.
fn without_secrets(look: &Look) -> Look {
    let mut look = look.clone();
    for reply in [&mut look.public.jwks, &mut look.api.jwks].into_iter().flatten() {
        let Ok(mut set) = serde_json::from_str::<Value>(&reply.body) else { continue };
        let keys = set.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten();
        let members = keys.filter_map(Value::as_object_mut).flat_map(|key| key.iter_mut());
        let mut found = false;
        for (_, value) in members.filter(|(name, _)| SECRET_MEMBERS.contains(&name.as_str())) {
            *value = Value::from("withheld");
            found = true;
        }
        if found {
            reply.body = set.to_string();
        }
    }
    look
}

#[cfg(test)]
mod tests {
    use cambist_core::clock::UnixTime;

    use super::*;

    #[test]
    fn an_array_of_its_members_is_no_bundle() {
        let look = Look::new("https://i.test", UnixTime::from_secs(0));
        let object = serde_json::to_value(&look).unwrap();
        let members = [
            "schemaVersion",
            "issuer",
            "at",
            "public",
            "api",
            "tokens",
            "nodes",
            "metrics",
            "tlsFault",
            "discoveryAccess",
            "problems",
        ];
        let array = Value::from(members.map(|name| object[name].clone()).to_vec());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.json");
        std::fs::write(&path, object.to_string()).unwrap();
        assert!(read(&path, None).is_ok());
        std::fs::write(&path, array.to_string()).unwrap();
        let told = read(&path, None).unwrap_err().to_string();
        assert!(told.contains("but is an array"), "{told}");
    }
}

//! A control-plane node's key files: `stat` alone, and the public halves' content.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use rustix::fs::OFlags;

use super::look::{FileKind, FileSeen, Look, NodeSeen};
use crate::key;

/// Where kubeadm, k3s and RKE2 keep their service-account keys.
const FILES: [(&str, FileKind); 4] = [
    ("etc/kubernetes/pki/sa.key", FileKind::Private),
    ("etc/kubernetes/pki/sa.pub", FileKind::Public),
    ("var/lib/rancher/k3s/server/tls/service.key", FileKind::Service),
    ("var/lib/rancher/rke2/server/tls/service.key", FileKind::Service),
];

/// Where copies of private keys are found.
const DIRECTORIES: [&str; 1] = ["etc/kubernetes/pki"];

/// Looks at the files under `root`, of one node more. Only files named `*.pub` are ever opened.
pub(crate) fn collect(look: &mut Look, root: &Path) {
    let mut node = NodeSeen { root: root.display().to_string(), ..NodeSeen::default() };
    let copies = DIRECTORIES.iter().flat_map(|dir| backups(root, dir));
    let files = FILES.map(|(path, kind)| (path.to_owned(), kind)).into_iter().chain(copies);
    for (path, kind) in files {
        match stat(&root.join(&path), kind) {
            Ok(Some(seen)) => node.files.push(FileSeen { path: format!("/{path}"), ..seen }),
            Ok(None) => {}
            Err(problem) => look.problem("node", format!("/{path}: {problem}")),
        }
    }
    if node.files.is_empty() {
        let known = FILES.map(|(path, _)| format!("/{path}")).join(", ");
        look.problem("node", format!("{} has none of {known}", root.display()));
    }
    look.nodes.push(node);
}

fn stat(path: &Path, kind: FileKind) -> Result<Option<FileSeen>, String> {
    // Without following links: a mounted root's absolute links would lead out of it.
    let stat = match std::fs::symlink_metadata(path) {
        Ok(stat) => stat,
        Err(error) if absent(error.kind()) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !stat.is_file() {
        return Err("is no regular file; name the directory that really holds it".to_owned());
    }
    let born = stat.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born = born.and_then(|since| i64::try_from(since.as_secs()).ok());
    let keys = if kind == FileKind::Public { public_keys(path)? } else { Vec::new() };
    Ok(Some(FileSeen {
        path: String::new(),
        kind,
        mode: stat.mode() & 0o7777,
        uid: stat.uid(),
        gid: stat.gid(),
        changed: Some(UnixTime::from_secs(stat.ctime())),
        modified: Some(UnixTime::from_secs(stat.mtime())),
        born: born.map(UnixTime::from_secs),
        keys,
    }))
}

fn absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn public_keys(path: &Path) -> Result<Vec<Thumbprint>, String> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let limit = u64::try_from(key::MAX_KEY_FILE).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    file.and_then(|file| file.take(limit).read_to_end(&mut content)).map_err(|e| e.to_string())?;
    let keys = key::read(&content).map_err(|e| e.to_string())?;
    Ok(keys.into_iter().map(|key| key.thumbprint).collect())
}

/// Files beside the originals that look like copies of the private key, such as `sa.key.bak`.
fn backups(root: &Path, dir: &str) -> Vec<(String, FileKind)> {
    let Ok(entries) = std::fs::read_dir(root.join(dir)) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let copy = |name: &String| {
        let lower = name.to_ascii_lowercase();
        lower.starts_with("sa") && lower.contains("key") && lower != "sa.key"
    };
    let mut names: Vec<_> = names.filter(copy).collect();
    names.sort();
    names.into_iter().map(|name| (format!("{dir}/{name}"), FileKind::Backup)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn node() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/kubernetes/pki")).unwrap();
        root
    }

    fn seen(root: &tempfile::TempDir) -> Look {
        let mut look = Look::new("https://i.test", UnixTime::from_secs(0));
        collect(&mut look, root.path());
        look
    }

    #[test]
    fn private_keys_are_looked_at_and_never_opened() {
        let root = node();
        let pki = root.path().join("etc/kubernetes/pki");
        // Nobody may read these, so that opening one would fail (or, for root, show in the report).
        for name in ["sa.key", "sa.key.bak"] {
            std::fs::write(pki.join(name), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n").unwrap();
            let none = std::fs::Permissions::from_mode(0o000);
            std::fs::set_permissions(pki.join(name), none).unwrap();
        }
        let public = include_bytes!("../../testdata/rsa.pub.pem");
        std::fs::write(pki.join("sa.pub"), public).unwrap();
        let look = seen(&root);
        let files = look.nodes[0].files.clone();
        let kinds: Vec<_> = files.iter().map(|file| file.kind).collect();
        assert_eq!(kinds, [FileKind::Private, FileKind::Public, FileKind::Backup]);
        assert!(look.problems.is_empty(), "{:?}", look.problems);
        assert_eq!(files[0].mode, 0);
        assert!(files[0].changed.is_some() && files[0].modified.is_some());
        assert_eq!(files[1].keys[0].to_string(), "N-7kGYW14yqrcNDT-eOUnTh45eL1t9U6VVd-s484jC4");
        assert!(!serde_json::to_string(&look).unwrap().contains("c2VjcmV0"));
    }

    #[test]
    fn a_private_key_in_a_public_place_a_link_and_an_empty_root_are_told() {
        let root = node();
        let pki = root.path().join("etc/kubernetes/pki");
        std::fs::write(pki.join("sa.pub"), "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n").unwrap();
        symlink("/etc/hostname", pki.join("sa.key")).unwrap();
        let problems: Vec<_> = seen(&root).problems.into_iter().map(|p| p.detail).collect();
        assert!(problems[0].contains("no regular file"), "{problems:?}");
        assert!(
            problems[1].contains("private key") && !problems[1].contains("c2Vj"),
            "{problems:?}"
        );
        assert!(problems[2].contains("has none of"), "{problems:?}");
        assert!(seen(&tempfile::tempdir().unwrap()).problems[0].detail.contains("service.key"));
    }
}

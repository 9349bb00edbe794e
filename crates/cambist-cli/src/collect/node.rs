//! A control-plane node's key files: `stat` alone, and the public halves' content.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use rustix::fs::OFlags;

use super::look::{FileKind, FileSeen, FlagsSeen, Look, NodeSeen};
use crate::key;

/// Where kubeadm, k3s and RKE2 keep their service-account keys, whatever flags say.
const FILES: [(&str, FileKind); 6] = [
    ("/etc/kubernetes/pki/sa.key", FileKind::Private),
    ("/etc/kubernetes/pki/sa.pub", FileKind::Public),
    ("/var/lib/rancher/k3s/server/tls/service.key", FileKind::Service),
    ("/var/lib/rancher/k3s/server/tls/service.current.key", FileKind::Service),
    ("/var/lib/rancher/rke2/server/tls/service.key", FileKind::Service),
    ("/var/lib/rancher/rke2/server/tls/service.current.key", FileKind::Service),
];

/// Where copies of private keys are found.
const DIRECTORIES: [&str; 1] = ["/etc/kubernetes/pki"];

/// Looks at the files under `root`, of one node more: those that its `flags` name, and those that are
/// there on many. What a flag names as the public half is opened, and what is called `*.pub`; a private
/// key never.
pub(crate) fn collect(look: &mut Look, root: &Path, flags: Option<&FlagsSeen>) {
    let mut node = NodeSeen { root: root.display().to_string(), ..NodeSeen::default() };
    let mut wanted = flags.map(named).unwrap_or_default();
    let known = |wanted: &[Wanted], path: &str| wanted.iter().any(|it| it.path == path);
    // Beside the keys that are named, a `sa.pub` accepts nothing.
    let accepts = flags.is_some_and(|flags| !flags.key_files.is_empty());
    for (path, kind) in FILES {
        if known(&wanted, path) || (accepts && kind == FileKind::Public) {
            continue;
        }
        wanted.push(Wanted { path: path.to_owned(), kind, flag: None });
    }
    for (path, kind) in DIRECTORIES.iter().flat_map(|dir| backups(root, dir)) {
        if !known(&wanted, &path) {
            wanted.push(Wanted { path, kind, flag: None });
        }
    }
    for Wanted { path, kind, flag } in wanted {
        let seen = match beneath(root, &path) {
            Ok(at) => stat(&at, kind),
            Err(problem) => Err(problem.to_owned()),
        };
        match (seen, flag) {
            (Ok(Some(seen)), _) => node.files.push(FileSeen { path, ..seen }),
            // A default need not be there.
            (Ok(None), Some(flag)) if !FILES.iter().any(|(usual, _)| *usual == path) => look
                .problem(
                    "node",
                    format!("{path} is named by {flag} and is not under {}", root.display()),
                ),
            (Ok(None), _) => {}
            (Err(problem), _) => look.problem("node", format!("{path}: {problem}")),
        }
    }
    if node.files.is_empty() {
        let known = FILES.map(|(path, _)| path).join(", ");
        look.problem(
            "node",
            format!(
                "{} has none of {known}; name the API server's flags by --manifest",
                root.display()
            ),
        );
    }
    look.nodes.push(node);
}

/// A file to look at.
struct Wanted {
    /// As on the node.
    path: String,
    kind: FileKind,
    /// What names it.
    flag: Option<&'static str>,
}

/// The files that flags name, each once, as the most secret of what it is for.
fn named(flags: &FlagsSeen) -> Vec<Wanted> {
    let mut out: Vec<Wanted> = Vec::new();
    let private = [
        (&flags.signing_key_file, "--service-account-signing-key-file"),
        (&flags.controller_manager_key_file, "--service-account-private-key-file"),
    ];
    let private = private.into_iter().filter_map(|(path, flag)| Some((path.as_ref()?, true, flag)));
    let public = flags.key_files.iter().map(|path| (path, false, "--service-account-key-file"));
    for (path, secret, flag) in private.chain(public) {
        if out.iter().any(|known| known.path == *path) {
            continue;
        }
        // A key file may hold the private key as well; the names of such are like this.
        let secret = secret || path.ends_with(".key");
        let kind = match (secret, path.contains("/server/tls/service.")) {
            (true, true) => FileKind::Service,
            (true, false) => FileKind::Private,
            (false, _) => FileKind::Public,
        };
        out.push(Wanted { path: path.clone(), kind, flag: Some(flag) });
    }
    out
}

/// Where a node's path is under its root.
fn beneath(root: &Path, path: &str) -> Result<PathBuf, &'static str> {
    let inside = path.strip_prefix('/').ok_or("is a relative path, and nobody says to what")?;
    let plain = Path::new(inside).components().all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(root.join(inside)) } else { Err("leads out of where it seems to be") }
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
    let Ok(entries) = std::fs::read_dir(root.join(dir.trim_start_matches('/'))) else {
        return Vec::new();
    };
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
        collect(&mut look, root.path(), None);
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

    fn flags(signing: &str, keys: &[&str]) -> FlagsSeen {
        FlagsSeen {
            signing_key_file: Some(signing.to_owned()),
            key_files: keys.iter().map(|path| (*path).to_owned()).collect(),
            ..FlagsSeen::default()
        }
    }

    #[test]
    fn the_files_that_flags_name_are_looked_at_and_the_live_key_is_no_copy() {
        let root = node();
        let pki = root.path().join("etc/kubernetes/pki");
        let public = include_bytes!("../../testdata/rsa.pub.pem");
        for (name, content) in [
            ("sa.key", &b"old"[..]),
            ("sa.pub", b"stale"),
            ("sa-new.key", b"c2VjcmV0"),
            ("sa-new.pub", public),
            ("sa-2025.key", b"copy"),
        ] {
            std::fs::write(pki.join(name), content).unwrap();
        }
        std::fs::create_dir(root.path().join("keys")).unwrap();
        std::fs::write(root.path().join("keys/next.pem"), public).unwrap();
        let flags = flags(
            "/etc/kubernetes/pki/sa-new.key",
            &["/etc/kubernetes/pki/sa-new.pub", "/keys/next.pem", "/keys/gone.pub", "pki/x.pub"],
        );
        let mut look = Look::new("https://i.test", UnixTime::from_secs(0));
        collect(&mut look, root.path(), Some(&flags));
        let files = look.nodes[0].files.iter().map(|file| (file.path.as_str(), file.kind));
        let expected = [
            ("/etc/kubernetes/pki/sa-new.key", FileKind::Private),
            ("/etc/kubernetes/pki/sa-new.pub", FileKind::Public),
            ("/keys/next.pem", FileKind::Public),
            ("/etc/kubernetes/pki/sa.key", FileKind::Private),
            ("/etc/kubernetes/pki/sa-2025.key", FileKind::Backup),
        ];
        assert_eq!(files.collect::<Vec<_>>(), expected);
        assert!(look.nodes[0].files[2].keys.len() == 1);
        let problems: Vec<_> = look.problems.iter().map(|it| it.detail.as_str()).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("/keys/gone.pub is named by --service-account-key-file"));
        assert!(problems[1].starts_with("pki/x.pub: is a relative path"), "{problems:?}");
    }

    #[test]
    fn k3s_key_files_are_never_opened_and_no_path_leads_out() {
        let root = node();
        let tls = root.path().join("var/lib/rancher/k3s/server/tls");
        std::fs::create_dir_all(&tls).unwrap();
        for name in ["service.key", "service.current.key"] {
            std::fs::write(tls.join(name), "c2VjcmV0").unwrap();
        }
        let dir = "/var/lib/rancher/k3s/server/tls";
        let mut flags =
            flags(&format!("{dir}/service.current.key"), &[&format!("{dir}/service.key")]);
        flags.key_files.push("/etc/../../../etc/passwd".to_owned());
        let mut look = Look::new("https://i.test", UnixTime::from_secs(0));
        collect(&mut look, root.path(), Some(&flags));
        let files = &look.nodes[0].files;
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(files.iter().all(|file| file.kind == FileKind::Service && file.keys.is_empty()));
        assert!(look.problems[0].detail.contains("leads out"), "{:?}", look.problems);
    }
}

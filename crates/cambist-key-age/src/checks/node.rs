//! K501 to K507: key files and flags of control-plane nodes, as somebody collected them. Private
//! keys are never read, only looked at from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::finding::{CheckId, Finding};
use crate::text::quoted;
use crate::words::span;
use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A private key that signs tokens: `sa.key`.
    PrivateKey,
    /// The public half: `sa.pub`.
    PublicKey,
    /// Both in one, as k3s and RKE2 keep it: `service.key`.
    ServiceKey,
    /// A copy that somebody left beside it.
    Backup,
}

/// A file's outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever lists files fills it in whole")]
pub struct KeyFile {
    /// Where it is.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When its inode changed.
    pub changed: UnixTime,
}

/// The key flags of an API server and its controller manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever reads flags fills it in whole: one left out would count as not set"
)]
pub struct Flags {
    /// `--service-account-key-file`, each.
    pub key_files: Vec<String>,
    /// `--service-account-signing-key-file`.
    pub signing_key_file: Option<String>,
    /// `--tls-private-key-file`.
    pub tls_key_file: Option<String>,
    /// `--service-account-extend-token-expiration`.
    pub extend_expiration: Option<bool>,
    /// `--service-account-max-token-expiration`.
    pub max_expiration: Option<Duration>,
    /// The controller manager's `--service-account-private-key-file`, if it was looked at.
    pub controller_key_file: Option<String>,
}

/// K501 and K507: more may read or write a key file than should.
pub fn loose_file(file: &KeyFile) -> Option<Finding> {
    let (id, most) = match file.kind {
        FileKind::PrivateKey => (CheckId::K501, 0o600),
        FileKind::PublicKey => (CheckId::K501, 0o644),
        FileKind::ServiceKey => (CheckId::K507, 0o600),
        FileKind::Backup => return None,
    };
    let mode = file.mode & 0o7777;
    let path = quoted(&file.path);
    let text = format!("{path} has mode {mode:04o} (at most {most:04o}), owner {}", file.uid);
    (mode & !most != 0 || file.uid != 0).then(|| Finding::new(id, None, text))
}

/// K502: the API server falls back to its TLS key, or the controller manager signs with another.
pub fn unset_flags(flags: &Flags) -> Vec<Finding> {
    let mut out = Vec::new();
    if flags.key_files.is_empty() {
        let text = "--service-account-key-file is unset: the TLS key verifies tokens";
        out.push(Finding::new(CheckId::K502, None, text.to_owned()));
    }
    if let (Some(controller), Some(api)) = (&flags.controller_key_file, &flags.signing_key_file)
        && controller != api
    {
        let (controller, api) = (quoted(controller), quoted(api));
        let text =
            format!("the controller manager signs with {controller}, the API server with {api}");
        out.push(Finding::new(CheckId::K502, None, text));
    }
    out
}

/// K503: tokens are extended to a year, as is the default.
pub fn extended_tokens(flags: &Flags) -> Option<Finding> {
    let text = match flags.extend_expiration {
        Some(false) => return None,
        Some(true) => "--service-account-extend-token-expiration=true",
        None => "--service-account-extend-token-expiration is unset, which means true",
    };
    Some(Finding::new(CheckId::K503, None, text.to_owned()))
}

/// K504: tokens may be asked for with any life, or more than a day's.
pub fn unlimited_tokens(flags: &Flags) -> Option<Finding> {
    let text = match flags.max_expiration {
        None => "--service-account-max-token-expiration is unset".to_owned(),
        Some(most) if most > Duration::from_secs(24 * 3600) => {
            format!("--service-account-max-token-expiration is {}", span(most))
        }
        Some(_) => return None,
    };
    Some(Finding::new(CheckId::K504, None, text))
}

/// K505: the key serves TLS too, or a copy of it lies where anybody may read it.
pub fn key_elsewhere(flags: Option<&Flags>, files: &[KeyFile]) -> Vec<Finding> {
    let shared = flags.and_then(|flags| {
        let signing = flags.signing_key_file.as_ref()?;
        let text = format!("{} is also the TLS key", quoted(signing));
        (flags.tls_key_file.as_ref() == Some(signing)).then_some(text)
    });
    let open = |file: &&KeyFile| file.kind == FileKind::Backup && file.mode & 0o004 != 0;
    let copies = files.iter().filter(open).map(|file| {
        format!(
            "{} is a copy that anybody may read (mode {:04o})",
            quoted(&file.path),
            file.mode & 0o7777
        )
    });
    let texts = shared.into_iter().chain(copies);
    texts.map(|text| Finding::new(CheckId::K505, None, text)).collect()
}

/// K506: nodes hold different keys.
pub fn nodes_disagree(nodes: &BTreeMap<String, BTreeSet<Thumbprint>>) -> Option<Finding> {
    let distinct: BTreeSet<_> = nodes.values().collect();
    let said = nodes.iter().map(|(node, keys)| {
        let keys: Vec<_> = keys.iter().map(Thumbprint::to_string).collect();
        format!("{node}: {}", keys.join(", "))
    });
    let text = said.collect::<Vec<_>>().join("; ");
    (distinct.len() > 1).then(|| Finding::new(CheckId::K506, None, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;
    use crate::vectors::key;

    fn file(kind: FileKind, mode: u32, uid: u32) -> KeyFile {
        KeyFile { path: "/pki/sa.key".to_owned(), kind, mode, uid, gid: 0, changed: NOW }
    }

    #[test]
    fn k501_and_k507_follow_the_benchmark() {
        for (kind, mode, uid, expected) in [
            (FileKind::PrivateKey, 0o100_600, 0, None),
            (FileKind::PrivateKey, 0o400, 0, None),
            (FileKind::PrivateKey, 0o640, 0, Some(CheckId::K501)),
            (FileKind::PrivateKey, 0o600, 1000, Some(CheckId::K501)),
            (FileKind::PublicKey, 0o644, 0, None),
            (FileKind::PublicKey, 0o664, 0, Some(CheckId::K501)),
            (FileKind::ServiceKey, 0o600, 0, None),
            (FileKind::ServiceKey, 0o644, 0, Some(CheckId::K507)),
        ] {
            let found = loose_file(&file(kind, mode, uid)).map(|finding| finding.id);
            assert_eq!(found, expected, "{kind:?} {mode:o} {uid}");
        }
    }

    fn flags() -> Flags {
        Flags {
            key_files: vec!["sa.pub".to_owned()],
            signing_key_file: Some("sa.key".to_owned()),
            tls_key_file: Some("apiserver.key".to_owned()),
            extend_expiration: Some(false),
            max_expiration: Some(Duration::from_secs(24 * 3600)),
            controller_key_file: Some("sa.key".to_owned()),
        }
    }

    #[test]
    fn k502_is_a_key_unset_or_not_the_same() {
        assert!(unset_flags(&flags()).is_empty());
        let other = Some("other.key".to_owned());
        assert_eq!(unset_flags(&Flags { controller_key_file: other, ..flags() }).len(), 1);
        assert_eq!(unset_flags(&Flags::default()).len(), 1);
    }

    #[test]
    fn k503_and_k504_are_about_the_life_of_tokens() {
        assert!(extended_tokens(&flags()).is_none() && unlimited_tokens(&flags()).is_none());
        let unset = Flags::default();
        assert!(extended_tokens(&unset).is_some() && unlimited_tokens(&unset).is_some());
        let long = Flags {
            extend_expiration: Some(true),
            max_expiration: Some(Duration::from_secs(25 * 3600)),
            ..flags()
        };
        assert!(extended_tokens(&long).is_some() && unlimited_tokens(&long).is_some());
    }

    #[test]
    fn k505_is_a_key_used_or_lying_elsewhere() {
        let tidy = [file(FileKind::Backup, 0o600, 0), file(FileKind::PrivateKey, 0o644, 0)];
        assert!(key_elsewhere(Some(&flags()), &tidy).is_empty());
        let shared = Flags { tls_key_file: Some("sa.key".to_owned()), ..flags() };
        let open = [file(FileKind::Backup, 0o644, 0)];
        assert_eq!(key_elsewhere(Some(&shared), &open).len(), 2);
        assert_eq!(key_elsewhere(None, &open).len(), 1);
    }

    #[test]
    fn k506_is_nodes_that_disagree() {
        let of = |second: u8| {
            let node = |name: u8| (format!("cp-{name}"), BTreeSet::from([key(name.min(second))]));
            BTreeMap::from([node(1), node(2)])
        };
        assert!(nodes_disagree(&of(1)).is_none());
        assert!(nodes_disagree(&of(2)).unwrap().evidence[0].contains("cp-2"));
    }
}

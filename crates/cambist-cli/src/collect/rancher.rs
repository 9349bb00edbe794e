//! k3s and RKE2: they run kube-apiserver themselves, with keys of their own unless told otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::flags::{Arguments, value};
use super::unit;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    K3s,
    Rke2,
}

impl Kind {
    const ALL: [Self; 2] = [Self::K3s, Self::Rke2];

    const fn name(self) -> &'static str {
        match self {
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::K3s => "k3s.service",
            Self::Rke2 => "rke2-server.service",
        }
    }
}

/// Which of the two a file is of, by its path.
pub(super) fn kind_of(path: &Path) -> Kind {
    if path.to_string_lossy().contains("rke2") { Kind::Rke2 } else { Kind::K3s }
}

/// What of their configuration matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    data_dir: Option<String>,
    passed_on: Arguments,
}

/// A member that is one text or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
    Other(IgnoredAny),
}

impl Texts {
    fn all(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
            Self::Other(_) => &[],
        }
    }
}

impl Config {
    /// A configuration file; nothing if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut out = Self::default();
        out.add(text).then_some(out)
    }

    /// Adds a file that is read later, whose members take the place of earlier ones, unless their
    /// name ends with `+`. Whether it was one.
    fn add(&mut self, text: &str) -> bool {
        let Ok(members) = serde_saphyr::from_str::<BTreeMap<String, Texts>>(text) else {
            return false;
        };
        if let Some(dir) = members.get("data-dir").and_then(|it| it.all().first()) {
            self.data_dir = Some(dir.clone());
        }
        let Arguments { api, controller } = &mut self.passed_on;
        for (name, held) in
            [("kube-apiserver-arg", api), ("kube-controller-manager-arg", controller)]
        {
            let flags = |texts: &Texts| {
                let bare = texts.all().iter().map(|text| text.trim_start_matches('-'));
                bare.map(|text| format!("--{text}")).collect::<Vec<_>>()
            };
            if let Some(texts) = members.get(name) {
                *held = flags(texts);
            }
            held.extend(members.get(&format!("{name}+")).into_iter().flat_map(flags));
        }
        true
    }

    /// What a command line says.
    pub(super) fn of_command(words: &[String]) -> Self {
        let passed_on = |flag| unit::passed_on(words, flag);
        Self {
            data_dir: unit::own(words, "data-dir").or_else(|| unit::own(words, "d")),
            passed_on: Arguments {
                api: passed_on("kube-apiserver-arg"),
                controller: passed_on("kube-controller-manager-arg"),
            },
        }
    }

    /// Whether it passes anything on.
    pub(super) fn says_something(&self) -> bool {
        self.passed_on != Arguments::default() || self.data_dir.is_some()
    }

    fn data_dir(&self, kind: Kind) -> String {
        let usual = || format!("/var/lib/rancher/{}", kind.name());
        self.data_dir.clone().unwrap_or_else(usual)
    }

    /// What kube-apiserver is run with: what is passed on, and the keys where nothing else is named.
    pub(super) fn arguments(self, kind: Kind) -> Arguments {
        let tls = format!("{}/server/tls", self.data_dir(kind).trim_end_matches('/'));
        let mut out = self.passed_on;
        for (flag, file) in [
            ("service-account-key-file", "service.key"),
            ("service-account-signing-key-file", "service.current.key"),
        ] {
            if value(&out.api, flag).is_none() {
                out.api.push(format!("--{flag}={tls}/{file}"));
            }
        }
        out
    }
}

/// The configuration under a node's root, if the node is a server of one of the two and has one: its
/// first file, and what all of them say together. An agent runs no API server, whatever its files say.
pub(super) fn under(
    root: &Path,
    read: &dyn Fn(&Path) -> Result<String, String>,
) -> Option<(PathBuf, Result<Arguments, String>)> {
    Kind::ALL.into_iter().find_map(|kind| of_kind(kind, root, read))
}

fn of_kind(
    kind: Kind,
    root: &Path,
    read: &dyn Fn(&Path) -> Result<String, String>,
) -> Option<(PathBuf, Result<Arguments, String>)> {
    let mut config = Config::default();
    let mut first = None;
    for path in files(root, kind) {
        let known = match read(&path) {
            Ok(text) if config.add(&text) => Ok(()),
            Ok(_) => Err("is not readable as YAML".to_owned()),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = known {
            return Some((path, Err(problem)));
        }
        first.get_or_insert(path);
    }
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    if let Some(path) = unit::paths(root, kind.unit()).find(there) {
        let words = read(&path).ok().and_then(|text| unit::command(&text)).unwrap_or_default();
        let by_command = Config::of_command(&words);
        config.data_dir = by_command.data_dir.or(config.data_dir);
        config.passed_on.api.extend(by_command.passed_on.api);
        config.passed_on.controller.extend(by_command.passed_on.controller);
        first.get_or_insert(path);
    }
    let server = config.data_dir(kind);
    let server = root.join(server.trim_start_matches('/')).join("server/tls");
    server.is_dir().then_some((first?, Ok(config.arguments(kind))))
}

/// `config.yaml`, and the files beside it that are read after it, in their order.
fn files(root: &Path, kind: Kind) -> Vec<PathBuf> {
    let dir = root.join("etc/rancher").join(kind.name());
    let more = std::fs::read_dir(dir.join("config.yaml.d")).into_iter().flatten();
    let more = more.filter_map(|entry| Some(entry.ok()?.path()));
    let mut more: Vec<_> = more.filter(|path| path.extension().is_some_and(yaml)).collect();
    more.sort();
    let own = dir.join("config.yaml");
    own.symlink_metadata().is_ok().then_some(own).into_iter().chain(more).collect()
}

fn yaml(extension: &std::ffi::OsStr) -> bool {
    extension == "yaml" || extension == "yml"
}

//! Where kube-apiserver's flags are found: a static pod's manifest, a systemd unit, the configuration of
//! k3s or RKE2. What else is in these files, such as a cluster's join token, is not looked at.

use std::path::{Path, PathBuf};

use cambist::files::read_in_time;
use serde::Deserialize;

use super::flags::{Arguments, flags};
use super::look::{FlagsSeen, Look};
use super::rancher::{self, Config};
use super::unit;

/// Where static pods' manifests are, under a node's root: kubeadm's, and RKE2's.
const MANIFESTS: [&str; 2] = [
    "etc/kubernetes/manifests/kube-apiserver.yaml",
    "var/lib/rancher/rke2/agent/pod-manifests/kube-apiserver.yaml",
];

/// Largest file that is read, in bytes.
const MAX: usize = 256 * 1024;

#[derive(Deserialize)]
struct Pod {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Container {
    command: Vec<String>,
    args: Vec<String>,
}

/// Reads the flags from a file that is named: whichever of the three it is.
pub(super) fn collect(look: &mut Look, path: &Path) -> Option<FlagsSeen> {
    told(look, path, named(path))
}

/// The same where one of them is under `root`, if there is one.
pub(super) fn collect_under(look: &mut Look, root: &Path) -> Option<FlagsSeen> {
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    if let Some(path) = MANIFESTS.map(|path| root.join(path)).into_iter().find(there) {
        return collect(look, &path);
    }
    if let Some((path, found)) = rancher::under(root, &read) {
        return told(look, &path, found);
    }
    let path = unit::paths(root, "kube-apiserver.service").find(there)?;
    collect(look, &path)
}

fn told(look: &mut Look, path: &Path, found: Result<Arguments, String>) -> Option<FlagsSeen> {
    let path = path.display().to_string();
    match found {
        Ok(arguments) => Some(flags(path, &arguments)),
        Err(problem) => {
            look.problem("manifest", format!("{path}: {problem}"));
            None
        }
    }
}

fn named(path: &Path) -> Result<Arguments, String> {
    let text = read(path)?;
    if path.extension().is_some_and(|it| it == "service") {
        return unit::arguments(&text);
    }
    if let Some(api) = pod(&text) {
        let manager = path.with_file_name("kube-controller-manager.yaml");
        let manager = read(&manager).ok().and_then(|text| pod(&text));
        let ours = |arg: &String| arg.contains("service-account") || arg.contains("kube-apiserver");
        return match api.iter().any(ours) {
            true => Ok(Arguments { api, controller: manager.unwrap_or_default() }),
            false => {
                Err("has no flag of kube-apiserver's; name its static pod manifest".to_owned())
            }
        };
    }
    let wrong = "is neither the YAML of a pod with containers nor the configuration of k3s or RKE2; name kube-apiserver's static pod manifest, its systemd unit (.service), or config.yaml";
    let config = Config::parse(&text).filter(Config::says_something);
    config.map(|config| config.arguments(rancher::kind_of(path))).ok_or_else(|| wrong.to_owned())
}

fn read(path: &Path) -> Result<String, String> {
    let content = read_in_time(path, MAX).map_err(|fault| fault.to_string())?;
    std::str::from_utf8(&content).map(str::to_owned).map_err(|_| "is not text".to_owned())
}

/// The command lines of a pod's containers.
fn pod(text: &str) -> Option<Vec<String>> {
    let pod: Pod = serde_saphyr::from_str(text).ok()?;
    Some(
        pod.spec.containers.into_iter().flat_map(|c| c.command.into_iter().chain(c.args)).collect(),
    )
}

#[cfg(test)]
mod tests;

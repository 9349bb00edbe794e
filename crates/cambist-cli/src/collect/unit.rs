//! systemd units: the command line that one starts.

use std::path::{Path, PathBuf};

use super::flags::{Arguments, value, values};

/// Where units are, under a node's root; the administrator's first.
const PLACES: [&str; 4] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// Where a unit of this name may be.
pub(super) fn paths(root: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    PLACES.map(|place| root.join(place).join(name)).into_iter()
}

/// The words of the command that a unit starts: the last `ExecStart` counts.
///
/// Variables are left as they are: what they hold is elsewhere.
pub(super) fn command(unit: &str) -> Option<Vec<String>> {
    let joined = unit.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.trim_start().strip_prefix("ExecStart"));
    let command = lines.filter_map(|rest| rest.trim_start().strip_prefix('=')).next_back()?;
    // Prefixes of systemd's that say how it is started.
    let command = command.trim_start().trim_start_matches(['@', '-', ':', '+', '!']);
    let bare = |word: &str| word.trim_matches(['"', '\'']).to_owned();
    Some(command.split_ascii_whitespace().map(bare).collect())
}

/// kube-apiserver's flags in a unit: its own, or those that k3s' or RKE2's passes on to it.
pub(super) fn arguments(unit: &str) -> Result<Arguments, String> {
    let words = command(unit).ok_or("starts nothing (ExecStart)")?;
    let program = words.first().map(|word| word.rsplit('/').next().unwrap_or_default());
    match program {
        Some("kube-apiserver") => Ok(Arguments { api: words, ..Arguments::default() }),
        Some(program @ ("k3s" | "rke2")) => Ok(super::rancher::Config::of_command(&words)
            .arguments(super::rancher::kind_of(Path::new(program)))),
        _ => Err("starts neither kube-apiserver nor k3s nor RKE2; with a script or variables between, name a file that has the flags themselves".to_owned()),
    }
}

/// What is passed on by `--kube-apiserver-arg` and the like, as flags of its own.
pub(super) fn passed_on(words: &[String], flag: &str) -> Vec<String> {
    values(words, flag).iter().map(|it| format!("--{}", it.trim_start_matches('-'))).collect()
}

/// The value of a flag of the program itself.
pub(super) fn own(words: &[String], flag: &str) -> Option<String> {
    value(words, flag)
}

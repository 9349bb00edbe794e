//! How to look once more: the flags of this look, for commands that a reader can paste.

use cambist_core::duration::exact;
use cambist_key_age::Platform;

use crate::cli::issuer::{Chosen, Kept, PolicyArgs, Sources};
use crate::output::shell::Line;

/// Where a history is kept if nobody says otherwise.
const HISTORY: &str = "file:cambist-history.json";

/// The flags of a look.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    look: Vec<String>,
    policy: Vec<String>,
    history: Option<String>,
    read_only: bool,
    /// It was judged from what was collected elsewhere.
    offline: bool,
    issuer: String,
}

impl Again {
    pub(super) fn of(sources: &Sources, kept: &Kept, args: &PolicyArgs, issuer: &str) -> Self {
        Self {
            look: look(sources, issuer),
            policy: policy(args),
            history: kept.history.as_ref().map(ToString::to_string),
            read_only: kept.read_only,
            offline: !sources.offline.is_empty(),
            issuer: issuer.to_owned(),
        }
    }

    /// Whether looks are kept.
    pub(crate) fn keeps(&self) -> bool {
        self.history.is_some()
    }

    /// Whether it is somebody else who keeps looks.
    pub(crate) fn reads_only(&self) -> bool {
        self.history.is_some() && self.read_only
    }

    /// To collect once more what is judged here.
    pub(crate) fn collected_elsewhere(&self) -> bool {
        self.offline
    }

    /// Looks and keeps what was seen.
    pub(crate) fn observe(&self) -> Line {
        if self.offline {
            // Where it was collected.
            let there = Line::new("issuer observe").flag("--issuer", &self.issuer);
            return there.flag("--bundle", "bundle.json");
        }
        let history = self.history.as_deref().unwrap_or(HISTORY);
        Line::new("issuer observe").with(&self.look).flag("--history", history)
    }

    /// Looks and judges.
    pub(crate) fn check(&self) -> Line {
        let line = Line::new("issuer check").with(&self.look).with(&self.kept());
        let read_only = if self.read_only { vec!["--read-only".to_owned()] } else { Vec::new() };
        line.with(&read_only).with(&self.policy)
    }

    /// Tells the steps of a rotation.
    pub(crate) fn plan(&self) -> Line {
        Line::new("issuer plan").with(&self.look).with(&self.kept()).with(&self.policy)
    }

    /// Asks whether a key may go.
    pub(crate) fn retire(&self, key: &str) -> Line {
        Line::new("issuer gate retire").word(key).with(&self.look).with(&self.kept())
    }

    /// Tells what is known of a key.
    pub(crate) fn explain(&self, key: &str) -> Line {
        let line = Line::new("issuer explain").word(key).with(&self.look);
        line.with(&self.kept()).with(&self.policy)
    }

    fn kept(&self) -> Vec<String> {
        let flag = |history: &String| Line::new("").flag("--history", history).flags().to_vec();
        self.history.as_ref().map(flag).unwrap_or_default()
    }
}

fn look(sources: &Sources, issuer: &str) -> Vec<String> {
    let mut line = Line::new("");
    for bundle in &sources.offline {
        line = line.flag("--offline", bundle.display());
    }
    if !sources.offline.is_empty() {
        return line.flags().to_vec();
    }
    line = line.flag("--issuer", issuer);
    for token in &sources.token_file {
        line = line.flag("--token-file", token.display());
    }
    if let Some(file) = &sources.ca_file {
        line = line.flag("--ca-file", file.display());
    }
    for (given, name) in [
        (sources.jwks_any_host, "--jwks-any-host"),
        (sources.compare_api, "--compare-api"),
        (sources.reach.in_cluster, "--in-cluster"),
    ] {
        if given {
            line = line.word(name);
        }
    }
    for (file, name) in [
        (&sources.reach.kubeconfig, "--kubeconfig"),
        (&sources.reach.api_token_file, "--api-token-file"),
        (&sources.manifest, "--manifest"),
    ] {
        if let Some(file) = file {
            line = line.flag(name, file.display());
        }
    }
    for root in &sources.node_root {
        line = line.flag("--node-root", root.display());
    }
    line.flags().to_vec()
}

fn policy(args: &PolicyArgs) -> Vec<String> {
    let mut line = Line::new("");
    if let Chosen::Of(platform) = args.platform {
        line = line.flag("--platform", Platform::as_str(platform));
    }
    for (given, name) in
        [(args.rotate_after, "--rotate-after"), (args.expire_after, "--expire-after")]
    {
        if let Some(given) = given {
            line = line.flag(name, exact(given));
        }
    }
    if let Some(name) = &args.policy_name {
        line = line.flag("--policy-name", name);
    }
    line.flags().to_vec()
}

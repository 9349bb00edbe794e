//! A control-plane node's key files, which Windows tells too little of: neither whose they are, nor who may
//! read them, nor when they were last changed at all.

use std::path::Path;

use super::look::{FlagsSeen, Look, NodeSeen};

/// Says so. Of the node's flags everything is known here as elsewhere.
pub(crate) fn collect(look: &mut Look, root: &Path, _: Option<&FlagsSeen>) {
    let root = root.display().to_string();
    look.problem(
        "node",
        format!(
            "the key files under {root} are not looked at: Windows tells neither their owner and mode nor when they were changed; look at them from Linux or macOS, best on the node itself, and carry the evidence here by --bundle"
        ),
    );
    look.nodes.push(NodeSeen { root, ..NodeSeen::default() });
}

//! What was looked at, so that it can be told which checks were not made.

use std::collections::BTreeSet;

use cambist_key_age::History;
use cambist_key_age::about::Need;

use super::Case;
use crate::collect::look::Reply;

/// Everything that was looked at.
pub(super) fn met(case: &Case, before: Option<&History>) -> BTreeSet<Need> {
    let looks = || case.look.all();
    let nodes = || looks().flat_map(|look| &look.nodes);
    let holding = |node: &&crate::collect::look::NodeSeen| {
        node.files.iter().any(|file| !file.keys.is_empty())
    };
    let served = looks().filter(|look| look.api.jwks.as_ref().is_some_and(|it| it.ok().is_some()));
    let several = nodes().filter(holding).count() > 1 || served.count() > 1;
    let document = case.look.public.discovery.as_ref().and_then(Reply::ok);
    [
        (Need::KeySet, case.public.is_some() || case.api.is_some()),
        (Need::PublicSet, case.public.is_some()),
        (Need::Discovery, document.is_some()),
        (Need::ApiServer, case.api.is_some()),
        (Need::Token, looks().any(|look| !look.tokens.is_empty())),
        (Need::History, before.is_some()),
        (Need::Node, nodes().next().is_some()),
        (Need::SeveralNodes, several),
        (Need::Manifest, nodes().any(|node| node.flags.is_some())),
        (Need::Metrics, looks().any(|look| look.metrics.is_some())),
    ]
    .into_iter()
    .filter_map(|(need, met)| met.then_some(need))
    .collect()
}

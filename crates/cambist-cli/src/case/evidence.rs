//! Facts that one look gives besides key sets and tokens.

use std::path::Path;

use cambist_core::jwks::Thumbprint;
use cambist_key_age::evidence::FileTime;
use cambist_key_age::published::PublishedKey;
use cambist_key_age::{Fact, Grade, History, PublishedSet, Source};

use crate::collect::look::{FileKind, FileSeen, Look, NodeSeen};
use crate::key::der::Certificate;

/// Certificates and dates in the key set, the times of key files, and the API server's start; none
/// known better than `own`. `history` has this look in it.
pub(super) fn facts(
    look: &Look,
    history: &History,
    public: Option<&PublishedSet>,
    api: Option<&PublishedSet>,
    own: Grade,
) -> Vec<Fact> {
    let keys = public.into_iter().flat_map(PublishedSet::keys);
    let mut out: Vec<Fact> = keys.flat_map(|key| dated(look, key)).collect();
    for look in look.all() {
        out.extend(look.nodes.iter().flat_map(|node| files(look, node)));
    }
    out.extend(loaded(look, history, api));
    out.into_iter().map(|fact| fact.at_most(own)).collect()
}

fn dated(look: &Look, jwk: &PublishedKey) -> Vec<Fact> {
    let Some(key) = jwk.thumbprint else { return Vec::new() };
    let certificate = jwk.certificate.as_deref().and_then(Certificate::parse);
    // A certificate over another key says nothing of this one.
    let certificate = certificate.filter(|it| Thumbprint::of_spki(&it.spki) == key);
    let certified = certificate.map(|it| Fact::certified(key, it.not_before, look.at));
    let issued = jwk.issued.map(|issued| Fact::dated(key, issued, look.at));
    certified.into_iter().chain(issued).collect()
}

/// An API server reads its keys once, when it starts, unless an external signer has them. Between
/// the metrics and the key set a load balancer may have chosen, so that this is an assertion; and none
/// at all of a key that an API server's set was seen without since.
fn loaded(look: &Look, history: &History, api: Option<&PublishedSet>) -> Vec<Fact> {
    let metrics = look.metrics.as_ref().filter(|metrics| !metrics.external_signer);
    let Some(started) = metrics.and_then(|metrics| metrics.started) else { return Vec::new() };
    let keys = api.into_iter().flat_map(PublishedSet::thumbprints);
    let since = |key: &Thumbprint| !history.lacked(Source::Api, *key, started);
    let past = keys.filter(|key| started <= look.at && since(key));
    past.map(|key| Fact::loaded(key, started, look.at).at_most(Grade::Asserted)).collect()
}

/// A file's times say something of the keys in it. Which key a private file holds is not looked at; where
/// there is a public file of its name beside it, with one key, it is that one's other half.
fn files(look: &Look, node: &NodeSeen) -> Vec<Fact> {
    let stem = |file: &FileSeen| Path::new(&file.path).with_extension("");
    let public = |private: &FileSeen| {
        let mut halves = node.files.iter().filter(|file| file.kind == FileKind::Public);
        let half = halves.find(|file| stem(file) == stem(private))?;
        half.keys.first().copied().filter(|_| half.keys.len() == 1)
    };
    node.files
        .iter()
        .flat_map(|file| match file.kind {
            FileKind::Public => file.keys.iter().flat_map(|key| times(look, file, *key)).collect(),
            FileKind::Private => public(file).map_or_else(Vec::new, |key| times(look, file, key)),
            FileKind::Service | FileKind::Backup => Vec::new(),
        })
        .collect()
}

fn times(look: &Look, file: &FileSeen, key: Thumbprint) -> Vec<Fact> {
    let kinds = [
        (FileTime::Changed, file.changed),
        (FileTime::Modified, file.modified),
        (FileTime::Modified, file.born),
    ];
    let known = kinds.into_iter().filter_map(|(kind, time)| Some((kind, time?)));
    // A time that is still to come says only that a clock was wrong.
    let past = known.filter(|(_, time)| *time <= look.at);
    past.map(|(kind, time)| Fact::filed(key, kind, time, look.at, &file.path)).collect()
}

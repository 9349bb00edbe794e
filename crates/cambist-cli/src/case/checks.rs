//! Which checks apply to what was collected. The checks themselves are the core's.

use std::collections::BTreeSet;
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::headers;
use cambist_core::jwks::{KeyId, Thumbprint};
use cambist_core::names;
use cambist_key_age::checks::{
    self, Answer, DiscoveryAccess, Document, ExternalSigner, FileKind as Kind, Flags, KeyFile, Tls,
};
use cambist_key_age::{Finding, History, PublishedSet};

use super::{Case, jwks_uri, set};
use crate::collect::look::{FileKind, Look, NodeSeen, Reply, Signature, TokenSeen};
use crate::collect::public::issuer_in;

/// How far apart looks may be whose nodes are compared.
const SAME_DAY: Duration = Duration::from_secs(24 * 3600);

/// Every finding. `before` is the history as it was before this look.
pub(super) fn all(case: &Case, before: Option<&History>) -> Vec<Finding> {
    let mut out = checks::ages(&case.judgement, &case.policy, case.now);
    out.extend(checks::platform_schedule(&case.judgement, case.platform));
    out.extend(history(case, before));
    out.extend(sets(case));
    let tokens = case.look.all().flat_map(|look| &look.tokens);
    out.extend(tokens.flat_map(|token| one_token(case, token)));
    out.extend(issuer(case, before));
    out.extend(case.look.all().flat_map(|look| &look.nodes).flat_map(one_node));
    out.extend(nodes_differ(&case.look));
    out.extend(external_signer(case));
    out
}

fn history(case: &Case, before: Option<&History>) -> Vec<Finding> {
    let (history, policy, now) = (&case.history, &case.policy, case.now);
    let source = history.primary();
    let mut out = Vec::new();
    out.extend(checks::never_rotated(history, source));
    // The look itself ends every pause: how long was it before that?
    out.extend(checks::pauses(before.unwrap_or(history), source, policy, now));
    out.extend(checks::foreign_keys(history, policy, now));
    out.extend(checks::returned_keys(history, source));
    let cadence = case.platform.cadence();
    out.extend(checks::unplanned_rotation(history, source, cadence, policy, now));
    out.extend(checks::removed_too_soon(history, source, policy, now));
    out.extend(checks::short_overlap(history, source, policy, now));
    out.extend(checks::signed_too_soon(history, source, policy));
    out.extend(checks::forgotten_upload(history, policy));
    out
}

fn sets(case: &Case) -> Vec<Finding> {
    let mut out = Vec::new();
    for set in case.public.iter().chain(&case.api) {
        out.extend(checks::exposed_keys(set));
        out.extend(checks::shared_kids(set));
        out.extend(checks::unfit_keys(set, case.platform));
        out.extend(checks::too_many_keys(set, &case.policy));
    }
    if let (Some(public), Some(api)) = (&case.public, &case.api) {
        let of = |set: &PublishedSet| set.thumbprints().collect::<BTreeSet<Thumbprint>>();
        out.extend(checks::not_public(&of(api), &of(public)));
    }
    out
}

fn one_token(case: &Case, seen: &TokenSeen) -> Vec<Finding> {
    let mut out = Vec::new();
    if let (Some(kid), Some(public)) = (seen.kid.as_deref().and_then(KeyId::parse), &case.public) {
        out.extend(checks::not_published(&kid, public, case.api.as_ref()));
        let named = public.keys().iter().find(|key| key.kid.as_deref() == Some(kid.as_str()));
        if let Some(named) = named.and_then(|key| key.thumbprint) {
            let bad = matches!(seen.signature, Signature::Bad { .. });
            out.extend(checks::forged_token(&kid, named, !bad));
        }
    }
    if let Some(claims) = seen.claims() {
        out.extend(checks::long_lived(&claims, &case.policy));
        out.extend(checks::not_refreshed(&claims, seen.changed, case.now));
    }
    out
}

fn issuer(case: &Case, before: Option<&History>) -> Vec<Finding> {
    let look = &case.look;
    let mut out: Vec<_> = checks::unacceptable_url(&look.issuer).into_iter().collect();
    let document = look.public.discovery.as_ref().and_then(Reply::ok);
    out.extend(names_differ(look));
    if let Some(uri) = jwks_uri(look) {
        out.extend(checks::unacceptable_url(&uri));
        out.extend(checks::other_host(&look.issuer, &uri));
        out.extend(before.and_then(|before| checks::moved(before, &uri)));
    }
    if let (Some(document), Some(set)) = (document, &case.public) {
        out.extend(checks::incomplete(document.as_bytes(), set));
    }
    if let (Some(before), Some(set)) = (before, &case.public) {
        out.extend(checks::reused_kids(before, set));
    }
    let replies = [
        (Document::Discovery, &look.public.discovery),
        (Document::KeySet, &look.public.jwks),
        (Document::KeySet, &look.api.jwks),
    ];
    for (document, reply) in replies {
        let Some(reply) = reply else { continue };
        let answer = answer(document, reply, look.at);
        out.extend(checks::redirected(&answer));
        out.extend(checks::clocks_differ(&answer, &case.policy).filter(|_| clock_counts(case)));
        out.extend(checks::malformed(&answer));
        out.extend(checks::cached_badly(&answer, &case.policy));
    }
    out.extend(tls(case));
    out.extend(look.discovery_access.and_then(|access| {
        checks::discovery_access(match access {
            crate::collect::look::Access::Anonymous => DiscoveryAccess::Anonymous,
            crate::collect::look::Access::Authenticated => DiscoveryAccess::Authenticated,
            crate::collect::look::Access::Denied => DiscoveryAccess::Denied,
        })
    }));
    out
}

/// The issuer by everybody who names it.
fn names_differ(look: &Look) -> Option<Finding> {
    let by = look.named_by.to_string();
    let mut names = Vec::new();
    // Who else named it says so below.
    if look.named_by.is_configured() {
        names.push((by.as_str(), look.issuer.as_str()));
    }
    let documents: Vec<_> = [
        ("the discovery document", &look.public.discovery),
        ("the API server", &look.api.discovery),
    ]
    .into_iter()
    .filter_map(|(who, reply)| Some((who, issuer_in(reply.as_ref()?)?)))
    .collect();
    names.extend(documents.iter().map(|(who, says)| (*who, says.as_str())));
    let tokens = look.all().flat_map(|look| &look.tokens);
    names.extend(tokens.map(|token| (token.path.as_str(), token.issuer.as_str())));
    checks::names_differ(&names)
}

/// Of a handshake that failed, only the fault is known: an older version than TLS 1.2, which the
/// client does not speak, is one such. One that succeeded tells when the certificate ends.
fn tls(case: &Case) -> Vec<Finding> {
    let public = &case.look.public;
    let sound = Tls { fault: None, version: 0x0303, not_after: UnixTime::from_secs(i64::MAX) };
    let fault = case.look.tls_fault.clone();
    let mut out = checks::weak_tls(&Tls { fault, ..sound.clone() }, case.now);
    for reply in [&public.discovery, &public.jwks].into_iter().flatten() {
        let Some(not_after) = reply.certificate_ends else { continue };
        for mut finding in checks::weak_tls(&Tls { not_after, ..sound.clone() }, case.now) {
            let host = names::authority(&reply.url);
            finding.evidence.extend(host.map(|host| format!("at {host}")));
            // Both documents are mostly at one host.
            if !out.contains(&finding) {
                out.push(finding);
            }
        }
    }
    out
}

/// Under a `--now` that was made up, the difference of the clocks says nothing.
fn clock_counts(case: &Case) -> bool {
    case.clocks_compared
}

fn answer(document: Document, reply: &Reply, at: UnixTime) -> Answer {
    let redirects = (300..400).contains(&reply.status);
    let mut body = reply.body.clone().into_bytes();
    if reply.lossy {
        // What was replaced in the record was no UTF-8 on the wire.
        body.push(0xff);
    }
    Answer {
        document,
        url: reply.url.clone(),
        at,
        status: reply.status,
        redirects: reply.location.clone().filter(|_| redirects).into_iter().collect(),
        content_type: reply.content_type.clone(),
        date: reply.date.as_deref().and_then(headers::date),
        age: reply.age.as_ref().map(|_| reply.in_cache()),
        max_age: reply.max_age(),
        last_modified: reply.last_modified.as_deref().and_then(headers::date),
        etag: reply.etag.clone(),
        body,
    }
}

/// Control-plane nodes, compared by the public keys that their files hold (private ones are not
/// opened) and by the key sets that each one's collector got from its API server.
fn nodes_differ(look: &Look) -> Vec<Finding> {
    // What was collected before a rotation differs from what was after it, rightly.
    let looks = look.all().filter(|other| other.at.distance(look.at) < SAME_DAY);
    let looks: Vec<_> = looks.collect();
    let nodes = looks.iter().flat_map(|look| &look.nodes).map(|node| {
        let keys = node.files.iter().flat_map(|file| file.keys.iter().copied());
        (node.root.clone(), keys.collect::<BTreeSet<_>>())
    });
    let nodes = nodes.filter(|(_, keys)| !keys.is_empty()).collect();
    let servers = looks.iter().enumerate().filter_map(|(number, look)| {
        let reply = look.api.jwks.as_ref()?;
        // Nodes may all know their own API server by one name.
        let name = format!("{} in look {}, at {}", reply.url, number + 1, look.at);
        Some((name, set(Some(reply))?.thumbprints().collect()))
    });
    let found = [checks::nodes_disagree(&nodes), checks::nodes_disagree(&servers.collect())];
    found.into_iter().flatten().collect()
}

fn external_signer(case: &Case) -> Vec<Finding> {
    let seen = case.look.all().filter_map(|look| look.metrics.as_ref());
    let stale = seen.filter_map(|metrics| {
        let signer =
            ExternalSigner { data: metrics.signer_data?, refresh_hint: case.signer_refresh };
        let mut finding = checks::stale_signer(signer, metrics.at)?;
        let fetched = metrics.signer_fetched.map(|at| format!("last fetched at {at}"));
        finding.evidence.extend(fetched);
        finding.evidence.push(format!("by {}", metrics.path));
        Some(finding)
    });
    stale.collect()
}

fn one_node(node: &NodeSeen) -> Vec<Finding> {
    let files: Vec<_> = node
        .files
        .iter()
        .map(|file| KeyFile {
            path: file.path.clone(),
            kind: match file.kind {
                FileKind::Private => Kind::PrivateKey,
                FileKind::Public => Kind::PublicKey,
                FileKind::Service => Kind::ServiceKey,
                FileKind::Backup => Kind::Backup,
            },
            mode: file.mode,
            uid: file.uid,
            gid: file.gid,
            changed: file.changed.unwrap_or(UnixTime::from_secs(0)),
        })
        .collect();
    let flags = node.flags.as_ref().map(|flags| Flags {
        key_files: flags.key_files.clone(),
        signing_key_file: flags.signing_key_file.clone(),
        tls_key_file: flags.tls_private_key_file.clone(),
        extend_expiration: flags.extend_token_expiration,
        max_expiration: flags.max_token_expiration_seconds.map(Duration::from_secs),
        controller_key_file: flags.controller_manager_key_file.clone(),
    });
    let mut out: Vec<_> = files.iter().filter_map(checks::loose_file).collect();
    if let Some(flags) = &flags {
        out.extend(checks::unset_flags(flags));
        out.extend(checks::extended_tokens(flags));
        out.extend(checks::unlimited_tokens(flags));
    }
    out.extend(checks::key_elsewhere(flags.as_ref(), &files));
    out
}

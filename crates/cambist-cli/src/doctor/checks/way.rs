//! The way out to issuer and Entra: proxy, names, TLS, connections.

use cambist::transport::TransportFault;

use crate::doctor::check::{Check, Fix, Judge, Judged};
use crate::doctor::facts::{Peer, Unreached, Workload};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D601",
        title: "the proxy lets through",
        looks_at: "HTTPS_PROXY and NO_PROXY, and what the proxy answers.",
        fails: "The proxy's URL cannot be read, it cannot be reached, it asks for credentials (407), or it refuses the tunnel.",
        remedy: "Correct HTTPS_PROXY, with user and password where it asks for them, have the proxy's owner allow the host, or name the host in NO_PROXY if it is reached without.",
        after: &[],
        judge: Judge::Workload(proxy),
    },
    Check {
        id: "D602",
        title: "names are resolved",
        looks_at: "The names of issuer and authority, as the system's resolver has them.",
        fails: "A name has no address: it is misspelt, or the pod's DNS does not know it.",
        remedy: "Correct the name, or the pod's dnsPolicy and the cluster's DNS.",
        after: &["D601"],
        judge: Judge::Workload(dns),
    },
    Check {
        id: "D603",
        title: "nobody unknown is in between",
        looks_at: "The certificates of issuer and authority, and who issued them.",
        fails: "A certificate is by an authority that is not trusted here, such as a proxy's that opens TLS, or is no good otherwise. The issuer of the certificate that was shown is told by name.",
        remedy: "If that authority is meant to be there, give its certificate in CAMBIST_CA_FILE; if not, ask who is in between.",
        after: &["D601", "D602", "D604", "D605"],
        judge: Judge::Workload(tls),
    },
    Check {
        id: "D604",
        title: "issuer and authority can be connected to",
        looks_at: "Whether each of them answers over https.",
        fails: "There is no connection, no whole answer in time, or no HTTP.",
        remedy: "Open the way in network policies and firewalls, or name the proxy that leads there in HTTPS_PROXY.",
        after: &["D601", "D602", "D603", "D605"],
        judge: Judge::Workload(connection),
    },
    Check {
        id: "D605",
        title: "the files of certificate authorities can be used",
        looks_at: "CAMBIST_CA_FILE, CAMBIST_ENTRA_CA_FILE, CAMBIST_ISSUER_CA_FILE and CAMBIST_API_CA_FILE, where they are set.",
        fails: "A file is not there, or is no PEM with certificates.",
        remedy: "Mount it, or take the variable away.",
        after: &[],
        judge: Judge::Workload(ca_files),
    },
];

/// Whoever did not answer.
fn unreached(workload: &Workload) -> impl Iterator<Item = (&Peer, &Unreached)> {
    let peers = [&workload.issuer.peer, &workload.entra.peer].into_iter().flatten();
    peers.filter_map(|peer| Some((peer, peer.answer.as_ref().err()?)))
}

/// The peers that did not answer for such a reason.
fn failed(workload: &Workload, is: impl Fn(&TransportFault) -> bool) -> Vec<(&Peer, &Unreached)> {
    unreached(workload).filter(|(_, it)| it.fault.as_ref().is_some_and(&is)).collect()
}

/// What went wrong, told once for all hosts of which the same is so.
fn words(found: &[(&Peer, &Unreached)]) -> String {
    let parted = found.iter().map(|(peer, it)| {
        let words = it.words.strip_prefix(&format!("{}: ", peer.host));
        (peer.host.as_str(), words.unwrap_or(&it.words))
    });
    let parted: Vec<_> = parted.collect();
    match parted[..] {
        [(one, words), (other, same)] if words == same && one != other => {
            format!("{one} and {other}: {words}")
        }
        [(host, words), (_, same)] if words == same => format!("{host}: {words}"),
        _ => found.iter().map(|(_, it)| it.words.as_str()).collect::<Vec<_>>().join("; "),
    }
}

fn hosts(found: &[(&Peer, &Unreached)]) -> String {
    let mut hosts: Vec<_> = found.iter().map(|(peer, _)| name(&peer.host)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts.join(",")
}

/// A host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']'])
}

/// Whether anybody was asked at all.
fn asked(workload: &Workload) -> bool {
    workload.issuer.peer.is_some() || workload.entra.peer.is_some()
}

const NOBODY: &str = "nobody was to be asked";

fn proxy(workload: &Workload) -> Judged {
    use TransportFault::{ProxyAuthRequired, ProxyRefused, ProxyUnreachable};
    if let Some(fault) = workload.faults.iter().find(|fault| fault.name == "HTTPS_PROXY") {
        let fix =
            Fix::new("set HTTPS_PROXY to http://HOST:PORT, or ").then(Fix::unset(&["HTTPS_PROXY"]));
        return Judged::Failed(
            fault.problem.clone(),
            Fix { words: fix.words.replacen("; ", "", 1), ..fix },
        );
    }
    let is =
        |it: &TransportFault| matches!(it, ProxyAuthRequired | ProxyRefused | ProxyUnreachable);
    let found = failed(workload, is);
    let Some(shown) = &workload.proxy else {
        return Judged::Ok("HTTPS_PROXY is not set".to_owned());
    };
    if found.is_empty() {
        return Judged::Ok(format!("{shown} is used"));
    }
    let hosts = hosts(&found);
    let fix = match found.first().and_then(|(_, it)| it.fault.as_ref()) {
        Some(ProxyAuthRequired) => Fix::new(format!(
            "give user and password, percent-encoded: HTTPS_PROXY=http://USER:PASSWORD@{}",
            shown.split_once("://").map_or(shown.as_str(), |(_, rest)| rest)
        )),
        Some(ProxyRefused) => Fix::new(format!(
            "ask the proxy's owner to allow CONNECT to {hosts}; if it is reached without the proxy, "
        ))
        .then(Fix::set("NO_PROXY", &hosts)),
        _ => Fix::new("correct HTTPS_PROXY to the address that the proxy listens on; if none is needed, ")
            .then(Fix::unset(&["HTTPS_PROXY"]))
            .and(&format!(", or name {hosts} in NO_PROXY")),
    };
    Judged::Failed(words(&found), Fix { words: fix.words.replacen(", ; ", ", ", 1), ..fix })
}

fn dns(workload: &Workload) -> Judged {
    let found = failed(workload, |it| matches!(it, TransportFault::Dns));
    if !asked(workload) {
        return Judged::Unknown(NOBODY.to_owned());
    }
    if found.is_empty() {
        return Judged::Ok("those that were asked for have addresses".to_owned());
    }
    let hosts = hosts(&found);
    let fix = format!(
        "check the name in CAMBIST_ISSUER or AZURE_AUTHORITY_HOST; `nslookup {hosts}` in the pod shows what its DNS says: where that knows no names outside of the cluster, correct dnsPolicy or CoreDNS' forward"
    );
    Judged::Failed(words(&found), Fix::new(fix))
}

fn tls(workload: &Workload) -> Judged {
    use TransportFault::{Tls, TlsUntrusted, TokenProxyTls, TokenProxyUntrusted};
    let is = |it: &TransportFault| {
        matches!(it, Tls | TlsUntrusted | TokenProxyTls | TokenProxyUntrusted)
    };
    let found = failed(workload, is);
    if found.is_empty() {
        let known = unreached(workload).next().is_none() && asked(workload);
        return match known {
            true => Judged::Ok("the certificates that were shown are trusted".to_owned()),
            false => Judged::Unknown("no certificate was seen".to_owned()),
        };
    }
    let shown = found.iter().find_map(|(peer, it)| Some((peer, it.shown.as_ref()?)));
    let evidence = match shown {
        Some((peer, shown)) => format!(
            "{}; {} showed a certificate for {} that was issued by {}",
            words(&found),
            peer.host,
            shown.subject,
            shown.issuer
        ),
        None => words(&found),
    };
    let token_proxy = |it: &TransportFault| matches!(it, TokenProxyTls | TokenProxyUntrusted);
    if found.iter().any(|(_, it)| it.fault.as_ref().is_some_and(token_proxy)) {
        let fix = "set AZURE_KUBERNETES_CA_FILE and AZURE_KUBERNETES_SNI_NAME to those of this cluster, as the webhook has them";
        return Judged::Failed(evidence, Fix::new(fix));
    }
    let untrusted = found.iter().any(|(_, it)| it.fault == Some(TlsUntrusted));
    let fix = match (untrusted, shown) {
        (true, Some((_, shown))) => format!(
            "if {} is meant to vouch here (a private CA, or a proxy that opens TLS), mount its certificate as PEM and set CAMBIST_CA_FILE to that file; if not, find out who is between this pod and {}",
            shown.issuer, hosts(&found)
        ),
        (true, None) => "mount the certificate of the authority that is meant to vouch there, and set CAMBIST_CA_FILE to that file".to_owned(),
        (false, _) => format!("have whoever runs {} mend its certificate or TLS as said", hosts(&found)),
    };
    Judged::Failed(evidence, Fix::new(fix))
}

fn connection(workload: &Workload) -> Judged {
    use TransportFault as F;
    let told_elsewhere = |it: &F| {
        matches!(
            it,
            F::Dns
                | F::ProxyUnreachable
                | F::ProxyAuthRequired
                | F::ProxyRefused
                | F::TlsUntrusted
                | F::Tls
                | F::TokenProxyUntrusted
                | F::TokenProxyTls
        )
    };
    let found: Vec<_> = unreached(workload)
        .filter(|(_, it)| !it.fault.as_ref().is_some_and(told_elsewhere))
        .collect();
    if !asked(workload) {
        return Judged::Unknown(NOBODY.to_owned());
    }
    if found.is_empty() {
        let reached = [&workload.issuer.peer, &workload.entra.peer].into_iter().flatten();
        let reached: Vec<_> =
            reached.filter(|peer| peer.answer.is_ok()).map(|peer| peer.host.as_str()).collect();
        return match reached[..] {
            [] => Judged::Unknown("nobody answered".to_owned()),
            _ => Judged::Ok(format!("{} answered", reached.join(" and "))),
        };
    }
    let direct = match &workload.proxy {
        Some(proxy) => format!("the way led through {proxy}"),
        None => "HTTPS_PROXY is not set, so that the way is a straight one".to_owned(),
    };
    let fix = format!(
        "let the pod reach {} on its port: in its NetworkPolicy and the cloud's firewall, or set HTTPS_PROXY to the proxy that leads there ({direct}); if the name is wrong, correct CAMBIST_ISSUER or AZURE_AUTHORITY_HOST",
        hosts(&found)
    );
    Judged::Failed(words(&found), Fix::new(fix))
}

fn ca_files(workload: &Workload) -> Judged {
    if workload.ca_files.is_empty() {
        return Judged::Ok("none is set that cannot be".to_owned());
    }
    let evidence: Vec<_> =
        workload.ca_files.iter().map(|(name, words)| format!("{name}: {words}")).collect();
    let names: Vec<_> = workload.ca_files.iter().map(|(name, _)| name.as_str()).collect();
    let fix = Fix::new(format!("mount the file that {} names, as PEM", names.join(" and ")));
    Judged::Failed(evidence.join("; "), fix)
}

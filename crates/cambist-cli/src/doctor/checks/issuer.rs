//! The issuer: its documents, its keys, and how old these are.

use cambist_core::jws::JwsError;
use cambist_core::verify::VerifyError;
use cambist_key_age::Verdict;

use crate::doctor::check::{Check, Fix, Id, Judge, Judged};
use crate::doctor::facts::{NoKeys, Workload};
use crate::output::shell::quoted;

/// Without an answer nothing can be said of it.
const REACHED: &[Id] = &["D107", "D201", "D205", "D301", "D601", "D602", "D603", "D604", "D605"];
const READ: &[Id] =
    &["D107", "D201", "D205", "D301", "D302", "D601", "D602", "D603", "D604", "D605"];
const KEYS: &[Id] =
    &["D107", "D201", "D205", "D301", "D302", "D303", "D601", "D602", "D603", "D604", "D605"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D301",
        title: "the issuer serves its discovery document",
        looks_at: "GET of the issuer's URL with /.well-known/openid-configuration behind it, without credentials, as Entra asks.",
        fails: "It answers with a redirect or another status than 200.",
        remedy: "Publish the document where the issuer's URL says, for everybody to read.",
        after: &["D107", "D201", "D205", "D601", "D602", "D603", "D604", "D605"],
        judge: Judge::Workload(reached),
    },
    Check {
        id: "D302",
        title: "the discovery document is this issuer's",
        looks_at: "The document's issuer, byte for byte, and its jwks_uri.",
        fails: "It names another issuer, be it in a slash at the end, or a key set that is not https or on another host.",
        remedy: "Publish the document anew as the API server has it, or correct CAMBIST_ISSUER.",
        after: REACHED,
        judge: Judge::Workload(discovery),
    },
    Check {
        id: "D303",
        title: "the issuer publishes keys",
        looks_at: "GET of the jwks_uri.",
        fails: "It is not served, breaks off, is no key set, or has no key that can be used.",
        remedy: "Publish what `kubectl get --raw /openid/v1/jwks` prints; if the answer broke off, find what ends connections on the way.",
        after: READ,
        judge: Judge::Workload(keys),
    },
    Check {
        id: "D304",
        title: "the token's key is among the published ones",
        looks_at: "The token's kid and signature, held against the published key set.",
        fails: "No published key has that name, or the one that has did not sign the token: Entra will refuse it.",
        remedy: "Publish the key set anew, and keep old keys in it for as long as tokens live that they signed.",
        after: KEYS,
        judge: Judge::Workload(signer),
    },
    Check {
        id: "D305",
        title: "outside is published what the API server has",
        looks_at: "With --compare-api, --in-cluster or --kubeconfig: issuer and key set of the API server, held against the public ones.",
        fails: "The API server names another issuer, or has keys that are not public, or the public set has keys that it does not know.",
        remedy: "Publish discovery document and key set anew; a public key that no API server knows is somebody else's: find out whose.",
        after: KEYS,
        judge: Judge::Workload(inside),
    },
    Check {
        id: "D306",
        title: "the issuer's keys are young enough",
        looks_at: "What `cambist issuer check` looks at, with the history that CAMBIST_HISTORY names.",
        fails: "The verdict is OVERDUE or SUSPECT; it warns of DUE. UNKNOWN is no fault: a first look proves nothing.",
        remedy: "Rotate the key: `cambist issuer plan` has the steps and dates, `cambist issuer check` the evidence.",
        after: KEYS,
        judge: Judge::Workload(age),
    },
];

fn reached(workload: &Workload) -> Judged {
    let issuer = &workload.issuer;
    let Some(url) = &issuer.url else {
        return Judged::Unknown("no issuer is known".to_owned());
    };
    match (&issuer.peer, &issuer.refused) {
        (Some(peer), None) => match &peer.answer {
            Ok(_) => Judged::Ok(format!("{} answers", peer.host)),
            Err(unreached) => Judged::Unknown(unreached.words.clone()),
        },
        (_, Some(refused)) => {
            let fix = Fix::command("kubectl get --raw /.well-known/openid-configuration").and(&format!(
                " prints the document: publish it at {}/.well-known/openid-configuration for everybody to read, without a redirect; where the API server itself is the issuer, let it answer anonymous requests there",
                url.trim_end_matches('/')
            ));
            Judged::Failed(refused.clone(), fix)
        }
        (None, None) => Judged::Unknown("it was not asked".to_owned()),
    }
}

/// What was not looked at.
fn unseen() -> Judged {
    Judged::Unknown("it was not read".to_owned())
}

fn discovery(workload: &Workload) -> Judged {
    match &workload.issuer.discovery {
        None => unseen(),
        Some(Ok(jwks_uri)) => Judged::Ok(format!("it names this issuer, and {jwks_uri}")),
        Some(Err(words)) => {
            let fix = Fix::command("kubectl get --raw /.well-known/openid-configuration").and(
                " prints what the API server says: publish that anew, or correct CAMBIST_ISSUER to the issuer in it; a key set that is meant to be on another host is accepted with CAMBIST_JWKS_ANY_HOST=true",
            );
            match is_of_another(workload) {
                true => Judged::Because("D205", words.clone(), fix),
                false => Judged::Failed(words.clone(), fix),
            }
        }
    }
}

/// Whether the token is another issuer's than the one that was looked at: nothing of the two fits together.
fn is_of_another(workload: &Workload) -> bool {
    let is = |it: &VerifyError| matches!(it, VerifyError::Issuer { .. });
    workload.token.as_ref().is_ok_and(|token| token.broken.iter().any(is))
}

fn keys(workload: &Workload) -> Judged {
    match &workload.issuer.keys {
        None => unseen(),
        Some(Ok(count)) => Judged::Ok(format!("{count} of them can be used")),
        Some(Err(NoKeys::Unanswered(words))) => Judged::Failed(
            words.clone(),
            Fix::new(
                "ask again; if it stays so, find what ends connections on the way there: a firewall, a proxy, a service mesh, or the server itself",
            ),
        ),
        Some(Err(NoKeys::Useless(words))) => Judged::Failed(
            words.clone(),
            Fix::command("kubectl get --raw /openid/v1/jwks")
                .and(" prints the key set: publish that, as it is, where jwks_uri says"),
        ),
    }
}

fn signer(workload: &Workload) -> Judged {
    let kid = workload.token.as_ref().ok().and_then(|token| token.kid.as_deref());
    let kid = kid.unwrap_or("(none)");
    match &workload.issuer.signer {
        None => Judged::Unknown("there is no token, or no key set, to compare".to_owned()),
        Some(Ok(_)) => Judged::Ok(format!("{kid} is, and signed it")),
        // The algorithm is another check's.
        Some(Err(error @ VerifyError::Jws(JwsError::Algorithm { .. }))) => {
            Judged::Because("D209", error.to_string(), Fix::default())
        }
        Some(Err(error)) => {
            let fix = Fix::command("kubectl get --raw /openid/v1/jwks").and(
                " prints the keys that sign: publish all of them where the issuer's jwks_uri says; Entra takes them up within 20 to 45 minutes or more (after a rotation that was not published, docs/rotate.md has the way back)",
            );
            match is_of_another(workload) {
                true => Judged::Because("D205", error.to_string(), fix),
                false => Judged::Failed(error.to_string(), fix),
            }
        }
    }
}

fn inside(workload: &Workload) -> Judged {
    match &workload.issuer.api {
        None => Judged::Unknown(
            "not asked for (--compare-api with --in-cluster or --kubeconfig FILE)".to_owned(),
        ),
        Some(Err(words)) => {
            let fix = "name an account that may read it: bind the ClusterRole system:service-account-issuer-discovery to it, and give its token by --api-token-file";
            Judged::Failed(words.clone(), Fix::new(fix))
        }
        Some(Ok(api)) => {
            let url = workload.issuer.url.as_deref().unwrap_or_default();
            let other = api.issuer.as_deref().filter(|issuer| *issuer != url);
            let mut evidence = Vec::new();
            let mut fix = Fix::default();
            if let Some(other) = other {
                evidence.push(format!(
                    "{} names the issuer {other}, and {url} was looked at",
                    api.server
                ));
                fix = fix.then(Fix::set("CAMBIST_ISSUER", other));
            }
            if !api.inside_only.is_empty() {
                evidence.push(format!("not public: {}", api.inside_only.join(", ")));
                fix = fix.then(
                    Fix::command("kubectl get --raw /openid/v1/jwks")
                        .and(" prints the key set: publish that where the issuer's jwks_uri says"),
                );
            }
            if !api.outside_only.is_empty() {
                evidence.push(format!(
                    "public, and unknown to the API server: {}",
                    api.outside_only.join(", ")
                ));
                fix = fix.then(Fix::new(
                    "find out whose the public key is that no API server of yours has (ask each of them), and take it out of the key set if nobody can say: whoever has it is every workload",
                ));
            }
            if evidence.is_empty() {
                return Judged::Ok(format!("{} has the same issuer and keys", api.server));
            }
            Judged::Failed(evidence.join("; "), fix)
        }
    }
}

fn age(workload: &Workload) -> Judged {
    let issuer = &workload.issuer;
    match &issuer.age {
        None => unseen(),
        Some(Err(words)) => Judged::Unknown(words.clone()),
        Some(Ok(age)) => {
            let evidence = format!("{}: {}", age.verdict, age.means);
            let url = quoted(issuer.url.as_deref().unwrap_or_default());
            let fix = match &age.next {
                Some((why, command)) => Fix::command(command.clone()).and(&format!(" ({why})")),
                None => Fix::command(format!("cambist issuer check --issuer {url}"))
                    .and(" has the evidence and what to do"),
            };
            match age.verdict {
                Verdict::Ok | Verdict::Unknown => Judged::Ok(evidence),
                Verdict::Due => Judged::Warning(evidence, fix),
                // What another check tells already.
                Verdict::Suspect if matches!(issuer.signer, Some(Err(_))) => {
                    Judged::Because("D304", evidence, fix)
                }
                Verdict::Suspect if matches!(&issuer.api, Some(Ok(api)) if !api.outside_only.is_empty()) => {
                    Judged::Because("D305", evidence, fix)
                }
                Verdict::Overdue | Verdict::Suspect => Judged::Failed(evidence, fix),
            }
        }
    }
}

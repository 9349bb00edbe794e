//! The projected token: its file, and what it claims.

use std::time::Duration;

use cambist::Reason;
use cambist_core::duration::rough;
use cambist_core::foreign::ForeignList;
use cambist_core::verify::VerifyError;

use crate::doctor::check::{Check, Fix, Judge, Judged};
use crate::doctor::facts::{Exchange, NoToken, Token, Workload};
use crate::output::shell::quoted;

/// Without a token nothing can be said of it.
const AFTER: &[&str] = &["D107", "D201"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D201",
        title: "the projected token can be read",
        looks_at: "The file of AZURE_FEDERATED_TOKEN_FILE, or of --token-file.",
        fails: "There is none, it may not be read, or what it holds is no projected token, such as a legacy one from a Secret.",
        remedy: "Mount a projected serviceAccountToken volume and name the token in it; see docs/install.md.",
        after: &[],
        judge: Judge::Workload(file),
    },
    Check {
        id: "D202",
        title: "nobody else may write the token's file",
        looks_at: "The permissions of the file, and outside of a pod also who may read it.",
        fails: "Its group or everybody may write it, so that they choose which token is exchanged; outside of a pod it warns if others may read it.",
        remedy: "Take the right away with chmod.",
        after: AFTER,
        judge: Judge::Workload(mode),
    },
    Check {
        id: "D203",
        title: "the token is fresh",
        looks_at: "The token's iat, nbf and exp, by this machine's clock.",
        fails: "It has expired or is not valid yet; it warns if the kubelet should have renewed it, which it does after four fifths of a token's life and after 24 hours.",
        remedy: "See that the file is a projected volume's that the kubelet renews, and no copy; outside of a pod make a new token.",
        after: AFTER,
        judge: Judge::Workload(fresh),
    },
    Check {
        id: "D204",
        title: "the token is for Entra",
        looks_at: "The token's aud, held against the audience of the authority's cloud, or CAMBIST_AUDIENCE.",
        fails: "The audience that is expected is not among those of the token.",
        remedy: "Set audience of the projected volume to it.",
        after: &["D103", "D105", "D107", "D201"],
        judge: Judge::Workload(audience),
    },
    Check {
        id: "D205",
        title: "the token is from the issuer that is configured",
        looks_at: "The token's iss and CAMBIST_ISSUER, byte for byte; without that, whether iss is an issuer's URL.",
        fails: "They differ, be it in a slash at the end.",
        remedy: "Set CAMBIST_ISSUER to the token's iss, if that is the cluster's.",
        after: AFTER,
        judge: Judge::Workload(issuer),
    },
    Check {
        id: "D206",
        title: "the token is for a service account of the workload's own",
        looks_at: "The token's sub.",
        fails: "It is no service account, or a namespace's default one, which every pod gets that names none.",
        remedy: "Make a service account and name it in the pod's serviceAccountName.",
        after: AFTER,
        judge: Judge::Workload(account),
    },
    Check {
        id: "D207",
        title: "the token lives for a day at most",
        looks_at: "The time from the token's iat to its exp.",
        fails: "It is longer than CAMBIST_MAX_TOKEN_LIFETIME, or than the 25 hours that Entra takes.",
        remedy: "Lower expirationSeconds of the projected volume, or switch the extension of tokens off.",
        after: AFTER,
        judge: Judge::Workload(lifetime),
    },
    Check {
        id: "D208",
        title: "the token is for nobody else",
        looks_at: "How many audiences the token has.",
        fails: "It warns if there are several: each of them could show it to the others. It fails if Entra refuses the token as well.",
        remedy: "Give each audience a token of its own.",
        after: AFTER,
        judge: Judge::Workload(alone),
    },
    Check {
        id: "D209",
        title: "the token is signed as Entra takes it",
        looks_at: "The token's header.",
        fails: "It is signed with another algorithm than RS256.",
        remedy: "Give the API server an RSA key to sign with.",
        after: AFTER,
        judge: Judge::Workload(algorithm),
    },
    Check {
        id: "D210",
        title: "forged tokens are refused",
        looks_at: "Two copies of the token, one with another signature and one with none (alg none), held against the issuer's keys by the rules that the sidecar has.",
        fails: "One of them is accepted.",
        remedy: "That is a defect of cambist: report it as SECURITY.md says.",
        after: &[
            "D107", "D201", "D209", "D301", "D302", "D303", "D304", "D601", "D602", "D603", "D604",
            "D605",
        ],
        judge: Judge::Workload(forgeries),
    },
];

/// What the token says, if there is one.
fn of(workload: &Workload, judge: impl FnOnce(&Token) -> Judged) -> Judged {
    match &workload.token {
        Ok(token) => judge(token),
        Err(_) => Judged::Unknown("there is no token".to_owned()),
    }
}

/// The first of the broken rules that `is` one of a check's.
fn broken(token: &Token, is: impl Fn(&VerifyError) -> bool) -> Option<&VerifyError> {
    token.broken.iter().find(|error| is(error))
}

fn file(workload: &Workload) -> Judged {
    let volume = "mount a projected serviceAccountToken volume with audience ";
    let name = |path: &str| {
        format!("{volume}{} and set AZURE_FEDERATED_TOKEN_FILE={path}", workload.audience)
    };
    let usual = "/var/run/secrets/azure/tokens/azure-identity-token";
    match &workload.token {
        Ok(token) => Judged::Ok(format!("{} holds one", token.path)),
        Err(NoToken::Unnamed) => {
            let evidence = "AZURE_FEDERATED_TOKEN_FILE is not set".to_owned();
            let fix = Fix::new(format!(
                "{} (the webhook does both); outside of a pod give --token-file FILE",
                name(usual)
            ));
            if workload.unprepared && workload.in_pod {
                return Judged::Because("D107", evidence, fix);
            }
            Judged::Failed(evidence, fix)
        }
        Err(NoToken::File(words)) => {
            let fix = format!(
                "see that AZURE_FEDERATED_TOKEN_FILE names the token itself in a projected volume; where there is none, {}",
                name(usual)
            );
            Judged::Failed(words.clone(), Fix::new(fix))
        }
    }
}

fn mode(workload: &Workload) -> Judged {
    of(workload, |token| {
        let Some(mode) = token.mode else {
            return Judged::Unknown("this file system tells no permissions".to_owned());
        };
        let (evidence, path) = (format!("{} has mode {:04o}", token.path, mode), &token.path);
        let chmod = |how| Fix::command(format!("chmod {how} {}", quoted(path)));
        if mode & 0o022 != 0 {
            let whose = "whoever may write it chooses whose token is exchanged";
            return Judged::Failed(format!("{evidence}: {whose}"), chmod("go-w"));
        }
        if !workload.in_pod && mode & 0o044 != 0 {
            let whose = "others on this machine may read it, and be this workload";
            return Judged::Warning(format!("{evidence}: {whose}"), chmod("600"));
        }
        Judged::Ok(evidence)
    })
}

/// How long after its time a token may be renewed: the kubelet looks at a pod's volumes every minute or two.
const SLACK: Duration = Duration::from_secs(5 * 60);

fn fresh(workload: &Workload) -> Judged {
    of(workload, |token| {
        let renew = if workload.in_pod {
            "see that the file is a projected volume's own and no copy of it, and that the kubelet of this node renews it (its log, and the API server's, say why not); to have a new token at once, make the pod anew"
        } else {
            "make a new one: `kubectl create token ACCOUNT --namespace NAMESPACE --audience AUDIENCE`"
        };
        let is_time =
            |it: &VerifyError| it.is_about_time() || matches!(it, VerifyError::Backwards { .. });
        if let Some(error) = broken(token, is_time) {
            // By the clock of whoever answered, it may be good.
            let there = super::clock::server_time(workload);
            let claims = &token.claims;
            let begins = claims.not_before.unwrap_or(claims.issued_at);
            let good =
                there.is_some_and(|now| begins <= now + workload.leeway && now < claims.expires_at);
            let fix = Fix::new(renew);
            return match good {
                true => Judged::Because("D401", error.to_string(), fix),
                false => Judged::Failed(error.to_string(), fix),
            };
        }
        let (claims, now) = (&token.claims, workload.now);
        let life = claims.expires_at.since(claims.issued_at);
        let due = (life * 4 / 5).min(Duration::from_secs(24 * 3600));
        let age = now.since(claims.issued_at);
        let evidence = format!("it is {} old and expires at {}", rough(age), claims.expires_at);
        if workload.in_pod && age > due + SLACK.min(life / 10) {
            let overdue = format!(
                "{evidence}; the kubelet renews such a token when it is {} old",
                rough(due)
            );
            return Judged::Warning(overdue, Fix::new(renew));
        }
        Judged::Ok(evidence)
    })
}

fn audience(workload: &Workload) -> Judged {
    of(workload, |token| match broken(token, |it| matches!(it, VerifyError::Audience { .. })) {
        None => Judged::Ok(format!("it is for {}", workload.audience)),
        Some(error) => {
            let fix = format!(
                "set audience: {} in the projected volume's serviceAccountToken (outside of a pod: `kubectl create token --audience {0}`); where the federated credential has an audience of your own, set CAMBIST_AUDIENCE to that",
                workload.audience
            );
            // What is expected is what these variables say.
            let says = |name: &str| {
                name.starts_with("AZURE_KUBERNETES_")
                    || ["CAMBIST_AUDIENCE", "AZURE_AUTHORITY_HOST"].contains(&name)
            };
            match workload.faults.iter().any(|fault| says(&fault.name)) {
                true => Judged::Because("D105", error.to_string(), Fix::new(fix)),
                false => Judged::Failed(error.to_string(), Fix::new(fix)),
            }
        }
    })
}

fn issuer(workload: &Workload) -> Judged {
    if let Some(fault) = workload.faults.iter().find(|fault| fault.name == "CAMBIST_ISSUER") {
        let fix = match &workload.token {
            Ok(token) => Fix::set("CAMBIST_ISSUER", &token.claims.issuer),
            Err(_) => Fix::unset(&["CAMBIST_ISSUER"]),
        };
        return Judged::Failed(super::environment::told(fault), fix);
    }
    let is =
        |it: &VerifyError| matches!(it, VerifyError::Issuer { .. } | VerifyError::IssuerUrl(_));
    of(workload, |token| match broken(token, is) {
        None => Judged::Ok(format!("it is from {}", token.claims.issuer)),
        Some(error @ VerifyError::Issuer { .. }) => {
            let fix = Fix::set("CAMBIST_ISSUER", &token.claims.issuer)
                .and(", byte for byte, if that is this cluster's issuer (`kubectl get --raw /.well-known/openid-configuration`)");
            Judged::Failed(error.to_string(), fix)
        }
        Some(error) => {
            let fix = "give the API server an https URL that others can reach as --service-account-issuer";
            Judged::Failed(error.to_string(), Fix::new(fix))
        }
    })
}

fn account(workload: &Workload) -> Judged {
    let is =
        |it: &VerifyError| matches!(it, VerifyError::Subject(_) | VerifyError::DefaultAccount(_));
    of(workload, |token| match broken(token, is) {
        None => Judged::Ok(format!("it is {}", token.claims.subject)),
        Some(error) => {
            let namespace = match error {
                VerifyError::DefaultAccount(account) => account.namespace(),
                _ => "NAMESPACE",
            };
            let fix = Fix::command(format!("kubectl create serviceaccount NAME --namespace {namespace}"))
                .and(", and name it in the pod's serviceAccountName; the federated credential's subject is then system:serviceaccount:NAMESPACE:NAME");
            Judged::Failed(error.to_string(), fix)
        }
    })
}

fn lifetime(workload: &Workload) -> Judged {
    let extended = |token: &Token| token.claims.bound.warn_after.is_some();
    of(workload, |token| match broken(token, |it| matches!(it, VerifyError::Lifetime { .. })) {
        None => {
            let life = token.claims.expires_at.since(token.claims.issued_at);
            Judged::Ok(format!("it lives for {}", rough(life)))
        }
        Some(error) => {
            let fix = if extended(token) {
                "set --service-account-extend-token-expiration=false on the API server, which extended it for old clients (warnafter)"
            } else {
                "set expirationSeconds: 3600 in the projected volume's serviceAccountToken"
            };
            Judged::Failed(error.to_string(), Fix::new(fix))
        }
    })
}

fn alone(workload: &Workload) -> Judged {
    of(workload, |token| {
        let audiences = &token.claims.audiences;
        if audiences.len() < 2 {
            return Judged::Ok("it has one audience".to_owned());
        }
        let fix = format!(
            "have a token with audience {} alone, and one of its own for each other audience: a projected volume may have several",
            workload.audience
        );
        let evidence = format!("it has {}", ForeignList::of(audiences));
        match &workload.entra.exchange {
            Exchange::Refused(it) if it.reason == Reason::EntraAssertionInvalid => {
                Judged::Failed(format!("{evidence}, and {}", it.words), Fix::new(fix))
            }
            _ => Judged::Warning(evidence, Fix::new(fix)),
        }
    })
}

fn algorithm(workload: &Workload) -> Judged {
    of(workload, |token| match broken(token, |it| matches!(it, VerifyError::Jws(_))) {
        None => Judged::Ok("it is signed with RS256".to_owned()),
        Some(error) => {
            let fix = "give the API server an RSA key of 2048 bits or more as --service-account-signing-key-file, and publish its public half";
            Judged::Failed(error.to_string(), Fix::new(fix))
        }
    })
}

fn forgeries(workload: &Workload) -> Judged {
    of(workload, |token| {
        let accepted: Vec<_> = token.forgeries.iter().filter(|it| it.refused.is_none()).collect();
        if token.forgeries.is_empty() {
            return Judged::Unknown("no key of the issuer is known to try them by".to_owned());
        }
        if accepted.is_empty() {
            let told = token
                .forgeries
                .iter()
                .filter_map(|it| Some(format!("{}: {}", it.how, it.refused.as_deref()?)));
            return Judged::Ok(told.collect::<Vec<_>>().join("; "));
        }
        let how: Vec<_> = accepted.iter().map(|it| it.how).collect();
        let fix = "stop this version of cambist, and report it as SECURITY.md says: it is a defect";
        Judged::Failed(format!("accepted: {}", how.join("; ")), Fix::new(fix))
    })
}

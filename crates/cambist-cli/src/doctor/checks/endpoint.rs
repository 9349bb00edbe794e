//! What the endpoint must refuse.

use crate::doctor::check::{Check, Fix, Id, Judge, Judged};
use crate::doctor::facts::{App, Asked};
use crate::token::endpoint::Odd;

/// Where the usual request has no token, a refusal proves nothing.
const AFTER: &[Id] = &["D801", "D804"];

const REMEDY: &str =
    "Find out what it is that answers there: it is not the sidecar, or something stands before it.";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D811",
        title: "without the header there is no token",
        looks_at: "The usual request, without X-IDENTITY-HEADER (for imds without Metadata).",
        fails: "It is answered with a token: whoever can have the app fetch a URL can have its tokens.",
        remedy: REMEDY,
        after: AFTER,
        judge: Judge::App(no_header),
    },
    Check {
        id: "D812",
        title: "with another header there is no token",
        looks_at: "The usual request, with another secret.",
        fails: "It is answered with a token: the secret is not compared.",
        remedy: REMEDY,
        after: AFTER,
        judge: Judge::App(wrong_header),
    },
    Check {
        id: "D813",
        title: "under a foreign name there is no token",
        looks_at: "The usual request, with a Host that is not loopback's.",
        fails: "It is answered with a token: a page in a browser can get at it by DNS rebinding.",
        remedy: REMEDY,
        after: AFTER,
        judge: Judge::App(host),
    },
    Check {
        id: "D814",
        title: "through a proxy there is no token",
        looks_at: "The usual request, with X-Forwarded-For.",
        fails: "It is answered with a token: a proxy in the pod can be talked into asking.",
        remedy: REMEDY,
        after: AFTER,
        judge: Judge::App(forwarded),
    },
    Check {
        id: "D815",
        title: "for a page in a browser there is no token",
        looks_at: "The usual request, with Origin.",
        fails: "It is answered with a token.",
        remedy: REMEDY,
        after: AFTER,
        judge: Judge::App(origin),
    },
    Check {
        id: "D816",
        title: "at another path there is no token",
        looks_at: "The usual request, for a path that is none.",
        fails: "It is answered with a token: whatever is asked for there is.",
        remedy: REMEDY,
        after: AFTER,
        judge: Judge::App(path),
    },
    Check {
        id: "D817",
        title: "what the policy forbids is refused",
        looks_at: "The usual request, for the resource of --forbidden.",
        fails: "It is answered with a token; it warns if it is refused for another reason than the policy.",
        remedy: "Name the resources that the caller may have under `may` in the file of CAMBIST_CONFIG, and set mode: enforce.",
        after: AFTER,
        judge: Judge::App(forbidden),
    },
];

fn odd(app: &App, odd: Odd, what: &str) -> Judged {
    // Where nothing yields a token, neither does this, and it shows nothing.
    if app.usual.is_none() {
        return Judged::Unknown("left out (--no-exchange)".to_owned());
    }
    let usual = app.usual == Some(Asked::Token);
    let found = app.odd.iter().find(|(kind, _)| *kind == odd).map(|(_, asked)| asked);
    let url = app.endpoint.as_deref().unwrap_or_default();
    match found {
        Some(Asked::Token) => Judged::Failed(
            format!("{url} answered with a token {what}"),
            Fix::new(format!(
                "see what listens at {url} (ss -ltnp in the pod): it is not cambist's sidecar, or something stands before it that adds what is missing; let IDENTITY_ENDPOINT lead to the sidecar itself"
            )),
        ),
        Some(Asked::Refused { status, .. }) if usual => {
            Judged::Ok(format!("it was refused with {status}"))
        }
        Some(Asked::Strange(words)) if usual => Judged::Ok(format!("there was no token: {words}")),
        _ => Judged::Unknown("the usual request has no token either".to_owned()),
    }
}

fn no_header(app: &App) -> Judged {
    odd(app, Odd::NoHeader, "though no secret was shown")
}

fn wrong_header(app: &App) -> Judged {
    odd(app, Odd::WrongHeader, "though another secret was shown")
}

fn host(app: &App) -> Judged {
    odd(app, Odd::Host, "to a request for the host cambist-doctor.example")
}

fn forwarded(app: &App) -> Judged {
    odd(app, Odd::Forwarded, "to a request with X-Forwarded-For")
}

fn origin(app: &App) -> Judged {
    odd(app, Odd::Origin, "to a request with Origin")
}

fn path(app: &App) -> Judged {
    odd(app, Odd::Path, "at /nothing/is/here")
}

fn forbidden(app: &App) -> Judged {
    let Some((resource, asked)) = &app.forbidden else {
        return Judged::Unknown("no resource was named (--forbidden RESOURCE)".to_owned());
    };
    let fix = || {
        Fix::new(format!(
            "leave {resource} out of what the caller may have under `may` in the file of CAMBIST_CONFIG, and set mode: enforce there"
        ))
    };
    match asked {
        Asked::Token => Judged::Failed(format!("there is a token for {resource}"), fix()),
        Asked::Refused { message, .. } if message.starts_with("policy_denied") => {
            Judged::Ok(message.clone())
        }
        Asked::Refused { status, message } => Judged::Warning(
            format!(
                "{status}: {message}: that is not the policy's word, so that it shows nothing of it"
            ),
            fix(),
        ),
        Asked::Nobody(words) | Asked::Strange(words) => Judged::Unknown(words.clone()),
    }
}

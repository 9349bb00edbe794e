//! The app's variables, and what its SDK meets by them.

use crate::doctor::check::{Check, Fix, Judge, Judged};
use crate::doctor::facts::{App, Asked};
use crate::token::surroundings::{Mend, Pitfall};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D801",
        title: "the app's variables name an endpoint",
        looks_at: "IDENTITY_ENDPOINT with IDENTITY_HEADER, else MSI_ENDPOINT with MSI_SECRET, else AZURE_POD_IDENTITY_AUTHORITY_HOST.",
        fails: "The secret's variable is missing, or the URL is none that an SDK could ask at.",
        remedy: "Set IDENTITY_ENDPOINT=http://127.0.0.1:8421/msi/token, and IDENTITY_HEADER to what the sidecar has.",
        after: &[],
        judge: Judge::App(endpoint),
    },
    Check {
        id: "D802",
        title: "no other variable leads an SDK elsewhere",
        looks_at: "AZURE_FEDERATED_TOKEN_FILE, IDENTITY_SERVER_THUMBPRINT, IMDS_ENDPOINT and MSI_ENDPOINT in the app's environment.",
        fails: "One of the first three is set; it warns of MSI_ENDPOINT, which libraries of before 2020 need.",
        remedy: "Take it out of the app's container; the token's file belongs in the sidecar's.",
        after: &[],
        judge: Judge::App(elsewhere),
    },
    Check {
        id: "D803",
        title: "no proxy gets the app's secret",
        looks_at: "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, and whether NO_PROXY names the endpoint's host.",
        fails: "A proxy is set and the host is not exempt: most SDKs send the request with the secret to the proxy.",
        remedy: "Set NO_PROXY=127.0.0.1,localhost in the app's container.",
        after: &["D801"],
        judge: Judge::App(proxied),
    },
    Check {
        id: "D804",
        title: "the endpoint gives the app a token",
        looks_at: "One request for --resource, as an SDK sends it (left out with --no-exchange).",
        fails: "Nobody answers, the answer is a refusal, or it is no answer of the sidecar's.",
        remedy: "As the refusal says: the secret, the path, the port, the policy, or what keeps the sidecar itself from its token.",
        after: &["D801"],
        judge: Judge::App(token),
    },
];

fn endpoint(app: &App) -> Judged {
    match &app.endpoint {
        Ok(url) => Judged::Ok(format!("they lead to {url}")),
        Err(nowhere) => {
            let fix = match &nowhere.set {
                Some((name, value)) => Fix::set(name, value),
                None => Fix::new(
                    "set IDENTITY_HEADER in the app's container to what the sidecar has under the same name",
                ),
            };
            Judged::Failed(nowhere.words.clone(), fix)
        }
    }
}

fn named(pitfalls: &[&Pitfall]) -> String {
    pitfalls.iter().map(|it| format!("{} {}", it.name, it.what)).collect::<Vec<_>>().join("; ")
}

fn elsewhere(app: &App) -> Judged {
    let is = |mends: &[Mend]| -> Vec<&Pitfall> {
        app.pitfalls.iter().filter(|it| mends.contains(&it.mend)).collect()
    };
    let (wrong, old) = (is(&[Mend::Move, Mend::Unset]), is(&[Mend::Know]));
    if !wrong.is_empty() {
        let names: Vec<_> = wrong.iter().map(|it| it.name).collect();
        return Judged::Failed(named(&wrong), Fix::unset(&names));
    }
    if !old.is_empty() {
        let fix = Fix::unset(&["MSI_ENDPOINT"]).and(" if no library of before 2020 needs it");
        return Judged::Warning(named(&old), fix);
    }
    Judged::Ok("none is set".to_owned())
}

fn proxied(app: &App) -> Judged {
    let found: Vec<_> =
        app.pitfalls.iter().filter(|it| matches!(it.mend, Mend::NoProxy(_))).collect();
    match found[..] {
        [] => Judged::Ok("none is set that the request would go through".to_owned()),
        [first, ..] => {
            let Mend::NoProxy(hosts) = &first.mend else {
                return Judged::Unknown(String::new());
            };
            Judged::Failed(named(&found), Fix::set("NO_PROXY", *hosts))
        }
    }
}

fn token(app: &App) -> Judged {
    match &app.usual {
        None => Judged::Unknown("left out (--no-exchange)".to_owned()),
        Some(Asked::Token) => Judged::Ok(format!("for {}", app.resource)),
        Some(Asked::Nobody(words) | Asked::Strange(words)) => {
            let fix = "see that the sidecar runs in this pod (kubectl get pod NAME -o jsonpath='{.status.initContainerStatuses}'), and set IDENTITY_ENDPOINT to the port that it listens on (CAMBIST_LISTEN, 8421 by default)";
            Judged::Failed(words.clone(), Fix::new(fix))
        }
        Some(Asked::Refused { status, message }) => {
            Judged::Failed(format!("{status}: {message}"), refusal(app, message))
        }
    }
}

/// What to do about a refusal, which begins with the word of its rule.
fn refusal(app: &App, message: &str) -> Fix {
    let url = app.endpoint.as_deref().unwrap_or_default();
    let base =
        url.find("://").and_then(|at| url[at + 3..].find('/').map(|end| &url[..at + 3 + end]));
    let base = base.unwrap_or("http://127.0.0.1:8421");
    if let Some(port) = message.strip_prefix("tokens are served on port ") {
        return Fix::set("IDENTITY_ENDPOINT", format!("http://127.0.0.1:{port}/msi/token"));
    }
    match message.split(':').next().unwrap_or_default() {
        "identity_header" => Fix::new(
            "set IDENTITY_HEADER in the app's container to what the sidecar has under the same name, or in the file of its CAMBIST_IDENTITY_HEADER_FILE",
        ),
        "path" => Fix::set("IDENTITY_ENDPOINT", format!("{base}/msi/token")),
        "protocol_closed" => Fix::new(
            "open the protocol that the app speaks in CAMBIST_PROTOCOLS of the sidecar (app-service, native, imds), or set IDENTITY_ENDPOINT and IDENTITY_HEADER for the app",
        ),
        "identity_not_found" => Fix::unset(&["AZURE_CLIENT_ID"]).and(
            " (the app's), or set it to the client id of an identity that the sidecar's policy gives this app",
        ),
        "identity_ambiguous" => Fix::new(
            "set AZURE_CLIENT_ID in the app's container to the client id of one of the identities that it may have",
        ),
        "policy_denied" => Fix::new(format!(
            "give this caller {} in the file that CAMBIST_CONFIG of the sidecar names, under `may`",
            app.resource
        )),
        _ => Fix::new(
            "the sidecar itself has no token: the message says why, and `kubectl exec POD -c cambist -- cambist doctor` what to do",
        ),
    }
}

//! What is so of an identity's token, whoever asks for it.

use std::cmp::Ordering;

use cambist::cache::Entry;
use cambist::{AccessToken, Error};
use cambist_core::admission::Standing;
use cambist_core::duration::rough;
use cambist_core::foreign::Foreign;
use cambist_key_age::Verdict;
use serde::Serialize;

use super::Facts;
use super::blame::Blame;
use super::step::{State, Step};
use crate::telemetry::LastAdmitted;

/// An identity, and how far its token has come.
#[derive(Debug, Serialize)]
pub(super) struct IdentityChain {
    name: String,
    client_id: String,
    tenant_id: Option<String>,
    pub(super) steps: Vec<Step>,
}

/// What the steps are told of.
struct Of<'a> {
    token: Option<&'a AccessToken>,
    /// The last failure, if there was none but that since the last success, and the step that it is of.
    failure: Option<(&'a Error, Blame)>,
    admitted: Option<LastAdmitted>,
}

pub(super) fn chain(facts: &Facts<'_>, identity: usize, entry: Option<&Entry>) -> IdentityChain {
    let principal = facts.in_force.credential(identity).principal();
    let failure = entry.and_then(|entry| entry.failure.as_ref());
    let of = Of {
        token: entry.and_then(|entry| entry.token.as_deref()),
        failure: failure.map(|error| (error, Blame::of(error.reason()))),
        admitted: facts.telemetry.last_admitted(principal),
    };
    IdentityChain {
        name: facts.in_force.name(identity).to_owned(),
        client_id: principal.client_id().to_owned(),
        tenant_id: principal.tenant_id().map(ToString::to_string),
        steps: vec![cache(facts, entry), of.projected_token(facts), of.key(facts), of.exchange()],
    }
}

fn cache(facts: &Facts<'_>, entry: Option<&Entry>) -> Step {
    let Some(entry) = entry else {
        let says = "nothing is known of it: nobody has asked since the start, or not for long";
        return Step::new("cache", State::None, says);
    };
    let failed = entry.failure.as_ref().map(|error| {
        let again = error
            .retry_after()
            .map_or_else(String::new, |wait| format!(", to be tried again in {}", rough(wait)));
        let why = match Blame::of(error.reason()) {
            Blame::Cache => error.to_string(),
            _ => error.reason().to_string(),
        };
        format!("the last try failed ({why}){again}")
    });
    let asked = format!("last asked for {} ago", rough(facts.boot.since(entry.last_asked)));
    let held = entry.token.as_ref().map(|token| {
        let left = rough(token.remaining_at(facts.boot));
        format!("a token is held for {left} more, until {}; {asked}", token.expires_on())
    });
    let (state, says) = match (held, failed) {
        (Some(held), None) => (State::Ok, held),
        (Some(held), Some(failed)) => (State::Warning, format!("{held}; {failed}")),
        (None, Some(failed)) => (State::Failed, format!("no token is held: {failed}; {asked}")),
        (None, None) => (State::None, format!("no token is held, and none failed; {asked}")),
    };
    Step::new("cache", state, says)
}

impl Of<'_> {
    /// How bad a failure is: apps do not notice it for as long as a token is held.
    fn bad(&self) -> State {
        if self.token.is_some() { State::Warning } else { State::Failed }
    }

    /// The failure, if it is of this step, or whether it is of one before.
    fn failed(&self, here: Blame) -> Option<Result<&Error, Blame>> {
        let (error, blame) = self.failure?;
        match blame.cmp(&here) {
            Ordering::Equal => Some(Ok(error)),
            Ordering::Less => Some(Err(blame)),
            Ordering::Greater => None,
        }
    }

    fn projected_token(&self, facts: &Facts<'_>) -> Step {
        const STEP: &str = "projected token";
        let last = self.admitted.as_ref().map(|last| {
            let id = last.id.as_ref().map_or_else(String::new, |id| format!(", jti {}", id.as_str()));
            let over = last.expires_at <= facts.now;
            let says = format!(
                "the last one was admitted at {}: subject {}, issuer {}, audience {}, issued {}, {} {}{id}",
                last.at,
                last.subject.as_str(),
                last.issuer.as_str(),
                last.audiences,
                last.issued_at,
                if over { "expired" } else { "expires" },
                last.expires_at,
            );
            (says, over)
        });
        match (self.failed(Blame::ProjectedToken), last) {
            (Some(Ok(error)), None) => Step::new(STEP, self.bad(), error),
            (Some(Ok(error)), Some((last, _))) => {
                Step::new(STEP, self.bad(), format!("{error}; {last}"))
            }
            (_, None) => Step::new(STEP, State::None, "none was admitted since the start"),
            // Nobody has looked at the file since; the next exchange will.
            (_, Some((last, true))) => Step::new(STEP, State::Warning, last),
            (_, Some((last, false))) => Step::new(STEP, State::Ok, last),
        }
    }

    /// The key that vouched for what is held; where nothing is, for the last projected token.
    fn key(&self, facts: &Facts<'_>) -> Step {
        if let Some(Ok(error)) = self.failed(Blame::Key) {
            return Step::new("key", self.bad(), error);
        }
        let last = self.admitted.as_ref();
        let standing = match (self.token, self.failed(Blame::Key)) {
            (Some(token), _) => token.standing(),
            (None, Some(_)) => {
                return Step::new("key", State::None, "it did not come to that");
            }
            (None, None) => last.map(|last| last.standing),
        };
        let key = match standing {
            None => return Step::new("key", State::None, "no key has vouched for anything yet"),
            Some(Standing::Unchecked(why)) => {
                let says = format!("the projected token was sent unchecked ({})", why.as_str());
                return Step::new("key", State::Warning, says);
            }
            Some(Standing::Verified(key)) => key,
        };
        let name = last.and_then(|last| last.kid.as_ref()).map(Foreign::as_str);
        // Kubernetes calls a key by its thumbprint.
        let name = name.filter(|kid| *kid != key.to_string());
        let name = name.map_or_else(String::new, |kid| format!(" (kid {kid})"));
        let vouched = format!("the signature was verified by key {key}{name}");
        let judged =
            facts.report.and_then(|report| report.judgement.keys.iter().find(|it| it.key == key));
        let Some(judged) = judged else {
            return Step::new("key", State::Ok, format!("{vouched}; its age is not judged"));
        };
        let age = match judged.age.at_most {
            Some(most) => format!("{} to {} old", rough(judged.age.at_least), rough(most)),
            None => format!("at least {} old", rough(judged.age.at_least)),
        };
        // Of a key that may be older than it is known to be, the date is the last that it can be.
        let bound = if judged.age_verdict == Verdict::Unknown { " at the latest" } else { "" };
        let by = judged.rotate_by;
        let by = by.map_or_else(String::new, |by| format!(", to be replaced by {by}{bound}"));
        let against = last.and_then(|last| last.objection.as_ref());
        let fix =
            against.map(|it| format!("under CAMBIST_KEY_AGE=enforce it would be refused: {it}"));
        let state = match judged.verdict.as_str() {
            "OK" | "UNKNOWN" => State::Ok,
            _ => State::Warning,
        };
        let says = format!("{vouched}; {}: {age}{by}", judged.verdict.as_str());
        Step::new("key", state, says).with_fix(fix)
    }

    fn exchange(&self) -> Step {
        const STEP: &str = "exchange";
        match self.failed(Blame::Exchange) {
            Some(Ok(error)) => {
                let id = error
                    .request_id()
                    .map_or_else(String::new, |id| format!(" (client-request-id {id})"));
                let said = match error.entra() {
                    Some(entra) => format!("Entra refused{id}: {}", entra.description()),
                    None => format!("it failed{id}: {error}"),
                };
                let fix = error.entra().map(|entra| entra.fix().to_owned());
                Step::new(STEP, self.bad(), said).with_fix(fix)
            }
            Some(Err(_)) => match self.token {
                Some(token) => {
                    let says =
                        format!("the last try did not come to that; before, {}", given(token));
                    Step::new(STEP, State::Ok, says)
                }
                None => Step::new(STEP, State::None, "it did not come to that"),
            },
            None => match self.token {
                Some(token) => Step::new(STEP, State::Ok, given(token)),
                None => Step::new(STEP, State::None, "nothing was asked of Entra for it"),
            },
        }
    }
}

/// What is known of the exchange that a token is from.
fn given(token: &AccessToken) -> String {
    let receipt = token.receipt();
    let told =
        |name: &str, id: Option<&str>| id.map_or_else(String::new, |id| format!(", {name} {id}"));
    format!(
        "Entra gave it at {} in {} ms: client-request-id {}{}{}, SHA-256 {}...",
        receipt.received_at(),
        receipt.took().as_millis(),
        receipt.request_id(),
        told("Entra's request id", receipt.entra_request_id()),
        told("uti", receipt.token_id()),
        receipt.fingerprint(),
    )
}

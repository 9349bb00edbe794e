//! Why a request for a resource is answered as it is: each decision in turn, from who asks to what Entra said.
//!
//! What the policy says is asked of it anew, since it is a pure function; everything else is what happened last.

use std::sync::Arc;

use cambist::cache::Entry;
use cambist::identities::Policy;
use cambist::key_age::Report;
use cambist::{AccessToken, Error};
use cambist_core::admission::Standing;
use cambist_core::clock::{BootTime, UnixTime};
use cambist_core::duration::rough;
use cambist_core::foreign::{Foreign, brief};
use cambist_core::scope::Resource;
use serde::Serialize;

use crate::in_force::InForce;
use crate::telemetry::{LastRefusal, Pair, Telemetry};

mod question;

pub(crate) use question::Question;

/// Most bytes of a sentence.
const SENTENCE: usize = 900;

/// So many chains are told at most.
const MOST: usize = 50;

/// Why a request is answered as it is.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    #[serde(rename = "schemaVersion")]
    schema_version: u8,
    resource: Foreign,
    now: String,
    /// One for each caller and identity between which there is such a token, or could be.
    chains: Vec<Chain>,
    /// The callers that the policy gives no such token.
    denied: Vec<Denied>,
    /// The last requests that were refused, of each caller; and of who was not known.
    refusals: Vec<Refusal>,
}

/// From a caller to its answer.
#[derive(Debug, Serialize)]
struct Chain {
    caller: String,
    identity: String,
    client_id: String,
    tenant_id: Option<String>,
    steps: Vec<Step>,
}

/// One decision.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    state: State,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
    /// It did not come to that.
    None,
}

#[derive(Debug, Serialize)]
struct Denied {
    caller: String,
    says: String,
}

#[derive(Debug, Serialize)]
struct Refusal {
    /// None of who was not known.
    caller: Option<String>,
    at: String,
    reason: &'static str,
    says: String,
}

impl Step {
    fn new(step: &'static str, state: State, says: impl std::fmt::Display) -> Self {
        Self { step, state, says: brief(&says, SENTENCE), fix: None }
    }
}

/// What is known when somebody asks.
pub(crate) struct Facts<'a> {
    pub(crate) in_force: &'a InForce,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) report: Option<&'a Report>,
    pub(crate) now: UnixTime,
    pub(crate) boot: BootTime,
}

/// Answers a question.
pub(crate) fn explain(question: &Question, facts: &Facts<'_>) -> Explanation {
    let policy = facts.in_force.access.policy();
    let entries: Vec<_> = facts.in_force.entries().collect();
    let resource = &question.resource;
    let (mut chains, mut denied) = (Vec::new(), Vec::new());
    for (place, caller) in policy.callers().iter().enumerate() {
        if question.caller.as_ref().is_some_and(|it| it != caller.name()) {
            continue;
        }
        let given: Vec<_> = (0..policy.identities().len())
            .filter(|at| {
                question.identity.as_ref().is_none_or(|it| *it == policy.identities()[*at].name)
            })
            .filter(|at| policy.gives(caller, *at, resource.key()))
            .collect();
        if given.is_empty() {
            let says = match policy.judge(caller, None, resource.key()) {
                Err(denied) => brief(&denied, SENTENCE),
                Ok(_) => {
                    format!("the policy gives {} no such token of this identity", caller.name())
                }
            };
            denied.push(Denied { caller: caller.name().to_owned(), says });
        }
        for identity in given {
            if chains.len() < MOST {
                let name = &policy.identities()[identity].name;
                let entry = entries
                    .iter()
                    .find(|(of, entry)| of == name && entry.scope.resource() == resource.key());
                chains.push(chain(facts, resource, (place, identity), entry.map(|(_, it)| it)));
            }
        }
    }
    let names = policy.callers().iter().map(|it| it.name()).chain([""]);
    let refusals = names.filter_map(|name| {
        let LastRefusal { at, reason, detail } = facts.telemetry.last_refusal(name)?;
        let caller = (!name.is_empty()).then(|| name.to_owned());
        Some(Refusal { caller, at: at.to_string(), reason, says: detail })
    });
    Explanation {
        schema_version: 1,
        resource: Foreign::new(resource.as_str()),
        now: facts.now.to_string(),
        chains,
        denied,
        refusals: refusals.collect(),
    }
}

fn chain(
    facts: &Facts<'_>,
    resource: &Resource<'_>,
    (caller, identity): (usize, usize),
    entry: Option<&Entry>,
) -> Chain {
    let InForce { access, .. } = facts.in_force;
    let policy = access.policy();
    let pair = facts.in_force.pair(caller, identity, facts.telemetry);
    let principal = facts.in_force.credential(identity).principal();
    let token = entry.and_then(|entry| entry.token.as_ref());
    let failure = entry.and_then(|entry| entry.failure.as_ref());
    let known = format!("{} is known {}", pair.caller(), access.how_known(caller));
    let steps = vec![
        Step::new("caller", State::Ok, known),
        of_policy(policy, caller, identity, resource, pair),
        cache(facts, entry),
        projected_token(facts, identity),
        key(facts, identity, token),
        exchange(token, failure),
        answer(facts, resource, pair, token),
    ];
    Chain {
        caller: pair.caller().to_owned(),
        identity: pair.identity().to_owned(),
        client_id: principal.client_id().to_owned(),
        tenant_id: principal.tenant_id().map(ToString::to_string),
        steps,
    }
}

fn of_policy(
    policy: &Policy,
    caller: usize,
    identity: usize,
    resource: &Resource<'_>,
    pair: &Pair,
) -> Step {
    let who = &policy.callers()[caller];
    let unselected = policy.judge(who, None, resource.key());
    let named = match unselected {
        Ok(verdict) if verdict.identity == identity => "without naming it",
        _ => "if the request names it (client_id, object_id or mi_res_id)",
    };
    let (caller, identity_name) = (pair.caller(), pair.identity());
    if policy.allows(who, identity, resource.key()) {
        let says = format!("{caller} may have tokens of {identity_name} for this, {named}");
        return Step::new("policy", State::Ok, says);
    }
    let says = format!(
        "{caller} may not have tokens of {identity_name} for this and gets them all the same, since the policy's mode is audit"
    );
    let fix = format!("give {caller} the resource, or see who asks before the mode is enforce");
    Step { fix: Some(fix), ..Step::new("policy", State::Warning, says) }
}

fn cache(facts: &Facts<'_>, entry: Option<&Entry>) -> Step {
    let Some(entry) = entry else {
        return Step::new(
            "cache",
            State::None,
            "nothing is known of it: nobody has asked since the start, or not for long",
        );
    };
    let failed = entry.failure.as_ref().map(|error| {
        let again = error
            .retry_after()
            .map_or_else(String::new, |wait| format!(", to be tried again in {}", rough(wait)));
        format!("the last try failed ({}){again}", error.reason().as_str())
    });
    let asked = format!("last asked for {} ago", rough(facts.boot.since(entry.last_asked)));
    match (&entry.token, failed) {
        (Some(token), failed) => {
            let left = rough(token.remaining_at(facts.boot));
            let held =
                format!("a token is held for {left} more, until {}; {asked}", token.expires_on());
            match failed {
                None => Step::new("cache", State::Ok, held),
                Some(failed) => Step::new("cache", State::Warning, format!("{held}; {failed}")),
            }
        }
        (None, Some(failed)) => {
            Step::new("cache", State::Failed, format!("no token is held: {failed}; {asked}"))
        }
        (None, None) => {
            Step::new("cache", State::None, format!("no token is held, and none failed; {asked}"))
        }
    }
}

fn projected_token(facts: &Facts<'_>, identity: usize) -> Step {
    let principal = facts.in_force.credential(identity).principal();
    let Some(last) = facts.telemetry.last_admitted(principal) else {
        return Step::new("projected token", State::None, "none was admitted since the start");
    };
    let id = last.id.map_or_else(String::new, |id| format!(", jti {}", id.as_str()));
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
    Step::new("projected token", State::Ok, says)
}

/// The key that vouched for what is held; where nothing is, for the last projected token.
fn key(facts: &Facts<'_>, identity: usize, token: Option<&Arc<AccessToken>>) -> Step {
    let principal = facts.in_force.credential(identity).principal();
    let last = facts.telemetry.last_admitted(principal);
    let standing = match token {
        Some(token) => token.standing(),
        None => last.as_ref().map(|last| last.standing),
    };
    let key = match standing {
        None => return Step::new("key", State::None, "no key has vouched for anything yet"),
        Some(Standing::Unchecked(why)) => {
            let says = format!("the projected token was sent unchecked ({})", why.as_str());
            return Step::new("key", State::Warning, says);
        }
        Some(Standing::Verified(key)) => key,
    };
    let name = last.as_ref().and_then(|last| last.kid.as_ref()).map(Foreign::as_str);
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
    let by = judged.rotate_by.map_or_else(String::new, |by| format!(", to be replaced by {by}"));
    let against = last.and_then(|last| last.objection);
    let fix = against.map(|it| format!("under CAMBIST_KEY_AGE=enforce it would be refused: {it}"));
    let state = if judged.verdict.as_str() == "OK" || judged.verdict.as_str() == "UNKNOWN" {
        State::Ok
    } else {
        State::Warning
    };
    let says = format!("{vouched}; {}: {age}{by}", judged.verdict.as_str());
    Step { fix, ..Step::new("key", state, says) }
}

fn exchange(token: Option<&Arc<AccessToken>>, failure: Option<&Error>) -> Step {
    if let Some(error) = failure {
        let id =
            error.request_id().map_or_else(String::new, |id| format!(" (client-request-id {id})"));
        let said = match error.entra() {
            Some(entra) => format!("Entra refused{id}: {}", entra.description()),
            None => format!("it failed{id}: {error}"),
        };
        let state = if token.is_some() { State::Warning } else { State::Failed };
        let fix =
            error.entra().map(|entra| brief(&entra.fix(), SENTENCE)).filter(|fix| !fix.is_empty());
        return Step { fix, ..Step::new("exchange", state, said) };
    }
    let Some(token) = token else {
        return Step::new("exchange", State::None, "nothing was asked of Entra for it");
    };
    let receipt = token.receipt();
    let told =
        |name: &str, id: Option<&str>| id.map_or_else(String::new, |id| format!(", {name} {id}"));
    let says = format!(
        "Entra gave it at {} in {} ms: client-request-id {}{}{}, SHA-256 {}...",
        receipt.received_at(),
        receipt.took().as_millis(),
        receipt.request_id(),
        told("Entra's request id", receipt.entra_request_id()),
        told("uti", receipt.token_id()),
        receipt.fingerprint(),
    );
    Step::new("exchange", State::Ok, says)
}

fn answer(
    facts: &Facts<'_>,
    resource: &Resource<'_>,
    pair: &Pair,
    token: Option<&Arc<AccessToken>>,
) -> Step {
    let caller = pair.caller();
    let times = token.map_or(0, |token| token.uses().by(pair.caller_number()));
    let last = facts.telemetry.last_answer(pair, resource.key());
    let had = match times {
        0 => format!("{caller} has not had the token that is held"),
        1 => format!("{caller} has had the token that is held once"),
        times => format!("{caller} has had the token that is held {times} times"),
    };
    match last {
        Some(last) if last.outcome == "granted" => {
            let says = format!(
                "{had}; last waited for at {} ({}, {} ms)",
                last.at,
                last.why,
                last.waited.as_millis()
            );
            Step::new("answer", State::Ok, says)
        }
        Some(last) => {
            let state = if times > 0 { State::Warning } else { State::Failed };
            let says = format!("{had}; {} at {} ({})", last.outcome, last.at, last.why);
            Step::new("answer", state, says)
        }
        None if times > 0 => Step::new("answer", State::Ok, had),
        None => Step::new(
            "answer",
            State::None,
            format!("{caller} has not asked for it since the start"),
        ),
    }
}

#[cfg(test)]
mod tests;

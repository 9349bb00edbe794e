//! What is so of a caller: how it is known, what the policy gives it, and what it was answered.

use std::fmt::Write as _;

use cambist::AccessToken;
use cambist::identities::{Caller, Policy};
use cambist_core::foreign::{Foreign, brief};
use cambist_core::scope::{Allowed, Resource};
use serde::Serialize;

use super::Facts;
use super::step::{SENTENCE, State, Step};
use crate::telemetry::{LastAnswer, Pair};

/// A caller and an identity whose token it may have for this, or has all the same.
#[derive(Debug, Serialize)]
pub(super) struct CallerChain {
    caller: String,
    identity: String,
    pub(super) steps: Vec<Step>,
}

/// A caller that the policy gives no such token.
#[derive(Debug, Serialize)]
pub(super) struct Denied {
    caller: String,
    reason: &'static str,
    says: String,
}

pub(super) fn chain(
    facts: &Facts<'_>,
    resource: &Resource<'_>,
    (caller, identity): (usize, usize),
    token: Option<&AccessToken>,
) -> CallerChain {
    let access = &facts.in_force.access;
    let pair = facts.in_force.pair(caller, identity, facts.telemetry);
    let known = format!("{} is known {}", pair.caller(), access.how_known(caller));
    let last = facts.telemetry.last_answer(pair, resource.key());
    let steps = vec![
        Step::new("caller", State::Ok, known),
        policy(access.policy(), (caller, identity), resource, pair),
        answer(pair, token, last.as_ref()),
    ];
    let (caller, identity) = (pair.caller().to_owned(), pair.identity().to_owned());
    CallerChain { caller, identity, steps }
}

fn policy(
    policy: &Policy,
    (caller, identity): (usize, usize),
    resource: &Resource<'_>,
    pair: &Pair,
) -> Step {
    let who = &policy.callers()[caller];
    let named = match policy.judge(who, None, resource.key()) {
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
    Step::new("policy", State::Warning, says).with_fix(Some(fix))
}

fn answer(pair: &Pair, token: Option<&AccessToken>, last: Option<&LastAnswer>) -> Step {
    let caller = pair.caller();
    let times = token.map_or(0, |token| token.uses().by(pair.caller_number()));
    let had = match times {
        0 => format!("{caller} has not had the token that is held"),
        1 => format!("{caller} has had the token that is held once"),
        times => format!("{caller} has had the token that is held {times} times"),
    };
    let (state, says) = match last {
        None if times > 0 => (State::Ok, had),
        None => (State::None, format!("{caller} has not asked for it since the start")),
        Some(LastAnswer { at, outcome: "granted", why, waited }) => {
            let waited = waited.as_millis();
            match token {
                Some(_) => {
                    (State::Ok, format!("{had}; last waited for at {at} ({why}, {waited} ms)"))
                }
                None => (
                    State::Ok,
                    format!("{caller} had one at {at} ({why}, {waited} ms), which is over"),
                ),
            }
        }
        // What is held now came after it.
        Some(LastAnswer { at, outcome, why, .. }) if times > 0 => {
            (State::Ok, format!("{had}; before, a request {outcome} at {at} ({why})"))
        }
        Some(LastAnswer { at, outcome, why, .. }) => {
            let since = if token.is_some() { "; it has not asked since there is one" } else { "" };
            (State::Failed, format!("{caller}'s last request {outcome} at {at} ({why}){since}"))
        }
    };
    Step::new("answer", state, says)
}

/// What a caller is told that has no right to this, by any identity that was asked about.
pub(super) fn denied(
    policy: &Policy,
    caller: &Caller,
    identity: Option<&str>,
    resource: &Resource<'_>,
) -> Denied {
    let name = caller.name();
    let of = identity.map_or_else(String::new, |identity| format!(" of {identity}"));
    let resource = Foreign::new(resource.as_str());
    let mut says = format!("the policy gives {name} no token{of} for {resource}: it may have ");
    let mut rights = caller.rights().peekable();
    if rights.peek().is_none() {
        says += "nothing";
    }
    for (n, (at, resources)) in rights.enumerate() {
        let identity = &policy.identities()[at];
        let _ = write!(
            says,
            "{}tokens of {} for {}",
            if n > 0 { ", " } else { "" },
            identity.name,
            listed(resources)
        );
        if let Some(most) = &identity.resources {
            let _ = write!(says, " (of which anybody has no other than {})", listed(most));
        }
    }
    let says = brief(&says, SENTENCE);
    Denied { caller: name.to_owned(), reason: "policy_denied", says }
}

fn listed(resources: &[Allowed]) -> String {
    if resources.is_empty() {
        return "nothing".to_owned();
    }
    resources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

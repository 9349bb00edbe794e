//! Why a request for a resource is answered as it is: each decision in turn, from who asks to what Entra said.
//!
//! What is so of an identity's token is told once, whoever asks for it. What the policy says is asked of it anew, since
//! it is a pure function; everything else is what happened last.

use cambist::cache::Entry;
use cambist::identities::Caller;
use cambist::key_age::Report;
use cambist_core::clock::{BootTime, UnixTime};
use cambist_core::foreign::Foreign;
use serde::Serialize;

use crate::in_force::InForce;
use crate::telemetry::Telemetry;

pub(crate) mod blame;
mod caller;
mod identity;
mod question;
mod refusal;
mod step;

use caller::{CallerChain, Denied};
use identity::IdentityChain;
pub(crate) use question::Question;
use refusal::Refusal;
use step::{State, Step};

/// The version of what is told.
pub(crate) const SCHEMA: u8 = 1;

/// So many callers, each with an identity, are told at most.
const MOST: usize = 50;

/// Why a request is answered as it is.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    #[serde(rename = "schemaVersion")]
    schema_version: u8,
    resource: Foreign,
    now: String,
    /// Whether a step or the last answer to one of these callers has failed, or nobody may have such a token.
    failing: bool,
    /// The identities of which there is such a token, or could be.
    identities: Vec<IdentityChain>,
    /// The callers that may have it, once for each of these identities.
    callers: Vec<CallerChain>,
    /// The callers that the policy gives no such token.
    denied: Vec<Denied>,
    /// The last requests that were refused, of each caller; and of who was not known.
    refusals: Vec<Refusal>,
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
///
/// # Errors
/// That a name in it is of nobody, in words.
pub(crate) fn explain(question: &Question, facts: &Facts<'_>) -> Result<Explanation, String> {
    let policy = facts.in_force.access.policy();
    question.names_somebody(policy)?;
    let entries: Vec<_> = facts.in_force.entries().collect();
    let resource = &question.resource;
    let entry = |identity: usize| {
        let name = facts.in_force.name(identity);
        let is =
            |(of, entry): &&(&str, Entry)| *of == name && entry.scope.resource() == resource.key();
        entries.iter().find(is).map(|(_, entry)| entry)
    };
    let asked = |caller: &Caller| question.caller.as_ref().is_none_or(|it| it == caller.name());
    let (mut callers, mut given_of, mut denied) = (Vec::new(), Vec::new(), Vec::new());
    let mut refusals = Vec::new();
    for (place, caller) in policy.callers().iter().enumerate().filter(|(_, it)| asked(it)) {
        let identities = policy.identities().iter().enumerate();
        let given: Vec<_> = identities
            .filter(|(_, it)| question.identity.as_ref().is_none_or(|name| *name == it.name))
            .map(|(at, _)| at)
            .filter(|at| policy.gives(caller, *at, resource.key()))
            .collect();
        if given.is_empty() {
            let identity = question.identity.as_deref();
            denied.push(caller::denied(policy, caller, identity, resource));
        }
        refusals.extend(Refusal::of(facts, resource, (place, caller), &given, entry));
        for identity in given {
            if callers.len() < MOST {
                let token = entry(identity).and_then(|it| it.token.as_deref());
                callers.push(caller::chain(facts, resource, (place, identity), token));
                given_of.push(identity);
            }
        }
    }
    if question.caller.is_none() {
        refusals.extend(Refusal::of_nobody_known(facts));
    }
    given_of.sort_unstable();
    given_of.dedup();
    let failing_work = given_of.iter().any(|at| entry(*at).is_some_and(|it| it.failure.is_some()));
    let identities: Vec<_> =
        given_of.into_iter().map(|at| identity::chain(facts, at, entry(at))).collect();
    let failed = |steps: &[Step]| steps.iter().any(|step| step.state == State::Failed);
    let failing = failing_work
        || callers.is_empty()
        || identities.iter().any(|it| failed(&it.steps))
        || callers.iter().any(|it| failed(&it.steps))
        || refusals.iter().any(|it: &Refusal| it.last);
    Ok(Explanation {
        schema_version: SCHEMA,
        resource: Foreign::new(resource.as_str()),
        now: facts.now.to_string(),
        failing,
        identities,
        callers,
        denied,
        refusals,
    })
}

#[cfg(test)]
mod tests;

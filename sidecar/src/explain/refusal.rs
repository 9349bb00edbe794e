//! Requests that were refused before anything was done for them.

use cambist::cache::Entry;
use cambist::identities::Caller;
use cambist_core::scope::Resource;
use serde::Serialize;

use super::Facts;
use crate::telemetry::LastRefusal;

/// The last request of a caller that was refused.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    /// None of who was not known.
    caller: Option<String>,
    at: String,
    reason: &'static str,
    says: String,
    fix: &'static str,
    /// Whether nothing is known that the caller was answered since.
    pub(super) last: bool,
}

impl Refusal {
    /// The last of a caller, who may have the token of these identities.
    ///
    /// What a held token answers is counted and has no time of its own, but it is known when anybody asked for it last.
    pub(super) fn of<'e>(
        facts: &Facts<'_>,
        resource: &Resource<'_>,
        (place, caller): (usize, &Caller),
        given: &[usize],
        entry: impl Fn(usize) -> Option<&'e Entry>,
    ) -> Option<Self> {
        let refused = facts.telemetry.last_refusal(caller.name())?;
        let answered_since = given.iter().any(|identity| {
            let pair = facts.in_force.pair(place, *identity, facts.telemetry);
            let answer = facts.telemetry.last_answer(pair, resource.key()).map(|answer| answer.at);
            let had = entry(*identity).filter(|entry| {
                let token = entry.token.as_ref();
                token.is_some_and(|token| token.uses().by(pair.caller_number()) > 0)
            });
            let had = had.map(|entry| facts.now - facts.boot.since(entry.last_asked));
            answer.max(had).is_some_and(|at| at > refused.at)
        });
        Some(Self::new(Some(caller.name().to_owned()), refused, !answered_since))
    }

    /// The last of who was not known, which is no caller's last.
    pub(super) fn of_nobody_known(facts: &Facts<'_>) -> Option<Self> {
        facts.telemetry.last_refusal("").map(|refused| Self::new(None, refused, false))
    }

    fn new(caller: Option<String>, refused: LastRefusal, last: bool) -> Self {
        let LastRefusal { at, reason, detail } = refused;
        let (word, fix) = (reason.as_str(), reason.remedy());
        Self { caller, at: at.to_string(), reason: word, says: detail, fix, last }
    }
}

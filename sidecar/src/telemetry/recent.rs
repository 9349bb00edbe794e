//! The reader that keeps what happened last: to each request that something had to be done for, and to each projected
//! token. What a cached token answers is not kept but counted, with the token.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cambist::Principal;
use cambist::event::{Admitted, ServedHow};
use cambist_core::admission::Standing;
use cambist_core::clock::UnixTime;
use cambist_core::foreign::{Foreign, ForeignList, brief};
use cambist_core::scope::Resource;
use cambist_core::token::Claims;

use super::MESSAGE;
use super::run::Run;
use crate::event::{Event, TokenRequest};
use crate::request::Reason;

/// So many are kept of each; of those beyond, nothing.
const MOST: usize = 1000;

/// What happened last.
#[derive(Debug)]
pub(super) struct Recent {
    run: Run,
    answers: Mutex<HashMap<Asked, LastAnswer>>,
    refusals: Mutex<HashMap<String, LastRefusal>>,
    admitted: Mutex<HashMap<Principal, LastAdmitted>>,
}

/// Who asked for whose token, and what for.
type Asked = (String, String, String);

/// The last answer that was no hit of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastAnswer {
    pub(crate) at: UnixTime,
    /// `granted`, `failed` or `sent away`.
    pub(crate) outcome: &'static str,
    /// Where a token that was granted was from, or the reason why there was none.
    pub(crate) why: &'static str,
    pub(crate) waited: Duration,
}

/// The last request of a caller's that was refused for its shape, or by the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastRefusal {
    pub(crate) at: UnixTime,
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

/// The last projected token of an identity that was judged and may be sent.
#[derive(Clone, Debug)]
pub(crate) struct LastAdmitted {
    pub(crate) at: UnixTime,
    pub(crate) issuer: Foreign,
    pub(crate) subject: Foreign,
    pub(crate) audiences: ForeignList,
    pub(crate) id: Option<Foreign>,
    pub(crate) kid: Option<Foreign>,
    pub(crate) issued_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    pub(crate) standing: Standing,
    /// What enforcement would say against it.
    pub(crate) objection: Option<String>,
}

impl Recent {
    pub(super) fn new(run: Run) -> Self {
        let (answers, refusals, admitted) = Default::default();
        Self { run, answers, refusals, admitted }
    }

    pub(super) fn read(&self, event: &Event<'_>) {
        match event {
            Event::Granted(it) if it.how != ServedHow::Hit => {
                self.answered(&it.request, "granted", it.how.as_str(), it.waited);
            }
            Event::Failed(it) => {
                self.answered(&it.request, "failed", it.error.reason().as_str(), it.waited);
            }
            Event::SentAway(it) => {
                self.answered(&it.request, "sent away", it.recalled.as_str(), it.waited);
            }
            Event::Refused(it) => {
                let caller = it.rejection.caller().unwrap_or_default().to_owned();
                let (reason, detail) = (it.rejection.reason(), brief(it.rejection, MESSAGE));
                keep(&self.refusals, caller, LastRefusal { at: self.run.now(), reason, detail });
            }
            Event::Library(cambist::Event::Admitted(it)) => self.admitted(it),
            Event::Granted(_)
            | Event::Library(_)
            | Event::TurnedAway(_)
            | Event::WouldDeny(_)
            | Event::Reloaded(_) => {}
        }
    }

    fn answered(
        &self,
        request: &TokenRequest<'_>,
        outcome: &'static str,
        why: &'static str,
        waited: Duration,
    ) {
        let at = self.run.now();
        let last = LastAnswer { at, outcome, why, waited };
        keep(&self.answers, asked(request), last);
    }

    fn admitted(&self, it: &Admitted<'_>) {
        let assertion = it.assertion;
        let Claims { issuer, subject, audiences, id, issued_at, expires_at, .. } =
            assertion.claims();
        let last = LastAdmitted {
            at: self.run.now(),
            issuer: Foreign::new(issuer),
            subject: Foreign::new(subject),
            audiences: ForeignList::of(audiences),
            id: id.as_ref().map(Foreign::new),
            kid: assertion.kid().map(|kid| Foreign::new(kid.as_str())),
            issued_at: *issued_at,
            expires_at: *expires_at,
            standing: assertion.standing(),
            objection: assertion.objection().map(|it| brief(it, MESSAGE)),
        };
        keep(&self.admitted, it.principal.clone(), last);
    }

    /// The last answer to this, if something had to be done for it.
    pub(super) fn answer(
        &self,
        caller: &str,
        identity: &str,
        resource: &str,
    ) -> Option<LastAnswer> {
        let asked = (caller.to_owned(), identity.to_owned(), resource.to_owned());
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&asked).cloned()
    }

    /// The last refusal of this caller; of who is not known, under the empty name.
    pub(super) fn refusal(&self, caller: &str) -> Option<LastRefusal> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).get(caller).cloned()
    }

    /// The last projected token that was admitted for an identity, or for the blueprint that stands behind it.
    pub(super) fn last_admitted(&self, of: &Principal) -> Option<LastAdmitted> {
        let all = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = || all.iter().find(|(it, _)| it.agent() == Some(of.client_id()));
        all.get(of).or_else(|| behind().map(|(_, last)| last)).cloned()
    }
}

fn asked(request: &TokenRequest<'_>) -> Asked {
    let resource = Resource::parse(request.resource);
    let resource = resource.map_or_else(|_| request.resource.to_owned(), |it| it.key().to_owned());
    (request.pair.caller().to_owned(), request.pair.identity().to_owned(), resource)
}

fn keep<K: Eq + std::hash::Hash, V>(all: &Mutex<HashMap<K, V>>, key: K, value: V) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() < MOST || all.contains_key(&key) {
        all.insert(key, value);
    }
}

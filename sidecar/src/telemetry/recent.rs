//! The reader that keeps what happened last: to each request that something had to be done for, and to each projected
//! token. What a cached token answers is not kept but counted, with the token.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// Of each, the last so many are kept, and at most twice as many.
const KEPT: usize = 1000;

/// What happened last.
#[derive(Debug)]
pub(super) struct Recent {
    run: Run,
    answers: Mutex<Latest<Asked, LastAnswer>>,
    refusals: Mutex<Latest<String, LastRefusal>>,
    admitted: Mutex<Latest<Principal, LastAdmitted>>,
}

/// What was told last of each, in two generations: once the younger is full it becomes the older, and what was not
/// told again since goes.
#[derive(Debug)]
struct Latest<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Latest<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash, V> Latest<K, V> {
    fn keep(&mut self, key: K, value: V) {
        if self.young.len() >= KEPT && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    fn of<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }
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
                let last = LastRefusal { at: self.run.now(), reason, detail };
                locked(&self.refusals).keep(caller, last);
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
        locked(&self.answers).keep(asked(request), last);
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
        locked(&self.admitted).keep(it.principal.clone(), last);
    }

    /// The last answer to this, if something had to be done for it.
    pub(super) fn answer(
        &self,
        caller: &str,
        identity: &str,
        resource: &str,
    ) -> Option<LastAnswer> {
        let asked = (caller.to_owned(), identity.to_owned(), resource.to_owned());
        locked(&self.answers).of(&asked).cloned()
    }

    /// The last refusal of this caller; of who is not known, under the empty name.
    pub(super) fn refusal(&self, caller: &str) -> Option<LastRefusal> {
        locked(&self.refusals).of(caller).cloned()
    }

    /// The last projected token that was admitted for an identity, or for the blueprint that stands behind it.
    pub(super) fn last_admitted(&self, of: &Principal) -> Option<LastAdmitted> {
        let all = locked(&self.admitted);
        let behind = || all.iter().find(|(it, _)| it.agent() == Some(of.client_id()));
        all.of(of).or_else(|| behind().map(|(_, last)| last)).cloned()
    }
}

fn asked(request: &TokenRequest<'_>) -> Asked {
    let resource = Resource::parse(request.resource);
    let resource = resource.map_or_else(|_| request.resource.to_owned(), |it| it.key().to_owned());
    (request.pair.caller().to_owned(), request.pair.identity().to_owned(), resource)
}

fn locked<T>(all: &Mutex<T>) -> MutexGuard<'_, T> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_whatever_there_was_before_and_no_more_than_twice_as_many() {
        let mut latest = Latest::default();
        for n in 0..4 * KEPT {
            // One of them is told of again and again.
            latest.keep(0, n);
            latest.keep(n, n);
            let kept = latest.young.len() + latest.old.len();
            assert!((KEPT.min(n)..=2 * KEPT).contains(&kept), "{kept}");
            assert_eq!(latest.of(&n), Some(&n), "a new one is kept");
            let last = n.saturating_sub(KEPT - 2);
            assert!(latest.of(&last).is_some() && latest.of(&0).is_some(), "{last} of {n}");
        }
        assert_eq!(latest.of(&1), None, "the oldest are gone");
    }
}

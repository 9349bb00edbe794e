//! The token listener's requests, answered.

use std::sync::Arc;
use std::time::Duration;

use cambist::Credential;
use cambist::cache::Answered;
use cambist::event::ServedHow;
use cambist_core::clock::{BootTime, Clock};
use cambist_core::scope::Scope;
use cambist_core::secret::Secret;
use http::{Request, Response};

use crate::access;
use crate::decide::{Decision, decide};
use crate::event::{Event, Failed, Granted, Refused, SentAway, TokenRequest, WouldDeny};
use crate::in_force::{Current, InForce};
use crate::listener::{Link, Waiting};
use crate::reply::{self, Body, Grant};
use crate::request::{self, Protocol, Rejection};
use crate::telemetry::{Pair, Telemetry};

/// Clocks that differ by less are the same but for rounding.
const ROUNDING: Duration = Duration::from_secs(2);

/// What answers requests for tokens.
#[derive(Debug)]
pub struct Endpoint {
    current: Current,
    waiting: Arc<Waiting>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
}

/// An answer, or what is to be waited for.
#[derive(Debug)]
pub enum Answer {
    /// The answer.
    Now(Response<Body>),
    /// No token can be handed out at once: [`Endpoint::wait`] for it.
    Later(Box<Pending>),
}

/// A request whose token has to be fetched.
#[derive(Debug)]
pub struct Pending {
    protocol: Protocol,
    pair: Arc<Pair>,
    /// The secret that the caller is known by, if by one.
    shown: Option<Secret>,
    decided_by: Arc<InForce>,
    credential: Credential,
    resource: String,
    scope: Scope,
    min_ttl: Duration,
    link: Arc<Link>,
}

impl Pending {
    fn request(&self) -> TokenRequest<'_> {
        let Self { protocol, pair, credential, resource, .. } = self;
        let principal = credential.principal();
        TokenRequest { protocol: *protocol, pair, principal, resource }
    }
}

impl Endpoint {
    /// An endpoint that goes by what is in force when it is asked. Who has to wait for a token waits in a place of
    /// `waiting`.
    pub fn new(
        current: Current,
        waiting: Arc<Waiting>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self { current, waiting, clock, telemetry }
    }

    /// Answers what can be answered at once: every cached token, every refusal.
    ///
    /// Not `async`, so that the path nearly all requests take has nothing to wait for. Must be
    /// called within a tokio runtime.
    pub fn answer<B>(&self, link: &Arc<Link>, request: &Request<B>) -> Answer {
        // Loaded once, so that no answer is of two policies.
        let in_force = self.current.load();
        let decision = match decide(&in_force.access, link.ends(), request) {
            Ok(decision) => decision,
            Err(rejection) => {
                let protocol = request::protocol_of(request.uri().path());
                let rejection = rejection.without(in_force.access.secrets());
                return Answer::Now(self.refuse(protocol, &rejection));
            }
        };
        let Decision { protocol, caller, allowed, identity, resource, min_ttl } = decision;
        let credential = in_force.credential(identity);
        let min_ttl = min_ttl.unwrap_or_default();
        let (principal, asked) = (credential.principal(), resource.as_str());
        let pair = in_force.pair(caller, identity, &self.telemetry);
        let wanted = TokenRequest { protocol, pair, principal, resource: asked };
        let misplaced = || {
            let rejection = in_force.access.check_resource(asked).err()?.by(pair.caller());
            Some(Answer::Now(self.refuse(Some(protocol), &rejection)))
        };
        if !allowed {
            if let Some(refused) = misplaced() {
                return refused;
            }
            self.telemetry.tell(&Event::WouldDeny(WouldDeny { request: wanted }));
        }
        // One reading tells both whether the token is good and for how long.
        let now = self.clock.boot();
        match credential.at_once(resource.key(), min_ttl, now) {
            Some(answered) => Answer::Now(self.answered(wanted, &answered, now)),
            None => {
                // What is cached was checked before.
                if let Some(refused) = misplaced() {
                    return refused;
                }
                Answer::Later(Box::new(Pending {
                    protocol,
                    pair: pair.clone(),
                    shown: access::shown_secret(protocol, request.headers()),
                    decided_by: Arc::clone(&in_force),
                    credential: credential.clone(),
                    resource: asked.to_owned(),
                    scope: resource.scope(),
                    min_ttl,
                    link: link.clone(),
                }))
            }
        }
    }

    fn refuse(&self, protocol: Option<Protocol>, rejection: &Rejection) -> Response<Body> {
        self.telemetry.tell(&Event::Refused(Refused { protocol, rejection }));
        reply::rejection(rejection, self.clock.wall())
    }

    /// Waits for the token, as long as there is a place to wait in. If the caller leaves, the work for
    /// it goes on for the next one.
    pub async fn wait(&self, pending: Box<Pending>) -> Response<Body> {
        let Pending { credential, scope, min_ttl, link, .. } = &*pending;
        let request = pending.request();
        let caller = request.pair.caller().to_owned();
        let wanted = (caller, request.principal.clone(), scope.clone());
        let began = self.clock.boot();
        let ended = match self.waiting.enter(wanted, link.clone()) {
            Ok(mut place) => tokio::select! {
                biased;
                answered = credential.answer(scope, *min_ttl) => Ok(answered),
                recalled = place.recalled() => Err(recalled),
            },
            Err(recalled) => Err(recalled),
        };
        if let Err(rejection) = self.is_still_given(&pending) {
            return self.refuse(Some(request.protocol), &rejection);
        }
        let now = self.clock.boot();
        let recalled = match ended {
            Ok(answered) => return self.answered(request, &answered, now),
            Err(recalled) => recalled,
        };
        let waited = now.since(began);
        // What is valid is answered, if it is not what was hoped for.
        if let Some(token) = credential.held(scope) {
            let granted = Granted { request, token: &token, how: ServedHow::Held, waited };
            return self.grant(granted, now);
        }
        self.telemetry.tell(&Event::SentAway(SentAway { request, recalled, waited }));
        reply::sent_away(recalled, self.clock.wall())
    }

    /// What was in force when it was asked may not be so any more.
    fn is_still_given(&self, pending: &Pending) -> Result<(), Rejection> {
        let in_force = self.current.load();
        let request = pending.request();
        let caller = request.pair.caller();
        if Arc::ptr_eq(&in_force, &pending.decided_by)
            || in_force.access.knows(caller, pending.shown.as_ref()) && in_force.gives(&request)
        {
            return Ok(());
        }
        let detail = format!("the policy gives {caller} this token no longer");
        Err(Rejection::new(request::Reason::PolicyDenied, detail).by(caller))
    }

    fn answered(
        &self,
        request: TokenRequest<'_>,
        answered: &Answered,
        now: BootTime,
    ) -> Response<Body> {
        let Answered { outcome, how, waited, .. } = answered;
        let (how, waited) = (*how, *waited);
        match outcome {
            Ok(token) => self.grant(Granted { request, token, how, waited }, now),
            Err(error) => {
                let response = reply::failure(error, self.clock.wall());
                let failed = Failed { request, status: response.status(), error, waited };
                self.telemetry.tell(&Event::Failed(failed));
                response
            }
        }
    }

    fn grant(&self, granted: Granted<'_>, now: BootTime) -> Response<Body> {
        let Granted { request, token, .. } = granted;
        let expires_in = token.remaining_at(now);
        // What remains is what is known; the moment that it ends at is told by the same wall clock
        // that the app reads, which may have been set right since the token came.
        let by_now = self.clock.wall() + expires_in;
        let told = token.expires_on();
        let expires_on = if by_now.distance(told) <= ROUNDING { told } else { by_now };
        self.telemetry.tell(&Event::Granted(granted));
        reply::token(&Grant {
            access_token: token.secret().expose(),
            client_id: request.principal.client_id(),
            expires_in,
            expires_on,
            not_before: token.not_before(),
            resource: request.resource,
        })
    }
}

#[cfg(test)]
mod tests;

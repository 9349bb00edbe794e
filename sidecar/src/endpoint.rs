//! The token listener's requests, answered.

use std::sync::Arc;
use std::time::Duration;

use cambist::{AccessToken, Credential};
use cambist_core::clock::Clock;
use cambist_core::scope::Scope;
use http::{Request, Response};

use crate::listener::Ends;
use crate::reply::{self, Body, Grant};
use crate::request::{self, Policy, Protocol, TokenRequest};
use crate::telemetry::Telemetry;

/// Clocks that differ by less are the same but for rounding.
const ROUNDING: Duration = Duration::from_secs(2);

/// What answers requests for tokens.
#[derive(Debug)]
pub struct Endpoint {
    policy: Policy,
    credential: Credential,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
}

/// An answer, or what is to be waited for.
#[derive(Debug)]
pub enum Answer {
    /// The answer.
    Now(Response<Body>),
    /// No token can be handed out at once: [`Endpoint::wait`] for it.
    Later(Pending),
}

/// A request whose token has to be fetched.
#[derive(Debug)]
pub struct Pending {
    protocol: Protocol,
    resource: String,
    scope: Scope,
    min_ttl: Duration,
}

impl Endpoint {
    /// An endpoint that holds requests against `policy` and answers with `credential`'s tokens.
    pub fn new(
        policy: Policy,
        credential: Credential,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self { policy, credential, clock, telemetry }
    }

    /// Answers what can be answered at once: every cached token, every refusal.
    ///
    /// Not `async`, so that the path nearly all requests take has nothing to wait for. Must be
    /// called within a tokio runtime.
    pub fn answer<B>(&self, ends: Ends, request: &Request<B>) -> Answer {
        let asked = match request::parse(&self.policy, ends, request) {
            Ok(asked) => asked,
            Err(rejection) => {
                let protocol = request::protocol_of(request.uri().path());
                self.telemetry.refused(protocol, &rejection);
                return Answer::Now(reply::rejection(&rejection, self.clock.wall()));
            }
        };
        let TokenRequest { protocol, resource, min_ttl } = asked;
        if min_ttl.is_none()
            && let Some(token) = self.credential.peek(resource.key())
        {
            return Answer::Now(self.grant(protocol, resource.as_str(), &token));
        }
        Answer::Later(Pending {
            protocol,
            resource: resource.as_str().to_owned(),
            scope: resource.scope(),
            min_ttl: min_ttl.unwrap_or_default(),
        })
    }

    /// Waits for the token. If the caller leaves, the work for it goes on for the next one.
    pub async fn wait(&self, pending: Pending) -> Response<Body> {
        let Pending { protocol, resource, scope, min_ttl } = pending;
        match self.credential.token_with_min_ttl(&scope, min_ttl).await {
            Ok(token) => self.grant(protocol, &resource, &token),
            Err(error) => {
                let response = reply::failure(&error, self.clock.wall());
                self.telemetry.failed(protocol, &resource, response.status(), &error);
                response
            }
        }
    }

    fn grant(&self, protocol: Protocol, resource: &str, token: &AccessToken) -> Response<Body> {
        let expires_in = token.remaining_at(self.clock.boot());
        // What remains is what is known; the moment that it ends at is told by the same wall clock
        // that the app reads, which may have been set right since the token came.
        let by_now = self.clock.wall() + expires_in;
        let told = token.expires_on();
        let expires_on = if by_now.distance(told) <= ROUNDING { told } else { by_now };
        self.telemetry.granted(protocol, resource);
        reply::token(&Grant {
            access_token: token.secret().expose(),
            client_id: self.credential.client_id(),
            expires_in,
            expires_on,
            not_before: token.not_before(),
            resource,
        })
    }
}

#[cfg(test)]
mod tests;

//! What requests got.

use cambist_core::foreign::{Foreign, brief};

use super::{AUDIT, Log, Repeats};
use crate::event::{Failed, Granted, Refused, SentAway, TokenRequest, TurnedAway, WouldDeny};
use crate::request::Protocol;
use crate::telemetry::MESSAGE;

impl Log {
    pub(super) fn refused(&self, it: &Refused<'_>) {
        let reason = it.rejection.reason();
        let about = it.protocol.map_or("none", Protocol::as_str);
        let who = it.rejection.caller();
        let second = self.run.second();
        let told = self.refusals.tell(second, reason.as_str(), who.unwrap_or_default(), about);
        if let Some(unlogged) = told {
            tracing::warn!(
                target: AUDIT,
                protocol = it.protocol.map(Protocol::as_str),
                caller = who,
                status = reason.status().as_u16(),
                reason = reason.as_str(),
                detail = %it.rejection,
                unlogged,
                "refused"
            );
        }
    }

    pub(super) fn turned_away(&self, it: &TurnedAway<'_>) {
        let reason = it.rejection.reason();
        let told = self.refusals.tell(self.run.second(), reason.as_str(), "", "admin");
        if let Some(unlogged) = told {
            tracing::warn!(
                target: AUDIT,
                listener = "admin",
                status = reason.status().as_u16(),
                reason = reason.as_str(),
                detail = %it.rejection,
                unlogged,
                "refused"
            );
        }
    }

    /// Whether to tell now what became of a request: each caller's of each identity and resource is told by itself.
    fn told(
        &self,
        repeats: &Repeats,
        reason: &'static str,
        request: &TokenRequest<'_>,
    ) -> Option<u64> {
        let pair = request.pair;
        let about = format!("{} {}", pair.identity(), request.resource);
        repeats.tell(self.run.second(), reason, pair.caller(), &about)
    }

    pub(super) fn failed(&self, it: &Failed<'_>) {
        let TokenRequest { protocol, pair, principal, resource } = it.request;
        let (caller, identity) = (pair.caller(), pair.identity());
        let (reason, client_id) = (it.error.reason().as_str(), principal.client_id());
        if let Some(unlogged) = self.told(&self.failures, reason, &it.request) {
            tracing::warn!(
                target: AUDIT,
                protocol = protocol.as_str(),
                caller,
                identity,
                client_id,
                resource = Foreign::new(resource).as_str(),
                status = it.status.as_u16(),
                reason,
                error = brief(it.error, MESSAGE),
                unlogged,
                "no token to give"
            );
        }
    }

    pub(super) fn would_deny(&self, it: &WouldDeny<'_>) {
        let TokenRequest { protocol, pair, principal, resource } = it.request;
        let (caller, identity) = (pair.caller(), pair.identity());
        let client_id = principal.client_id();
        if let Some(unlogged) = self.told(&self.denials, "would_deny", &it.request) {
            tracing::warn!(
                target: AUDIT,
                protocol = protocol.as_str(),
                caller,
                identity,
                client_id,
                resource = Foreign::new(resource).as_str(),
                unlogged,
                "would deny"
            );
        }
    }

    pub(super) fn sent_away(&self, it: &SentAway<'_>) {
        let TokenRequest { protocol, pair, principal, resource } = it.request;
        let (caller, identity) = (pair.caller(), pair.identity());
        let (reason, client_id) = (it.recalled.as_str(), principal.client_id());
        if let Some(unlogged) = self.told(&self.failures, reason, &it.request) {
            tracing::warn!(
                target: AUDIT,
                protocol = protocol.as_str(),
                caller,
                identity,
                client_id,
                resource = Foreign::new(resource).as_str(),
                status = SentAway::STATUS.as_u16(),
                reason,
                unlogged,
                "sent away"
            );
        }
    }
}

/// Tells of each token's first use, and of the others at `debug`.
pub(super) fn granted(it: &Granted<'_>) {
    let TokenRequest { protocol, pair, principal, resource } = it.request;
    let (caller, identity) = (pair.caller(), pair.identity());
    let (protocol, client_id) = (protocol.as_str(), principal.client_id());
    if it.token.uses().count(pair.caller_number()) == 0 {
        let expires = it.token.expires_on();
        tracing::info!(
            target: AUDIT, protocol, caller, identity, client_id, resource, %expires, "granted"
        );
    } else {
        tracing::debug!(
            target: AUDIT, protocol, caller, identity, client_id, resource, "granted again"
        );
    }
}

//! Records of requests: what each got, or why it got nothing.

use std::borrow::Cow;

use cambist::{Error, Receipt};
use cambist_core::admission::Standing;
use cambist_core::foreign::{Foreign, brief};
use cambist_key_age::Verdict;

use super::grants::Had;
use super::record::Record;
use super::words::{Kind, KnownBy, Outcome};
use super::{AUDIT, Audit, MESSAGE, foreign, key_refused, text};
use crate::event::{Failed, Granted, Refused, SentAway, TokenRequest, TurnedAway, WouldDeny};
use crate::request::Protocol;
use crate::telemetry::repeats::Repeats;

impl Audit {
    pub(super) fn granted(&self, it: &Granted<'_>) {
        let Granted { request, token, how, .. } = it;
        let (pair, by) = (request.pair, request.pair.caller_number());
        if token.uses().count(by) > 0 {
            let (caller, identity, resource) = (pair.caller(), pair.identity(), request.resource);
            tracing::debug!(target: AUDIT, caller, identity, resource, how = how.as_str(), "granted again");
            return;
        }
        let record = self.of_request(Kind::Granted, Outcome::Granted, request);
        let record = Record {
            how: text(how.as_str()),
            waited_ms: Some(millis(it.waited)),
            status: Some(200),
            expires: Some(token.expires_on().to_string().into()),
            ..record.with_receipt(token.receipt())
        };
        self.tell(&record);
        let (id, sha256) = (token.receipt().request_id(), token.receipt().fingerprint());
        let had = Had {
            caller: pair.caller().into(),
            identity: pair.identity().into(),
            client_id: request.principal.client_id().into(),
            resource: Foreign::new(request.resource).as_str().into(),
            client_request_id: id.to_string(),
            token_sha256: sha256.to_string(),
        };
        self.grants.add(token.uses(), by, had);
    }

    pub(super) fn refused(&self, it: &Refused<'_>) {
        let (reason, who) = (it.rejection.reason(), it.rejection.caller());
        let about = it.protocol.map_or("none", Protocol::as_str);
        let second = self.run.second();
        let more = self.refusals.tell(second, reason.as_str(), who.unwrap_or_default(), about);
        let Some(more) = more else { return };
        self.tell(&Record {
            outcome: Some(Outcome::Refused),
            count: Some(1 + more),
            caller: who.map(Cow::from),
            known_by: who.and(it.protocol).map(known_by),
            protocol: it.protocol.map(|protocol| protocol.as_str().into()),
            status: Some(reason.status().as_u16()),
            reason: text(reason.as_str()),
            detail: Some(brief(it.rejection, MESSAGE).into()),
            ..self.record(Kind::Refused)
        });
    }

    pub(super) fn turned_away(&self, it: &TurnedAway<'_>) {
        let reason = it.rejection.reason();
        let more = self.refusals.tell(self.run.second(), reason.as_str(), "", "admin");
        let Some(more) = more else { return };
        self.tell(&Record {
            outcome: Some(Outcome::Refused),
            count: Some(1 + more),
            listener: text("admin"),
            status: Some(reason.status().as_u16()),
            reason: text(reason.as_str()),
            detail: Some(brief(it.rejection, MESSAGE).into()),
            ..self.record(Kind::Refused)
        });
    }

    pub(super) fn failed(&self, it: &Failed<'_>) {
        let reason = it.error.reason().as_str();
        let Some(more) = self.is_new(&self.failures, reason, &it.request) else { return };
        let record = self.of_request(Kind::Failed, Outcome::Failed, &it.request);
        let record = Record {
            count: Some(1 + more),
            waited_ms: Some(millis(it.waited)),
            status: Some(it.status.as_u16()),
            reason: text(reason),
            detail: Some(brief(it.error, MESSAGE).into()),
            ..record.with_error(it.error)
        };
        self.tell(&record);
    }

    pub(super) fn sent_away(&self, it: &SentAway<'_>) {
        let reason = it.recalled.as_str();
        let Some(more) = self.is_new(&self.recalls, reason, &it.request) else { return };
        self.tell(&Record {
            count: Some(1 + more),
            waited_ms: Some(millis(it.waited)),
            status: Some(SentAway::STATUS.as_u16()),
            reason: text(reason),
            ..self.of_request(Kind::SentAway, Outcome::SentAway, &it.request)
        });
    }

    pub(super) fn would_deny(&self, it: &WouldDeny<'_>) {
        let Some(more) = self.is_new(&self.denials, "would_deny", &it.request) else { return };
        let record = self.of_request(Kind::WouldDeny, Outcome::WouldDeny, &it.request);
        self.tell(&Record { count: Some(1 + more), ..record });
    }

    /// Whether what became of a request gets a record now: each caller's of each identity and resource is told by
    /// itself.
    fn is_new(
        &self,
        repeats: &Repeats,
        reason: &'static str,
        request: &TokenRequest<'_>,
    ) -> Option<u64> {
        let about = format!("{} {}", request.pair.identity(), request.resource);
        repeats.tell(self.run.second(), reason, request.pair.caller(), &about)
    }

    fn of_request<'a>(&self, kind: Kind, outcome: Outcome, it: &TokenRequest<'a>) -> Record<'a> {
        let TokenRequest { protocol, pair, principal, resource } = *it;
        Record {
            outcome: Some(outcome),
            count: Some(1),
            caller: text(pair.caller()),
            known_by: Some(known_by(protocol)),
            protocol: text(protocol.as_str()),
            identity: text(pair.identity()),
            client_id: text(principal.client_id()),
            tenant_id: principal.tenant_id().map(|id| id.to_string().into()),
            resource: foreign(resource),
            ..self.record(kind)
        }
    }
}

impl<'a> Record<'a> {
    /// The same, with how the token was had.
    fn with_receipt(self, receipt: &'a Receipt) -> Self {
        let unchecked = match receipt.standing() {
            Some(Standing::Unchecked(reason)) => Some(reason.as_str().into()),
            _ => None,
        };
        Self {
            received: Some(receipt.received_at().to_string().into()),
            key: receipt.key().map(|key| key.to_string().into()),
            verdict: receipt.verdict().map(|verdict: Verdict| verdict.as_str().into()),
            unchecked,
            client_request_id: Some(receipt.request_id().to_string().into()),
            correlation_id: receipt.correlation_id().map(Cow::from),
            entra_request_id: receipt.entra_request_id().map(Cow::from),
            uti: receipt.token_id().map(Cow::from),
            jti: receipt.assertion_id().map(Cow::from),
            token_sha256: Some(receipt.fingerprint().to_string().into()),
            ..self
        }
    }

    /// The same, with why there is no token.
    fn with_error(self, error: &'a Error) -> Self {
        let entra = error.entra();
        Self {
            retry_after_s: error.retry_after().map(|wait| wait.as_secs()),
            aadsts: entra.and_then(|entra| entra.codes().first().copied()),
            blueprint: error.blueprint().map(|it| it.client_id().into()),
            key: key_refused(error).map(|refused| refused.key().to_string().into()),
            client_request_id: error.request_id().map(|id| id.to_string().into()),
            correlation_id: entra.and_then(|entra| entra.correlation_id()).map(Cow::from),
            entra_request_id: entra.and_then(|entra| entra.entra_request_id()).map(Cow::from),
            trace_id: entra.and_then(|entra| entra.trace_id()).map(Cow::from),
            ..self
        }
    }
}

fn known_by(protocol: Protocol) -> KnownBy {
    if protocol.needs_secret() { KnownBy::HeaderSecret } else { KnownBy::Nothing }
}

fn millis(waited: std::time::Duration) -> u64 {
    u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)
}

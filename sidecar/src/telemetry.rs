//! Who is told what happens: counters, the audit log, and the little that `/status.json` adds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cambist::key_age::Report;
use cambist::observer::{KeySource, KeysOutcome, Observer, Served};
use cambist::{AccessToken, Error};
use cambist_core::admission::{Assertion, Mode, Refusal, Refused, Standing};
use cambist_core::clock::{BootTime, Clock, UnixTime};
use cambist_core::foreign::{Foreign, brief};
use cambist_core::scope::Scope;
use cambist_key_age::Verdict;
use cambist_key_age::enforce::remediation;
use http::StatusCode;
use prometheus_client::metrics::counter::Counter;

use crate::key_age::{Changes, Rules};
use crate::listener::Recalled;
use crate::metrics::Metrics;
use crate::request::{Protocol, Rejection};

/// Most bytes of a message in a log line; together with the rest they make 2 KB at most.
const MESSAGE: usize = 700;

mod repeats;
mod sparing;

use repeats::{Again, Repeats};
use sparing::Sparing;

/// The target of audit events, so that they can be filtered and found.
pub(crate) const AUDIT: &str = "cambist_sidecar::audit";

/// The sidecar's observer.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    started: UnixTime,
    born: BootTime,
    keys: Mutex<Vec<KeyNews>>,
    refusals: Repeats,
    failures: Repeats,
    fetches: Repeats,
    looks: Repeats,
    rules: Option<Rules>,
    changes: Changes,
    objections: Sparing,
}

/// The last that was heard of a key source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNews {
    /// Where.
    pub source: KeySource,
    /// When.
    pub at: UnixTime,
    /// Whether keys were read.
    pub outcome: KeysOutcome,
    /// In words.
    pub detail: String,
}

impl Telemetry {
    /// Counts from now on; `rules` is what keys are held against, if there are any.
    pub fn new(clock: Arc<dyn Clock>, rules: Option<Rules>) -> Self {
        let (started, born) = (clock.wall(), clock.boot());
        Self {
            metrics: Metrics::new(started),
            clock,
            started,
            born,
            keys: Mutex::default(),
            refusals: Repeats::default(),
            failures: Repeats::default(),
            fetches: Repeats::default(),
            looks: Repeats::default(),
            rules,
            changes: Changes::default(),
            objections: Sparing::default(),
        }
    }

    /// Tells of the lines that the log dropped, too.
    #[must_use]
    pub fn with_log(mut self, dropped: Counter) -> Self {
        self.metrics.add_log(dropped);
        self
    }

    /// What the issuer's keys are held against; nothing where a developer stands in.
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    fn mode(&self) -> Mode {
        self.rules.as_ref().map_or(Mode::Off, |rules| rules.mode)
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// When counting began.
    pub fn started(&self) -> UnixTime {
        self.started
    }

    /// For how long it has counted.
    pub fn uptime(&self) -> Duration {
        self.clock.boot().since(self.born)
    }

    /// The last that was heard of each key source.
    pub fn key_news(&self) -> Vec<KeyNews> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A request of the wrong shape was refused.
    pub fn refused(&self, protocol: Option<Protocol>, rejection: &Rejection) {
        let reason = rejection.reason();
        self.metrics.answered(protocol, reason.status());
        self.metrics.refused(reason);
        let about = protocol.map_or("none", Protocol::as_str);
        let told = self.refusals.tell(self.uptime().as_secs(), reason.as_str(), about);
        if let Some(unlogged) = told {
            tracing::warn!(
                target: AUDIT,
                protocol = protocol.map(Protocol::as_str),
                status = reason.status().as_u16(),
                reason = reason.as_str(),
                detail = %rejection,
                unlogged,
                "refused"
            );
        }
    }

    /// A request to the admin listener was refused at the door.
    pub fn turned_away(&self, rejection: &Rejection) {
        let reason = rejection.reason().as_str();
        if let Some(unlogged) = self.refusals.tell(self.uptime().as_secs(), reason, "admin") {
            tracing::warn!(
                target: AUDIT,
                listener = "admin",
                status = rejection.reason().status().as_u16(),
                reason,
                detail = %rejection,
                unlogged,
                "refused"
            );
        }
    }

    /// A request for a token was answered without one.
    pub fn failed(&self, protocol: Protocol, resource: &str, status: StatusCode, error: &Error) {
        self.metrics.answered(Some(protocol), status);
        let reason = error.reason().as_str();
        if let Some(unlogged) = self.failures.tell(self.uptime().as_secs(), reason, resource) {
            tracing::warn!(
                target: AUDIT,
                protocol = protocol.as_str(),
                resource = Foreign::new(resource).as_str(),
                status = status.as_u16(),
                reason,
                error = brief(error, MESSAGE),
                unlogged,
                "no token to give"
            );
        }
    }

    /// A request for a token could not wait for it.
    pub fn sent_away(&self, protocol: Protocol, resource: &str, recalled: Recalled) {
        self.metrics.answered(Some(protocol), StatusCode::SERVICE_UNAVAILABLE);
        self.metrics.sent_away(recalled);
        let reason = recalled.as_str();
        if let Some(unlogged) = self.failures.tell(self.uptime().as_secs(), reason, resource) {
            tracing::warn!(
                target: AUDIT,
                protocol = protocol.as_str(),
                resource = Foreign::new(resource).as_str(),
                status = StatusCode::SERVICE_UNAVAILABLE.as_u16(),
                reason,
                unlogged,
                "sent away"
            );
        }
    }

    /// A request was answered with this token. The log tells of each token's first use, and of the
    /// others at `debug`.
    pub fn granted(
        &self,
        protocol: Protocol,
        client_id: &str,
        resource: &str,
        token: &AccessToken,
    ) {
        self.metrics.answered(Some(protocol), StatusCode::OK);
        let protocol = protocol.as_str();
        if token.is_first_use() {
            let expires = token.expires_on();
            tracing::info!(target: AUDIT, protocol, client_id, resource, %expires, "granted");
        } else {
            tracing::debug!(target: AUDIT, protocol, client_id, resource, "granted again");
        }
    }
}

impl Observer for Telemetry {
    fn served(&self, scope: &Scope, how: Served) {
        self.metrics.served(how);
        tracing::debug!(target: AUDIT, resource = scope.resource(), how = how.as_str(), "served");
    }

    fn admitted(&self, assertion: &Assertion) {
        let standing = assertion.standing();
        self.metrics.admitted(standing);
        if let Standing::Unchecked(reason) = standing {
            tracing::warn!(
                target: AUDIT,
                subject = Foreign::new(&assertion.claims().subject).as_str(),
                issuer = Foreign::new(&assertion.claims().issuer).as_str(),
                reason = reason.as_str(),
                "the projected token is sent unchecked"
            );
        }
        if !assertion.ignored().is_empty() {
            tracing::warn!(
                target: AUDIT,
                subject = Foreign::new(&assertion.claims().subject).as_str(),
                members = assertion.ignored().join(" "),
                "the projected token's header names keys of its own, which are not looked at; no API server writes that"
            );
        }
        self.would_refuse(assertion);
    }

    fn fetched(&self, scope: &Scope, outcome: Result<&AccessToken, &Error>, took: Duration) {
        self.metrics.fetched(outcome.err().map(|error| error.reason().as_str()), took);
        if let Err(error) = outcome {
            self.metrics.objected(error.reason().as_str(), self.mode());
        }
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let resource = Foreign::new(scope.resource());
        let resource = resource.as_str();
        match outcome {
            Ok(token) => {
                let receipt = token.receipt();
                let (standing, key) = match receipt.standing() {
                    Some(Standing::Verified(key)) => ("verified", Some(key.to_string())),
                    Some(Standing::Unchecked(reason)) => (reason.as_str(), None),
                    None => ("developer", None),
                };
                tracing::info!(
                    target: AUDIT,
                    resource,
                    expires = %token.expires_on(),
                    standing,
                    key,
                    verdict = receipt.verdict().map(Verdict::as_str),
                    request_id = %receipt.request_id(),
                    entra_request_id = receipt.entra_request_id(),
                    took_ms,
                    "issued"
                );
            }
            Err(error) => {
                let reason = error.reason().as_str();
                let told = self.fetches.tell(self.uptime().as_secs(), reason, resource);
                let Some(unlogged) = told else { return };
                tracing::warn!(
                    target: AUDIT,
                    resource,
                    reason,
                    key = refused(error).map(|refused| refused.key().to_string()),
                    evidence = refused(error).map(|refused| brief(&refused.evidence(), MESSAGE)),
                    remedy = self.remedy(error).map(|remedy| brief(&remedy, MESSAGE)),
                    retry_after_s = error.retry_after().map(|wait| wait.as_secs()),
                    error = brief(error, MESSAGE),
                    request_id = error.request_id().map(|id| id.to_string()),
                    took_ms,
                    unlogged,
                    "not issued"
                );
            }
        }
    }

    fn keys_fetched(&self, source: KeySource, outcome: KeysOutcome, detail: &str) {
        self.metrics.keys_fetched(source, outcome);
        let (source_word, at) = (source.as_str(), self.clock.wall());
        match outcome {
            KeysOutcome::Read => {
                self.metrics.keys_read(at);
                tracing::info!(target: AUDIT, source = source_word, detail, "issuer keys read");
            }
            KeysOutcome::Failed => {
                let second = self.uptime().as_secs();
                if let Some(unlogged) = self.looks.tell(second, source_word, "") {
                    tracing::warn!(
                        target: AUDIT,
                        source = source_word,
                        detail = brief(&detail, MESSAGE),
                        unlogged,
                        "no issuer keys"
                    );
                }
            }
        }
        let news = KeyNews { source, at, outcome, detail: brief(&detail, MESSAGE) };
        let mut all = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|known| known.source == source) {
            Some(known) => *known = news,
            None => all.push(news),
        }
    }

    fn ledger_ailing(&self, problem: &str) {
        self.changes.tell_ledger(problem);
    }

    fn keys_judged(&self, report: &Report) {
        self.metrics.keys_judged(report);
        if self.rules.is_some() {
            self.changes.tell(report);
        }
    }
}

impl Telemetry {
    /// Tells once a minute how often what was told before came again. Runs for ever.
    pub async fn sum_up(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let second = self.uptime().as_secs();
            for (what, repeats) in [
                ("refused", &self.refusals),
                ("no token to give", &self.failures),
                ("not issued", &self.fetches),
                ("no issuer keys", &self.looks),
            ] {
                for Again { reason, about, times } in repeats.over(second) {
                    let about = Foreign::new(&*about);
                    let about = about.as_str();
                    tracing::warn!(target: AUDIT, reason, about, what, unlogged = times, "again");
                }
            }
        }
    }

    /// In audit mode, counts and tells what enforcement would have refused.
    fn would_refuse(&self, assertion: &Assertion) {
        if self.mode() != Mode::Audit {
            return;
        }
        if let Standing::Unchecked(_) = assertion.standing() {
            // Told already, as what it is.
            self.metrics.objected("unchecked_held", Mode::Audit);
        }
        let Some(objection) = assertion.objection() else { return };
        self.metrics.objected(objection.as_str(), Mode::Audit);
        if let Some(unlogged) = self.objections.log(self.uptime().as_secs()) {
            tracing::warn!(
                target: AUDIT,
                subject = Foreign::new(&assertion.claims().subject).as_str(),
                reason = objection.as_str(),
                key = %objection.key(),
                evidence = objection.evidence(),
                remedy = self.rules.as_ref().map(|rules| remediation(objection.ground(), rules.remedies_for())),
                unlogged,
                "would be refused under enforce"
            );
        }
    }

    fn remedy(&self, error: &Error) -> Option<String> {
        Some(remediation(refused(error)?.ground(), self.rules.as_ref()?.remedies_for()))
    }
}

/// What enforcement says of the key, if that is why there is no token.
fn refused(error: &Error) -> Option<&Refused> {
    let source = std::error::Error::source(error)?;
    match source.downcast_ref()? {
        Refusal::Key(refused) => Some(refused),
        _ => None,
    }
}

#[cfg(test)]
mod lines;

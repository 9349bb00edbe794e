//! Who is told what happens: counters, the audit log, and the little that `/status.json` adds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cambist::key_age::Report;
use cambist::observer::{KeySource, KeysOutcome, Observer, Served};
use cambist::{AccessToken, Error};
use cambist_core::admission::{Assertion, Mode, Refusal, Refused, Standing};
use cambist_core::clock::{BootTime, Clock, UnixTime};
use cambist_core::key_age::enforce::remediation;
use cambist_core::scope::Scope;
use http::StatusCode;
use prometheus_client::metrics::counter::Counter;

use crate::key_age::{Changes, Rules};
use crate::metrics::Metrics;
use crate::request::{Protocol, Rejection};

/// The target of audit events, so that they can be filtered and found.
pub(crate) const AUDIT: &str = "cambist_sidecar::audit";

/// So many refusals are logged a second; whoever floods the endpoint does not flood the log.
const REFUSALS_A_SECOND: u64 = 10;

/// The sidecar's observer.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    started: UnixTime,
    born: BootTime,
    keys: Mutex<Vec<KeyNews>>,
    refusals: Sparing,
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
            refusals: Sparing::default(),
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
        if let Some(unlogged) = self.refusals.log(self.uptime().as_secs()) {
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

    /// A request for a token was answered without one.
    pub fn failed(&self, protocol: Protocol, resource: &str, status: StatusCode, error: &Error) {
        self.metrics.answered(Some(protocol), status);
        if let Some(unlogged) = self.refusals.log(self.uptime().as_secs()) {
            tracing::warn!(
                target: AUDIT,
                protocol = protocol.as_str(),
                resource,
                status = status.as_u16(),
                reason = error.reason(),
                %error,
                unlogged,
                "no token to give"
            );
        }
    }

    /// A request was answered with a token.
    pub fn granted(&self, protocol: Protocol, resource: &str) {
        self.metrics.answered(Some(protocol), StatusCode::OK);
        tracing::debug!(target: AUDIT, protocol = protocol.as_str(), resource, "granted");
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
                subject = assertion.claims().subject.as_str(),
                issuer = assertion.claims().issuer.as_str(),
                reason = reason.as_str(),
                "the projected token is sent unchecked"
            );
        }
        self.would_refuse(assertion);
    }

    fn fetched(&self, scope: &Scope, outcome: Result<&AccessToken, &Error>, took: Duration) {
        self.metrics.fetched(outcome.err().map(Error::reason), took);
        if let Err(error) = outcome {
            self.metrics.objected(error.reason(), self.mode());
        }
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(token) => {
                let (standing, key) = match token.standing() {
                    Some(Standing::Verified(key)) => ("verified", Some(key.to_string())),
                    Some(Standing::Unchecked(reason)) => (reason.as_str(), None),
                    None => ("developer", None),
                };
                tracing::info!(
                    target: AUDIT,
                    resource = scope.resource(),
                    expires = %token.expires_on(),
                    standing,
                    key,
                    took_ms,
                    "issued"
                );
            }
            Err(error) => tracing::warn!(
                target: AUDIT,
                resource = scope.resource(),
                reason = error.reason(),
                key = refused(error).map(|refused| refused.key().to_string()),
                evidence = refused(error).map(|refused| refused.evidence()),
                remedy = self.remedy(error),
                retry_after_s = error.retry_after().map(|wait| wait.as_secs()),
                %error,
                took_ms,
                "not issued"
            ),
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
                tracing::warn!(target: AUDIT, source = source_word, detail, "no issuer keys");
            }
        }
        let news = KeyNews { source, at, outcome, detail: detail.to_owned() };
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
                subject = assertion.claims().subject.as_str(),
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

/// Lets through so many events a second and counts the rest.
#[derive(Debug, Default)]
struct Sparing {
    /// The second in the upper half, the events in it in the lower.
    now: AtomicU64,
    unlogged: AtomicU64,
}

impl Sparing {
    /// Whether to log one now, with the number of those that were not since the last one that was.
    fn log(&self, second: u64) -> Option<u64> {
        let second = second & u64::from(u32::MAX);
        let counted = self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            Some(if now >> 32 == second { now.saturating_add(1) } else { second << 32 | 1 })
        });
        let before = counted.unwrap_or_else(|now| now);
        let earlier = if before >> 32 == second { before & u64::from(u32::MAX) } else { 0 };
        if earlier < REFUSALS_A_SECOND {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_few_lines_and_its_size() {
        let sparing = Sparing::default();
        let logged = (0..1000).filter(|_| sparing.log(7).is_some()).count();
        assert_eq!(logged, 10);
        assert_eq!(sparing.log(8), Some(990));
        assert_eq!(sparing.log(8), Some(0));
    }
}

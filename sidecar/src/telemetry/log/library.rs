//! The library's work: tokens had and not had, keys looked for and judged.

use cambist::event::{Admitted, Fetched, FileChanged, Hop, KeysFetched, Served};
use cambist::{Error, Event, Receipt};
use cambist_core::admission::{Assertion, Mode, Refusal, Refused, Standing};
use cambist_core::foreign::{Foreign, brief};
use cambist_key_age::Verdict;
use cambist_key_age::enforce::remediation;

use super::{AUDIT, Log};
use crate::telemetry::MESSAGE;

impl Log {
    pub(super) fn library(&self, event: &Event<'_>) {
        match event {
            Event::Served(it) => served(it),
            Event::Admitted(it) => self.admitted(it),
            Event::Fetched(it) => self.fetched(it),
            Event::KeysFetched(it) => self.keys_fetched(it),
            Event::FileChanged(it) => file_changed(it),
            Event::HistoryAiling(it) => self.changes.tell_history(it.problem),
            Event::KeysJudged(it) if self.rules.is_some() => self.changes.tell(it.report),
            _ => {}
        }
    }

    fn admitted(&self, it: &Admitted<'_>) {
        let assertion = it.assertion;
        let subject = Foreign::new(&assertion.claims().subject);
        let subject = subject.as_str();
        if let Standing::Unchecked(reason) = assertion.standing() {
            tracing::warn!(
                target: AUDIT,
                subject,
                issuer = Foreign::new(&assertion.claims().issuer).as_str(),
                reason = reason.as_str(),
                "the projected token is sent unchecked"
            );
        }
        if !assertion.ignored().is_empty() {
            tracing::warn!(
                target: AUDIT,
                subject,
                members = assertion.ignored().join(" "),
                "the projected token's header names keys of its own, which are not looked at; no API server writes that"
            );
        }
        self.would_refuse(assertion, subject);
    }

    /// In audit mode, tells what enforcement would have refused; what is sent unchecked was told
    /// already, as what it is.
    fn would_refuse(&self, assertion: &Assertion, subject: &str) {
        if self.mode() != Mode::Audit {
            return;
        }
        let Some(objection) = assertion.objection() else { return };
        if let Some(unlogged) = self.objections.log(self.run.second()) {
            tracing::warn!(
                target: AUDIT,
                subject,
                reason = objection.as_str(),
                key = %objection.key(),
                evidence = objection.evidence(),
                remedy = self.remedy(objection),
                unlogged,
                "would be refused under enforce"
            );
        }
    }

    fn fetched(&self, it: &Fetched<'_>) {
        let took_ms = u64::try_from(it.took.as_millis()).unwrap_or(u64::MAX);
        let resource = Foreign::new(it.scope.resource());
        let resource = resource.as_str();
        let client_id = it.principal.client_id();
        // Of two exchanges, which only agent identities have, the first.
        let hop = (it.hop() == Hop::Blueprint).then_some(it.hop().as_str());
        let error = match it.outcome {
            Ok(token) => {
                let receipt = token.receipt();
                let (standing, key) = standing(receipt);
                tracing::info!(
                    target: AUDIT,
                    client_id,
                    hop,
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
                return;
            }
            Err(error) => error,
        };
        let reason = error.reason().as_str();
        let about = format!("{client_id} {resource}");
        let told = self.fetches.tell(self.run.second(), reason, &about);
        let Some(unlogged) = told else { return };
        let refused = refused(error);
        let remedy = refused.and_then(|refused| self.remedy(refused));
        tracing::warn!(
            target: AUDIT,
            client_id,
            hop,
            resource,
            reason,
            key = refused.map(|refused| refused.key().to_string()),
            evidence = refused.map(|refused| brief(&refused.evidence(), MESSAGE)),
            remedy = remedy.map(|remedy| brief(&remedy, MESSAGE)),
            retry_after_s = error.retry_after().map(|wait| wait.as_secs()),
            error = brief(error, MESSAGE),
            request_id = error.request_id().map(|id| id.to_string()),
            took_ms,
            unlogged,
            "not issued"
        );
    }

    fn keys_fetched(&self, it: &KeysFetched<'_>) {
        let source = it.source.as_str();
        let Err(error) = it.result else {
            tracing::info!(target: AUDIT, source, detail = "", "issuer keys read");
            return;
        };
        if let Some(unlogged) = self.looks.tell(self.run.second(), source, "") {
            let detail = brief(error, MESSAGE);
            tracing::warn!(target: AUDIT, source, detail, unlogged, "no issuer keys");
        }
    }

    fn remedy(&self, refused: &Refused) -> Option<String> {
        let rules = self.rules.as_ref()?;
        Some(remediation(refused.ground(), rules.remedies_for()))
    }
}

fn file_changed(it: &FileChanged<'_>) {
    let (what, name) = (it.kind.as_str(), it.name);
    match it.result {
        Ok(()) => {
            let path = it.path.display();
            tracing::info!(target: AUDIT, what, name, %path, "a changed file was taken up");
        }
        Err(problem) => {
            tracing::warn!(
                target: AUDIT,
                what,
                name,
                detail = brief(&problem, MESSAGE),
                "a changed file cannot be used; what was there before holds"
            );
        }
    }
}

fn served(it: &Served<'_>) {
    let (resource, how) = (it.scope.resource(), it.how.as_str());
    tracing::debug!(target: AUDIT, resource, how, "served");
}

/// What vouched for the assertion, in words; and the key, if one did.
fn standing(receipt: &Receipt) -> (&'static str, Option<String>) {
    match receipt.standing() {
        Some(Standing::Verified(key)) => ("verified", Some(key.to_string())),
        Some(Standing::Unchecked(reason)) => (reason.as_str(), None),
        None => ("developer", None),
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

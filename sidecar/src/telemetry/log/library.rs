//! The library's work: tokens had and not had, keys looked for and judged.

use cambist::event::{Admitted, Fetched, FileChanged, FileKind, Hop, KeysFetched, Served};
use cambist::{Event, Receipt};
use cambist_core::admission::{Refused, Standing};
use cambist_core::foreign::{Foreign, brief};
use cambist_key_age::Verdict;
use cambist_key_age::enforce::remediation;

use super::{Log, WORK};
use crate::telemetry::MESSAGE;
use crate::telemetry::audit::key_refused;

impl Log {
    pub(super) fn library(&self, event: &Event<'_>) {
        match event {
            Event::Served(it) => served(it),
            Event::Admitted(it) => admitted(it),
            Event::Fetched(it) => self.fetched(it),
            Event::KeysFetched(it) => self.keys_fetched(it),
            Event::FileChanged(it) => file_changed(it),
            Event::HistoryAiling(it) => self.changes.tell_history(it.problem),
            Event::KeysJudged(it) if self.rules.is_some() => self.changes.tell(it.report),
            _ => {}
        }
    }

    fn fetched(&self, it: &Fetched<'_>) {
        let took_ms = u64::try_from(it.took.as_millis()).unwrap_or(u64::MAX);
        let resource = Foreign::new(it.scope.resource());
        let resource = resource.as_str();
        let client_id = it.principal.client_id();
        let tenant_id = it.principal.tenant_id().map(ToString::to_string);
        let tenant_id = tenant_id.as_deref();
        // Of two exchanges, which only agent identities have, the first.
        let hop = (it.hop() == Hop::Blueprint).then_some(it.hop().as_str());
        let error = match it.outcome {
            Ok(token) => {
                let receipt = token.receipt();
                let (standing, key) = standing(receipt);
                tracing::info!(
                    target: WORK,
                    client_id,
                    tenant_id,
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
        let who = it.principal.to_string();
        let told = self.fetches.tell(self.run.second(), reason, &who, resource);
        let Some(unlogged) = told else { return };
        let refused = key_refused(error);
        let remedy = refused.and_then(|refused| self.remedy(refused));
        tracing::warn!(
            target: WORK,
            client_id,
            tenant_id,
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
            tracing::info!(target: WORK, source, detail = "", "issuer keys read");
            return;
        };
        if let Some(unlogged) = self.looks.tell(self.run.second(), source, "", "") {
            let detail = brief(error, MESSAGE);
            tracing::warn!(target: WORK, source, detail, unlogged, "no issuer keys");
        }
    }

    fn remedy(&self, refused: &Refused) -> Option<String> {
        let rules = self.rules.as_ref()?;
        Some(remediation(refused.ground(), rules.remedies_for()))
    }
}

fn admitted(it: &Admitted<'_>) {
    let assertion = it.assertion;
    if !assertion.ignored().is_empty() {
        tracing::warn!(
            target: WORK,
            subject = Foreign::new(&assertion.claims().subject).as_str(),
            members = assertion.ignored().join(" "),
            "the projected token's header names keys of its own, which are not looked at; no API server writes that"
        );
    }
}

/// Whatever cannot be used; of what is taken up, authorities are told in the audit trail.
fn file_changed(it: &FileChanged<'_>) {
    let (what, name) = (it.kind.as_str(), it.name);
    match it.result {
        Ok(()) if it.kind == FileKind::Ca => {}
        Ok(()) => {
            let path = it.path.display();
            tracing::info!(target: WORK, what, name, %path, "a changed file was taken up");
        }
        Err(problem) => {
            tracing::warn!(
                target: WORK,
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
    tracing::debug!(target: WORK, resource, how, "served");
}

/// What vouched for the assertion, in words; and the key, if one did.
fn standing(receipt: &Receipt) -> (&'static str, Option<String>) {
    match receipt.standing() {
        Some(Standing::Verified(key)) => ("verified", Some(key.to_string())),
        Some(Standing::Unchecked(reason)) => (reason.as_str(), None),
        None => ("developer", None),
    }
}

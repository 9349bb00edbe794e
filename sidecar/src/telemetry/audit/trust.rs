//! Records of what no caller is involved in: what was sent unchecked, keys that are objected to, what was loaded
//! again, the beginning and the end.

use std::net::SocketAddr;

use cambist::Principal;
use cambist::Purpose;
use cambist::event::{Admitted, Fetched, FileChanged, FileKind};
use cambist_core::admission::{Assertion, Mode, Refused, Standing};
use cambist_core::foreign::brief;
use cambist_key_age::enforce::remediation;

use super::record::Record;
use super::words::{Kind, Outcome};
use super::{Audit, MESSAGE, foreign, key_refused, text};
use crate::config::Config;
use crate::event::Reloaded;

impl Audit {
    pub(super) fn admitted(&self, it: &Admitted<'_>) {
        if let Standing::Unchecked(reason) = it.assertion.standing() {
            self.tell(&Record {
                unchecked: text(reason.as_str()),
                ..self.of_assertion(Kind::Unchecked, it.principal, it.assertion, it.purpose)
            });
        }
        // What is sent unchecked was told already, as what it is.
        if self.mode() == Mode::Audit
            && let Some(objection) = it.assertion.objection()
        {
            let record =
                self.of_assertion(Kind::KeyObjection, it.principal, it.assertion, it.purpose);
            self.objection(objection, it.principal, record);
        }
    }

    /// What enforcement held back.
    pub(super) fn fetched(&self, it: &Fetched<'_>) {
        let Some(objection) = it.outcome.err().and_then(key_refused) else { return };
        let record = Record {
            client_id: text(it.principal.client_id()),
            tenant_id: it.principal.tenant_id().map(|id| id.to_string().into()),
            resource: foreign(it.scope.resource()),
            ..self.record(Kind::KeyObjection)
        };
        self.objection(objection, it.principal, record);
    }

    fn objection(&self, it: &Refused, principal: &Principal, record: Record<'_>) {
        let (second, key) = (self.run.second(), it.key().to_string());
        let more = self.objections.tell(second, it.as_str(), principal.client_id(), &key);
        let Some(more) = more else { return };
        let remedy =
            self.rules.as_ref().map(|rules| remediation(it.ground(), rules.remedies_for()));
        self.tell(&Record {
            outcome: Some(Outcome::KeyObjection),
            count: Some(1 + more),
            reason: text(it.as_str()),
            key: Some(key.into()),
            evidence: Some(brief(&it.evidence(), MESSAGE).into()),
            remedy: remedy.map(|remedy| brief(&remedy, MESSAGE).into()),
            key_age: text(self.mode().as_str()),
            ..record
        });
    }

    fn of_assertion<'a>(
        &self,
        kind: Kind,
        principal: &'a Principal,
        assertion: &Assertion,
        purpose: Option<Purpose<'_>>,
    ) -> Record<'a> {
        let claims = assertion.claims();
        Record {
            client_id: text(principal.client_id()),
            tenant_id: principal.tenant_id().map(|id| id.to_string().into()),
            resource: purpose.and_then(|it| foreign(it.scope.resource())),
            client_request_id: purpose.map(|it| it.request_id.to_string().into()),
            jti: claims.id.as_deref().and_then(foreign),
            subject: foreign(&claims.subject),
            issuer: foreign(&claims.issuer),
            ..self.record(kind)
        }
    }

    pub(super) fn reloaded(&self, it: &Reloaded<'_>) {
        let record = Record { what: text("policy"), ..self.record(Kind::Reloaded) };
        self.tell(&match it {
            Reloaded::Applied { identities, callers, token_files: _, warnings: _ } => Record {
                outcome: Some(Outcome::Applied),
                identities: Some(*identities as u64),
                callers: Some(*callers as u64),
                ..record
            },
            Reloaded::Refused { problem } => Record {
                outcome: Some(Outcome::Refused),
                detail: Some(brief(problem, MESSAGE).into()),
                ..record
            },
            Reloaded::Unchanged => Record { outcome: Some(Outcome::Unchanged), ..record },
        });
    }

    /// Authorities. That the kubelet has renewed a token is no news.
    pub(super) fn file_changed(&self, it: &FileChanged<'_>) {
        if it.kind != FileKind::Ca {
            return;
        }
        self.tell(&Record {
            outcome: Some(it.result.map_or(Outcome::Refused, |()| Outcome::Applied)),
            what: text(it.kind.as_str()),
            setting: text(it.name),
            path: foreign(&it.path.display().to_string()),
            detail: it.result.err().map(|problem| brief(&problem, MESSAGE).into()),
            ..self.record(Kind::Reloaded)
        });
    }

    /// It serves.
    pub(in crate::telemetry) fn begin(
        &self,
        config: &Config,
        tokens_on: &[SocketAddr],
        admin_on: Option<SocketAddr>,
    ) {
        let list = |items: Vec<String>| Some(items.join(",").into());
        let identities = &config.policied.identities;
        self.tell(&Record {
            key_age: text(self.mode().as_str()),
            identities: Some(identities.identities.len() as u64),
            callers: Some(config.policied.proofs.len() as u64),
            policy: text(identities.policy.mode().as_str()),
            version: text(env!("CARGO_PKG_VERSION")),
            tokens_on: list(tokens_on.iter().map(ToString::to_string).collect()),
            admin_on: admin_on.map(|at| at.to_string().into()),
            protocols: list(config.served().map(|it| it.as_str().to_owned()).collect()),
            ..self.record(Kind::Started)
        });
    }

    /// It ends: what was only counted so far, and then that.
    pub(in crate::telemetry) fn end(&self, cut_off: Option<usize>) {
        self.sum_up(u64::MAX);
        let cut_off = cut_off.map(|cut| cut as u64);
        self.tell(&Record { cut_off, ..self.record(Kind::Ended) });
    }
}

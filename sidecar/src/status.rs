//! What a running sidecar tells of itself, as one value: `/status.json` is its JSON, `/status` its page.

use std::collections::BTreeMap;

use cambist::cache::Entry;
use cambist::identities::{Caller, Policy};
use cambist::issuer_keys::IssuerKeys;
use cambist::key_age::Report;

use cambist::{Class, Error, Principal};
use cambist_core::clock::{Clock, UnixTime};
use cambist_core::foreign::{Foreign, brief};
use cambist_key_age::Verdict;
use serde::{Serialize, Serializer};

use crate::confine::ConfinementStatus;
use crate::in_force::InForce;
use crate::key_age::{self, Judged, KeyAgeStatus};
use crate::request::Protocol;
use crate::runway::{self, runway};
use crate::telemetry::{KeyNews, RefusedFile, Reloads, Telemetry};

mod health;
pub(crate) mod page;

/// Most bytes of a message in JSON.
const MESSAGE: usize = 400;

/// Most keys that are listed.
const KEYS: usize = 20;

/// Most identities that are listed.
const IDENTITIES: usize = 1000;

/// Everything that may be told. Never a token.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) version: &'static str,
    pub(crate) now: Moment,
    pub(crate) started: Moment,
    pub(crate) uptime_seconds: u64,
    /// How long apps would still be served if Entra vanished now, see [`runway`](crate::runway).
    pub(crate) runway_seconds: Option<u64>,
    pub(crate) identities: Vec<IdentityStatus>,
    pub(crate) policy: PolicyStatus,
    /// Changed files that cannot be used, but for those of the policy.
    pub(crate) refused_files: Vec<FileStatus>,
    /// Lines of the audit trail that were lost since the start.
    pub(crate) audit_lines_dropped: u64,
    pub(crate) protocols: Vec<&'static str>,
    pub(crate) tokens: Vec<TokenStatus>,
    pub(crate) issuer_keys: Option<KeySetStatus>,
    pub(crate) key_sources: Vec<KeySourceStatus>,
    pub(crate) unchecked: BTreeMap<&'static str, u64>,
    pub(crate) key_age: Option<KeyAgeStatus>,
    pub(crate) confinement: ConfinementStatus,
}

/// A moment, told as RFC 3339.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) UnixTime);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A message, whole; in JSON as much of it as there is room for.
#[derive(Clone, Debug)]
pub(crate) struct Message(pub(crate) String);

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&brief(&self.0, MESSAGE))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct IdentityStatus {
    pub(crate) name: String,
    pub(crate) tenant_id: Option<String>,
    pub(crate) client_id: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct PolicyStatus {
    pub(crate) mode: &'static str,
    pub(crate) callers: Vec<String>,
    /// Since when it is in force.
    pub(crate) since: Moment,
    /// What became of a later one, if it is no good.
    pub(crate) refused: Option<RefusedStatus>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RefusedStatus {
    pub(crate) since: Moment,
    pub(crate) problem: String,
}

/// A changed file that cannot be used; what was there before goes on.
#[derive(Debug, Serialize)]
pub(crate) struct FileStatus {
    pub(crate) what: &'static str,
    pub(crate) setting: &'static str,
    pub(crate) path: Foreign,
    pub(crate) since: Moment,
    pub(crate) problem: String,
}

/// One resource of one identity.
#[derive(Debug, Serialize)]
pub(crate) struct TokenStatus {
    pub(crate) identity: String,
    pub(crate) resource: Foreign,
    pub(crate) prefetched: bool,
    pub(crate) expires_on: Option<Moment>,
    pub(crate) remaining_seconds: Option<u64>,
    pub(crate) valid_for_seconds: Option<u64>,
    /// Whether a new one is asked for now.
    pub(crate) under_way: bool,
    /// Why no app would miss it, if none would.
    #[serde(skip)]
    pub(crate) uncounted: Option<&'static str>,
    pub(crate) failure: Option<FailureStatus>,
}

/// The last failure since the last success.
#[derive(Debug, Serialize)]
pub(crate) struct FailureStatus {
    pub(crate) reason: &'static str,
    pub(crate) message: Message,
    pub(crate) retry_after_seconds: Option<u64>,
    /// By which the tenant's sign-in log has it, if it came so far.
    pub(crate) correlation_id: Option<String>,
    #[serde(skip)]
    pub(crate) class: Class,
    #[serde(skip)]
    pub(crate) remedy: &'static str,
}

/// The issuer's keys as they are held.
#[derive(Debug, Serialize)]
pub(crate) struct KeySetStatus {
    pub(crate) issuer: Foreign,
    pub(crate) published: usize,
    pub(crate) age_seconds: u64,
    pub(crate) keys: Vec<KeyName>,
    pub(crate) unusable: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct KeyName {
    pub(crate) kid: Option<Foreign>,
    pub(crate) thumbprint: String,
}

/// The last that was heard of a source of keys.
#[derive(Debug, Serialize)]
pub(crate) struct KeySourceStatus {
    pub(crate) source: &'static str,
    pub(crate) at: Moment,
    pub(crate) outcome: &'static str,
    pub(crate) detail: Message,
}

impl Status {
    /// What is to be told now. `report` is what is to be said of the issuer's keys.
    pub(crate) fn of(
        in_force: &InForce,
        keys: Option<&IssuerKeys>,
        report: Option<&Report>,
        telemetry: &Telemetry,
        clock: &dyn Clock,
    ) -> Self {
        let mut entries: Vec<_> = in_force.entries().collect();
        entries.sort_by(|a, b| (a.0, &a.1.scope).cmp(&(b.0, &b.1.scope)));
        let wall = clock.wall();
        let runway = runway(entries.iter().map(|(_, entry)| entry), clock.boot());
        let principals = in_force.principals().take(IDENTITIES);
        let rules = telemetry.rules();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now: Moment(wall),
            started: Moment(telemetry.started()),
            uptime_seconds: telemetry.uptime().as_secs(),
            runway_seconds: runway.map(|left| left.as_secs()),
            identities: principals.map(IdentityStatus::of).collect(),
            policy: PolicyStatus::of(in_force.access.policy(), telemetry),
            refused_files: telemetry.refused_files().into_iter().map(FileStatus::of).collect(),
            audit_lines_dropped: telemetry.audit_lines_dropped(),
            protocols: in_force.access.served().map(Protocol::as_str).collect(),
            tokens: entries.iter().map(|(name, it)| TokenStatus::of(name, it, clock)).collect(),
            issuer_keys: keys.and_then(|keys| KeySetStatus::of(keys, clock)),
            key_sources: telemetry.key_news().into_iter().map(KeySourceStatus::of).collect(),
            unchecked: telemetry.unchecked().collect(),
            key_age: rules.map(|rules| key_age::status(rules, report, wall)),
            confinement: telemetry.confinement().status(),
        }
    }
}

impl Status {
    /// The judgement of the issuer's keys, where they are judged.
    fn judged(&self) -> Option<&Judged> {
        match self.key_age.as_ref()? {
            KeyAgeStatus::On(judged) => Some(judged),
            KeyAgeStatus::Off { .. } => None,
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        self.judged()?.verdict
    }
}

impl IdentityStatus {
    fn of((name, principal): (&str, &Principal)) -> Self {
        Self {
            name: name.to_owned(),
            tenant_id: principal.tenant_id().map(ToString::to_string),
            client_id: principal.client_id().to_owned(),
        }
    }
}

impl PolicyStatus {
    fn of(policy: &Policy, telemetry: &Telemetry) -> Self {
        let Reloads { applied, refused } = telemetry.reloads();
        Self {
            mode: policy.mode().as_str(),
            callers: policy.callers().iter().map(Caller::name).map(str::to_owned).collect(),
            since: Moment(applied.unwrap_or_else(|| telemetry.started())),
            refused: refused.map(|(at, problem)| RefusedStatus { since: Moment(at), problem }),
        }
    }
}

impl FileStatus {
    fn of(file: RefusedFile) -> Self {
        let RefusedFile { kind, setting, path, since, problem } = file;
        let path = Foreign::new(path.as_os_str().as_encoded_bytes());
        Self { what: kind.as_str(), setting, path, since: Moment(since), problem }
    }
}

impl TokenStatus {
    /// Whether a new one is asked for and less than a tenth of this one's life is left: a refresh is not over yet that
    /// began late, or takes long.
    fn is_late(&self) -> bool {
        let left = self.remaining_seconds.zip(self.valid_for_seconds);
        self.under_way && left.is_some_and(|(left, of)| left < of / 10)
    }

    fn of(identity: &str, entry: &Entry, clock: &dyn Clock) -> Self {
        let token = entry.token.as_ref();
        Self {
            identity: identity.to_owned(),
            resource: Foreign::new(entry.scope.resource()),
            prefetched: entry.pinned,
            expires_on: token.map(|token| Moment(token.expires_on())),
            remaining_seconds: token.map(|token| token.remaining_at(clock.boot()).as_secs()),
            valid_for_seconds: token.map(|token| token.valid_for().as_secs()),
            under_way: entry.under_way,
            uncounted: runway::uncounted(entry, clock.boot()),
            failure: entry.failure.as_ref().map(FailureStatus::of),
        }
    }
}

impl FailureStatus {
    fn of(error: &Error) -> Self {
        Self {
            reason: error.reason().as_str(),
            message: Message(error.to_string()),
            retry_after_seconds: error.retry_after().map(|wait| wait.as_secs()),
            correlation_id: error.request_id().map(|id| id.to_string()),
            class: error.class(),
            remedy: error.reason().remedy(),
        }
    }
}

impl KeySetStatus {
    fn of(keys: &IssuerKeys, clock: &dyn Clock) -> Option<Self> {
        let (issuer, set, fetched) = keys.peek()?;
        let names = set.keys().iter().take(KEYS).map(|key| KeyName {
            kid: key.id().map(|id| Foreign::new(id.as_str())),
            thumbprint: key.thumbprint().to_string(),
        });
        Some(Self {
            issuer: Foreign::new(issuer.as_str()),
            published: set.keys().len(),
            age_seconds: clock.boot().since(fetched).as_secs(),
            keys: names.collect(),
            unusable: set.unusable().len(),
        })
    }
}

impl KeySourceStatus {
    fn of(news: KeyNews) -> Self {
        Self {
            source: news.source.as_str(),
            at: Moment(news.at),
            outcome: news.outcome.as_str(),
            detail: Message(news.detail),
        }
    }
}

//! The cases there are, and what each leaves in the tables.

use std::sync::Arc;
use std::time::Duration;

use cambist_core::policy::SelectorKind;

use crate::client::{Ask, Program};
use crate::sdk::Sdk;
use crate::stage::{Protocol, Setting};
use crate::symptoms::{self, Mistake};
use crate::{identities, refusals, steady, tokens};

/// One SDK speaking one protocol.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) setting: Arc<Setting>,
    pub(crate) sdk: &'static Sdk,
    pub(crate) program: Program,
    pub(crate) protocol: Protocol,
}

impl Lane {
    /// What an app asks for that takes what there is.
    pub(crate) fn ask(&self) -> Ask<'static> {
        Ask { credential: "managed-identity", identity: None, resource: self.sdk.resource() }
    }
}

/// What stands in a table for one case of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// In a few characters.
    pub(crate) text: String,
    /// What the developer reads, where that is to be shown.
    pub(crate) said: Option<String>,
}

impl Cell {
    /// Free text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), said: None }
    }

    /// The SDK has no such thing, or the protocol has not.
    pub(crate) fn not_offered() -> Self {
        Self::text("–")
    }
}

/// Requests that reached the sidecar, and the time until the SDK was done.
pub(crate) fn spent(requests: u64, took: Duration) -> Cell {
    Cell::text(format!("{requests} in {:.1} s", took.as_secs_f64()))
}

/// Holds a number to a bound.
pub(crate) fn at_most(found: u64, most: u64, what: &str) {
    assert!((1..=most).contains(&found), "{found} {what}, and not 1 to {most}");
}

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Tokens,
    Identities,
    Lasting,
    Passing,
    Proxies,
}

/// Something that every SDK is put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Lifetime,
    Each(SelectorKind),
    ByVariable,
    Unnamed,
    First,
    Again,
    Slash,
    ClientId,
    ObjectId,
    ResourceId,
    Default,
    Told,
    Crowd,
    Below,
    Above,
    WrongSecret,
    Closed,
    WrongIdentity,
    WrongResource,
    Refused,
    Held,
    Throttled,
    Failing,
    Down,
    OnePause,
    ProxyExempt,
    Proxy,
    Symptom(Mistake),
}

impl Case {
    /// All there are, in the order of the tables and of the page of symptoms.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::TABLED.into_iter().chain(Mistake::ALL.map(Self::Symptom))
    }

    const TABLED: [Self; 29] = [
        Self::First,
        Self::Again,
        Self::Slash,
        Self::ClientId,
        Self::ObjectId,
        Self::ResourceId,
        Self::Default,
        Self::Told,
        Self::Crowd,
        Self::Below,
        Self::Above,
        Self::Lifetime,
        Self::Each(SelectorKind::Client),
        Self::Each(SelectorKind::Object),
        Self::Each(SelectorKind::Resource),
        Self::ByVariable,
        Self::Unnamed,
        Self::WrongSecret,
        Self::Closed,
        Self::WrongIdentity,
        Self::WrongResource,
        Self::Refused,
        Self::Held,
        Self::OnePause,
        Self::Throttled,
        Self::Failing,
        Self::Down,
        Self::ProxyExempt,
        Self::Proxy,
    ];

    /// Its name, and its column's heading.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::First => ("first", "first token"),
            Self::Again => ("again", "again"),
            Self::Slash => ("slash", "again, with a trailing slash"),
            Self::ClientId => ("client-id", "by client id"),
            Self::ObjectId => ("object-id", "by object id"),
            Self::ResourceId => ("resource-id", "by resource id"),
            Self::Default => ("default", "`DefaultAzureCredential`"),
            Self::Told => ("told", "the same, told where"),
            Self::Crowd => ("crowd", "50 callers"),
            Self::Below => ("below", "3 calls, token too old for it"),
            Self::Above => ("above", "3 calls, token just good enough"),
            Self::Lifetime => ("lifetime", "a lifetime"),
            Self::Each(SelectorKind::Client) => ("each-by-client-id", "each by client id"),
            Self::Each(SelectorKind::Object) => ("each-by-object-id", "each by object id"),
            Self::Each(SelectorKind::Resource) => ("each-by-resource-id", "each by resource id"),
            Self::ByVariable => ("by-variable", "each by `AZURE_CLIENT_ID`"),
            Self::Unnamed => ("unnamed", "none named (403)"),
            Self::WrongSecret => ("wrong-secret", "wrong secret (401)"),
            Self::Closed => ("closed", "closed protocol (403)"),
            Self::WrongIdentity => ("wrong-identity", "other identity (403)"),
            Self::WrongResource => ("wrong-resource", "no resource (403)"),
            Self::Refused => ("refused", "Entra says no (403)"),
            Self::Held => ("held", "policy says no (403)"),
            Self::OnePause => ("one-pause", "throttled once (429)"),
            Self::Throttled => ("throttled", "throttled (429)"),
            Self::Failing => ("failing", "Entra fails (503)"),
            Self::Down => ("down", "Entra is down (503)"),
            Self::ProxyExempt => ("proxy-exempt", "with `NO_PROXY`"),
            Self::Proxy => ("proxy", "without"),
            Self::Symptom(mistake) => (mistake.name(), ""),
        }
    }

    /// In which table it is told; symptoms have a page of their own.
    pub(crate) fn table(self) -> Option<Table> {
        let table = match self {
            Self::Each(_) | Self::ByVariable | Self::Unnamed => Table::Identities,
            Self::WrongSecret
            | Self::Closed
            | Self::WrongIdentity
            | Self::WrongResource
            | Self::Refused
            | Self::Held => Table::Lasting,
            Self::OnePause | Self::Throttled | Self::Failing | Self::Down => Table::Passing,
            Self::ProxyExempt | Self::Proxy => Table::Proxies,
            Self::Symptom(_) => return None,
            _ => Table::Tokens,
        };
        Some(table)
    }

    /// Whether a lane is put through it. What an SDK prints is much the same by any protocol: that of its first is shown.
    pub(crate) fn is_for(self, lane: &Lane) -> bool {
        !matches!(self, Self::Symptom(_)) || lane.sdk.protocols.first() == Some(&lane.protocol)
    }

    /// Plays it.
    ///
    /// # Panics
    /// If anything is not as it must be.
    pub(crate) async fn play(self, lane: &Lane) -> Cell {
        match self {
            Self::First => tokens::first(lane).await,
            Self::Again => tokens::again(lane).await,
            Self::Slash => tokens::slash(lane).await,
            Self::ClientId => tokens::client_id(lane).await,
            Self::ObjectId => tokens::object_id(lane).await,
            Self::ResourceId => tokens::resource_id(lane).await,
            Self::Default => tokens::default(lane).await,
            Self::Told => tokens::told(lane).await,
            Self::Crowd => tokens::crowd(lane).await,
            Self::Below => tokens::below_the_edge(lane).await,
            Self::Above => tokens::above_the_edge(lane).await,
            Self::Lifetime => steady::lifetime(lane).await,
            Self::Each(by) => identities::each(lane, by).await,
            Self::ByVariable => identities::by_variable(lane).await,
            Self::Unnamed => identities::unnamed(lane).await,
            Self::WrongSecret => refusals::wrong_secret(lane).await,
            Self::Closed => refusals::closed(lane).await,
            Self::WrongIdentity => refusals::wrong_identity(lane).await,
            Self::WrongResource => refusals::wrong_resource(lane).await,
            Self::Refused => refusals::refused(lane).await,
            Self::Held => refusals::held(lane).await,
            Self::OnePause => refusals::one_pause(lane).await,
            Self::Throttled => refusals::throttled(lane).await,
            Self::Failing => refusals::failing(lane).await,
            Self::Down => refusals::down(lane).await,
            Self::ProxyExempt => tokens::proxy_exempt(lane).await,
            Self::Proxy => tokens::proxy(lane).await,
            Self::Symptom(mistake) => symptoms::play(lane, mistake).await,
        }
    }
}

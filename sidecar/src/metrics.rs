//! What is counted, in OpenMetrics.
//!
//! Whatever the hit path touches is an array of counters that exist from the start: looking one up
//! by its labels would take a lock.

use std::fmt;
use std::sync::Arc;

use cambist::cache::Entry;
use cambist::key_age::Report;
use cambist::observer::{KeySource, KeysOutcome, Served};
use cambist_core::admission::{Mode, Standing, Unchecked};
use cambist_core::clock::UnixTime;
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::key_age;
use crate::listener::{Gauges, Recalled};
use crate::request::{Protocol, Reason};

/// The statuses the token listener answers with.
const STATUSES: [u16; 8] = [200, 400, 401, 403, 404, 405, 429, 503];
const HOW: [Served; 4] = [Served::Hit, Served::Held, Served::Fetched, Served::Failed];
const SOURCES: [KeySource; 3] = [KeySource::Public, KeySource::Api, KeySource::File];
const OUTCOMES: [KeysOutcome; 2] = [KeysOutcome::Read, KeysOutcome::Failed];

/// Why enforcement refuses.
const OBJECTIONS: [&str; 3] = ["key_overdue", "key_compromised", "unchecked_held"];
const JUDGING: [Mode; 2] = [Mode::Audit, Mode::Enforce];

/// What every metric's name begins with.
const PREFIX: &str = "cambist";

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Word = (&'static str, &'static str);

/// All metrics of the sidecar.
pub struct Metrics {
    registry: Registry,
    requests: [[Counter; STATUSES.len()]; Protocol::ALL.len() + 1],
    refused: [Counter; Reason::ALL.len()],
    served: [Counter; HOW.len()],
    keys: [[Counter; OUTCOMES.len()]; SOURCES.len()],
    fetches: Family<Labels<2>, Counter>,
    fetch_seconds: Histogram,
    admissions: Family<Labels<2>, Counter>,
    objections: [[Counter; JUDGING.len()]; OBJECTIONS.len()],
    key_age: Arc<key_age::Gauges>,
    token_connections: Gauges,
    admin_connections: Gauges,
    waiting: Gauge,
    sent_away: [Counter; Recalled::ALL.len()],
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new(started: UnixTime) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running program", build);
        let start = Gauge::<i64>::default();
        start.set(started.as_secs());
        let help = "When the sidecar started, in seconds since 1970";
        registry.register("start_timestamp_seconds", help, start);

        let requests = Family::<Labels<2>, Counter>::default();
        let refused = Family::<Labels<1>, Counter>::default();
        let served = Family::<Labels<1>, Counter>::default();
        let keys = Family::<Labels<2>, Counter>::default();
        let fetches = Family::default();
        let fetch_seconds = Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        let admissions = Family::default();
        let objections = Family::<Labels<2>, Counter>::default();

        let sent_away = Family::<Labels<1>, Counter>::default();
        let open = Family::<Labels<1>, Gauge>::default();
        let evicted = Family::<Labels<1>, Counter>::default();
        let gauges = |listener| Gauges {
            open: open.get_or_create_owned(&[("listener", listener)]),
            evicted: made(&evicted, [("listener", listener)]),
        };

        let protocols = Protocol::ALL.map(Protocol::as_str);
        let protocols = [protocols[0], protocols[1], protocols[2], "none"];
        let metrics = Self {
            requests: protocols.map(|protocol| {
                STATUSES.map(|status| {
                    made(&requests, [("protocol", protocol), ("status", status_word(status))])
                })
            }),
            refused: Reason::ALL.map(|reason| made(&refused, [("reason", reason.as_str())])),
            served: HOW.map(|how| made(&served, [("how", how.as_str())])),
            keys: SOURCES.map(|source| {
                OUTCOMES.map(|outcome| {
                    made(&keys, [("source", source.as_str()), ("outcome", outcome.as_str())])
                })
            }),
            fetches,
            fetch_seconds,
            admissions,
            objections: OBJECTIONS.map(|reason| {
                JUDGING.map(|mode| made(&objections, [("reason", reason), ("mode", mode.as_str())]))
            }),
            key_age: Arc::default(),
            token_connections: gauges("token"),
            admin_connections: gauges("admin"),
            waiting: Gauge::default(),
            sent_away: Recalled::ALL.map(|why| made(&sent_away, [("reason", why.as_str())])),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("requests", "Answers of the token listener", requests);
        registry.register(
            "refused",
            "Requests of the wrong shape, by the rule they break",
            refused,
        );
        registry.register("served", "Readers of the cache, by how they were answered", served);
        let help = "Work for a token (read, judge, exchange), by its end";
        registry.register("fetches", help, m.fetches.clone());
        let help = "How long the work for a token took";
        registry.register("fetch_duration_seconds", help, m.fetch_seconds.clone());
        let help = "Projected tokens that may be sent: verified, or unchecked and why";
        registry.register("admissions", help, m.admissions.clone());
        let help = "Projected tokens that were refused for their key, or would be where enforced";
        registry.register("key_objections", help, objections);
        registry.register_collector(Box::new(m.key_age.clone()));
        registry.register("key_fetches", "Looking for the issuer's keys, by source", keys);
        registry.register("connections", "Open connections", open);
        let help = "Connections closed for being idle, slow or one too many";
        registry.register("connections_evicted", help, evicted);
        registry.register("waiting", "Requests that wait for a new token", m.waiting.clone());
        let help = "Requests that could not wait, or no longer, and may ask again";
        registry.register("sent_away", help, sent_away);
        Self { registry, ..metrics }
    }

    /// Counts the lines that the log dropped, too.
    pub fn add_log(&mut self, dropped: Counter) {
        let help = "Lines of the log that were dropped because nobody read them in time";
        self.registry.register("log_lines_dropped", help, dropped);
    }

    /// The token listener answered.
    pub fn answered(&self, protocol: Option<Protocol>, status: StatusCode) {
        let row = protocol.map_or(Protocol::ALL.len(), |p| p as usize);
        let column = STATUSES.iter().position(|known| *known == status.as_u16());
        if let Some(counter) = column.and_then(|column| self.requests.get(row)?.get(column)) {
            counter.inc();
        }
    }

    /// A request was refused.
    pub fn refused(&self, reason: Reason) {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.inc();
        }
    }

    /// A reader of the cache was answered.
    pub fn served(&self, how: Served) {
        if let Some(counter) = self.served.get(how as usize) {
            counter.inc();
        }
    }

    /// The work for a token ended; `reason` is why it failed.
    pub fn fetched(&self, reason: Option<&'static str>, took: std::time::Duration) {
        let outcome = if reason.is_some() { "failed" } else { "ok" };
        let labels = [("outcome", outcome), ("reason", reason.unwrap_or("none"))];
        self.fetches.get_or_create(&labels).inc();
        self.fetch_seconds.observe(took.as_secs_f64());
    }

    /// A projected token may be sent.
    pub fn admitted(&self, standing: Standing) {
        self.admissions.get_or_create(&admission(standing)).inc();
    }

    /// How many were sent without having been checked, by reason.
    pub fn unchecked(&self) -> impl Iterator<Item = (&'static str, u64)> {
        UNCHECKED.iter().map(|reason| {
            let labels = admission(Standing::Unchecked(*reason));
            (reason.as_str(), self.admissions.get(&labels).map_or(0, |counter| counter.get()))
        })
    }

    /// A token was refused, or would have been if it were enforced. Other reasons than enforcement's
    /// do not count.
    pub fn objected(&self, reason: &str, mode: Mode) {
        let row = OBJECTIONS.iter().position(|known| *known == reason);
        let column = JUDGING.iter().position(|known| *known == mode);
        let counter = row.zip(column).and_then(|(r, c)| self.objections.get(r)?.get(c));
        if let Some(counter) = counter {
            counter.inc();
        }
    }

    /// The issuer's keys were judged.
    pub fn keys_judged(&self, report: &Report) {
        self.key_age.judged(report);
    }

    /// The issuer's keys were read.
    pub fn keys_read(&self, at: UnixTime) {
        self.key_age.read(at);
    }

    /// Somebody looked for the issuer's keys.
    pub fn keys_fetched(&self, source: KeySource, outcome: KeysOutcome) {
        let row = self.keys.get(source as usize);
        if let Some(counter) = row.and_then(|row| row.get(outcome as usize)) {
            counter.inc();
        }
    }

    /// What the token listener's connections are counted by.
    pub fn token_connections(&self) -> Gauges {
        self.token_connections.clone()
    }

    /// What the admin listener's connections are counted by.
    pub fn admin_connections(&self) -> Gauges {
        self.admin_connections.clone()
    }

    /// A request could not wait for its token.
    pub fn sent_away(&self, why: Recalled) {
        if let Some(counter) = self.sent_away.get(why as usize) {
            counter.inc();
        }
    }

    /// What those who wait for a token are counted by.
    pub fn waiting(&self) -> Gauge {
        self.waiting.clone()
    }

    /// Everything as OpenMetrics text; the cache's content is as told, so that what it has forgotten
    /// is forgotten here, too.
    pub fn encode(&self, entries: &[Entry]) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail, and neither do our labels.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &held(entries));
        let _ = encode_eof(&mut text);
        text
    }
}

/// The cache's content as metrics of this one scrape: what two scrapes shared, one would empty while
/// the other reads it.
fn held(entries: &[Entry]) -> Registry {
    let expiry = Family::<[(&'static str, String); 1], Gauge>::default();
    let held = Family::<[(&'static str, String); 1], Gauge>::default();
    for entry in entries {
        let labels = [("resource", entry.scope.resource().to_owned())];
        held.get_or_create(&labels).set(i64::from(entry.token.is_some()));
        if let Some(token) = &entry.token {
            expiry.get_or_create(&labels).set(token.expires_on().as_secs());
        }
    }
    let mut registry = Registry::with_prefix(PREFIX);
    let help = "When the held token expires, in seconds since 1970";
    registry.register("token_expiry_timestamp_seconds", help, expiry);
    registry.register("token_held", "Whether a valid token is held", held);
    registry
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

const UNCHECKED: [Unchecked; 4] =
    [Unchecked::NoKeys, Unchecked::UnknownKid, Unchecked::UnusableKey, Unchecked::ClockSkew];

fn admission(standing: Standing) -> [Word; 2] {
    match standing {
        Standing::Verified(_) => [("standing", "verified"), ("reason", "none")],
        Standing::Unchecked(reason) => [("standing", "unchecked"), ("reason", reason.as_str())],
    }
}

fn made<L>(family: &Family<L, Counter>, labels: L) -> Counter
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet,
{
    family.get_or_create_owned(&labels)
}

const fn status_word(status: u16) -> &'static str {
    match status {
        200 => "200",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        429 => "429",
        _ => "503",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_where_its_label_says() {
        let metrics = Metrics::new(UnixTime::from_secs(1_795_407_225));
        metrics.answered(Some(Protocol::Imds), StatusCode::OK);
        metrics.answered(None, StatusCode::NOT_FOUND);
        metrics.refused(Reason::IdentityNotFound);
        metrics.served(Served::Held);
        metrics.keys_fetched(KeySource::Api, KeysOutcome::Failed);
        metrics.fetched(Some("entra_throttled"), std::time::Duration::from_secs(1));
        metrics.admitted(Standing::Unchecked(Unchecked::NoKeys));
        let text = metrics.encode(&[]);
        for line in [
            "cambist_requests_total{protocol=\"imds\",status=\"200\"} 1",
            "cambist_requests_total{protocol=\"none\",status=\"404\"} 1",
            "cambist_refused_total{reason=\"identity_not_found\"} 1",
            "cambist_served_total{how=\"held\"} 1",
            "cambist_key_fetches_total{source=\"api\",outcome=\"failed\"} 1",
            "cambist_fetches_total{outcome=\"failed\",reason=\"entra_throttled\"} 1",
            "cambist_admissions_total{standing=\"unchecked\",reason=\"no_keys\"} 1",
            "cambist_connections{listener=\"token\"} 0",
            "cambist_build_info{version=",
            "cambist_start_timestamp_seconds 1795407225",
        ] {
            assert!(text.lines().any(|l| l.starts_with(line)), "{line} is not in\n{text}");
        }
        // Counted once, and nowhere else.
        let counted =
            |name: &str| text.lines().filter(|l| l.starts_with(name) && !l.ends_with(" 0")).count();
        assert_eq!((counted("cambist_requests"), counted("cambist_key_fetches")), (2, 1), "{text}");
        let helps = text.lines().filter(|l| l.starts_with("# HELP")).collect::<Vec<_>>();
        let once: std::collections::BTreeSet<_> = helps.iter().collect();
        assert_eq!(helps.len(), once.len(), "a family is described once");
        assert!(text.ends_with("# EOF\n"));
        assert!(metrics.unchecked().any(|found| found == ("no_keys", 1)));
    }

    #[test]
    fn scrapes_at_once_see_all_there_is() {
        use cambist_core::scope::Scope;
        let metrics = Arc::new(Metrics::new(UnixTime::from_secs(1_795_407_225)));
        let scopes = ["api://a/.default", "api://b/.default", "api://c/.default"];
        let scrapers = (0..2).map(|_| {
            let metrics = metrics.clone();
            std::thread::spawn(move || {
                let entry = |name: &&str| Entry::prefetched(Scope::parse(name).unwrap());
                let entries: Vec<_> = scopes.iter().map(entry).collect();
                let held = |text: &str| text.matches("\ncambist_token_held{").count();
                (0..2000).filter(|_| held(&metrics.encode(&entries)) != entries.len()).count()
            })
        });
        let scrapers: Vec<_> = scrapers.collect();
        let lacking: Vec<_> = scrapers.into_iter().map(|it| it.join().unwrap()).collect();
        assert_eq!(lacking, [0, 0]);
    }
}

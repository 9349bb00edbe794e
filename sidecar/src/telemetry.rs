//! Who is told what happens: each event goes to every reader of events, which are a file each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cambist::Principal;
use cambist::observer::Observer;
use cambist_core::clock::{Clock, UnixTime};
use prometheus_client::registry::Registry;

use crate::config::Config;
use crate::confine::Confinement;
use crate::event::Event;
use crate::key_age::{Gauges, Rules};
use crate::metrics::Counted;

pub mod audit;
mod counters;
mod files;
mod log;
mod pairs;
mod recent;
mod repeats;
mod run;
mod status;

pub(crate) use files::RefusedFile;
pub(crate) use log::WORK;
pub use pairs::Pair;
pub(crate) use recent::{LastAdmitted, LastAnswer, LastRefusal};
pub use status::KeyNews;
pub(crate) use status::Reloads;

use audit::{Audit, Trail};
use counters::Counters;
use files::Files;
use log::Log;
use pairs::Pairs;
use recent::Recent;
use run::Run;
use status::Status;

/// How often what was told before and came again is summed up.
const SUM_UP_EVERY: Duration = Duration::from_secs(60);

/// What those are called that there are too many of to be counted each by itself.
const OTHER: &str = "other";

/// Most bytes of a message in a log line; together with the rest they make 2 KB at most.
const MESSAGE: usize = 700;

/// The sidecar's observer.
#[derive(Debug)]
pub struct Telemetry {
    run: Run,
    rules: Option<Rules>,
    counters: Counters,
    files: Files,
    pairs: Pairs,
    key_age: Arc<Gauges>,
    log: Log,
    audit: Audit,
    status: Status,
    recent: Recent,
    confinement: Confinement,
}

impl Telemetry {
    /// Counts from now on; `rules` is what keys are held against, if there are any.
    pub fn new(clock: Arc<dyn Clock>, rules: Option<Rules>) -> Self {
        let run = Run::beginning(clock);
        Self {
            counters: Counters::new(rules.as_ref(), &run),
            files: Files::new(run.clone()),
            pairs: Pairs::default(),
            key_age: Arc::default(),
            log: Log::new(run.clone(), rules.clone()),
            audit: Audit::new(run.clone(), rules.clone()),
            status: Status::new(run.clone()),
            recent: Recent::new(run.clone()),
            run,
            rules,
            confinement: Confinement::default(),
        }
    }

    /// The same of a process that has given this up.
    #[must_use]
    pub fn confined(self, confinement: Confinement) -> Self {
        Self { confinement, ..self }
    }

    /// The same with an audit trail that goes this way, and not into the log.
    #[must_use]
    pub fn audited(mut self, trail: Trail) -> Self {
        self.audit.trail = trail;
        self
    }

    /// What the process has given up.
    pub fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// Tells every reader. On the path that it happens on, that of a cached token too: nobody here
    /// waits for anything.
    pub fn tell(&self, event: &Event<'_>) {
        let Self {
            run: _,
            rules: _,
            counters,
            files,
            pairs: _,
            key_age,
            log,
            audit,
            status,
            recent,
            confinement: _,
        } = self;
        counters.read(event);
        files.read(event);
        key_age.read(event);
        log.read(event);
        audit.read(event);
        status.read(event);
        recent.read(event);
    }

    /// Tells once a minute how often what was told before came again. Runs for ever.
    pub async fn sum_up(&self) {
        loop {
            tokio::time::sleep(SUM_UP_EVERY).await;
            self.log.sum_up();
            self.audit.sum_up(self.run.second());
            self.log.lost(self.audit_lines_dropped());
        }
    }

    /// It serves from now on, by this configuration.
    pub(crate) fn begin(
        &self,
        config: &Config,
        tokens_on: &[SocketAddr],
        admin_on: Option<SocketAddr>,
    ) {
        self.audit.begin(config, tokens_on, admin_on);
    }

    /// It ends: what was only counted so far is told, and that it ends, with so many connections cut off if that is
    /// known.
    pub(crate) fn end(&self, cut_off: Option<usize>) {
        self.audit.end(cut_off);
        self.log.lost(self.audit_lines_dropped());
    }

    /// Where it is counted what a caller does with an identity, both as the policy calls them.
    pub fn pair(&self, caller: &str, identity: &str) -> Arc<Pair> {
        self.pairs.of(caller, identity)
    }

    /// The last answer to this request that was no hit of the cache.
    pub(crate) fn last_answer(&self, pair: &Pair, resource: &str) -> Option<LastAnswer> {
        self.recent.answer(pair.caller(), pair.identity(), resource)
    }

    /// The last request of a caller's that was refused; under the empty name, of who is not known.
    pub(crate) fn last_refusal(&self, caller: &str) -> Option<LastRefusal> {
        self.recent.refusal(caller)
    }

    /// The last projected token that was admitted for an identity.
    pub(crate) fn last_admitted(&self, of: &Principal) -> Option<LastAdmitted> {
        self.recent.last_admitted(of)
    }

    /// What the issuer's keys are held against; nothing where a developer stands in.
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// When counting began.
    pub fn started(&self) -> UnixTime {
        self.run.started()
    }

    /// For how long it has counted.
    pub fn uptime(&self) -> Duration {
        self.run.uptime()
    }

    /// What became of the last changes of the policy.
    pub(crate) fn reloads(&self) -> Reloads {
        self.status.reloads()
    }

    /// The changed files that cannot be used.
    pub(crate) fn refused_files(&self) -> Vec<RefusedFile> {
        self.files.refused()
    }

    /// How many lines of the audit trail were dropped.
    pub(crate) fn audit_lines_dropped(&self) -> u64 {
        self.audit.trail.dropped().get()
    }

    /// The last that was heard of each key source.
    pub fn key_news(&self) -> Vec<KeyNews> {
        self.status.key_news()
    }

    /// How many projected tokens were sent without having been checked, by reason.
    pub fn unchecked(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.status.unchecked()
    }
}

impl Observer for Telemetry {
    fn event(&self, event: &cambist::Event<'_>) {
        self.tell(&Event::Library(event));
    }
}

impl Counted for Telemetry {
    fn register(&self, registry: &mut Registry) {
        self.run.register(registry);
        self.confinement.register(registry);
        self.counters.register(registry);
        self.files.register(registry);
        self.pairs.register(registry);
        self.key_age.register(registry);
    }
}

#[cfg(test)]
mod lines;

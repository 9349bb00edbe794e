//! Who sends, and when.

use std::sync::Arc;
use std::time::Duration;

use cambist::config::{ConfigErrors, ConfigFault};
use cambist::transport::{CaBundle, HttpsOptions, ProxyOptions, Transport};
use cambist_core::clock::{Clock, UnixTime};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prometheus_client::registry::Registry;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::post::{Told, post};
use super::settings::{Otlp, Signal, Target};
use super::{logs, metrics, resource, scope};
use crate::config::{Config, SignIn};
use crate::metrics::{Counted, EachPair};
use crate::telemetry::audit::Record;

/// So many records wait to be sent; what is beyond is dropped and counted.
const WAITING: usize = 2048;

/// So many records are sent together at most.
const TOGETHER: usize = 256;

/// For so long a record waits for others to be sent with.
const GATHERING: Duration = Duration::from_secs(1);

/// The longest that sending what is left may take at the end.
const LAST: Duration = Duration::from_secs(2);

/// How long a record is tried to be sent; those behind it wait as long.
const PATIENCE: Duration = Duration::from_secs(300);

/// What became of what was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Sent,
    /// The collector took it, and said that it does not want it.
    Rejected,
    /// There was no room for it, or it could not be sent.
    Dropped,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Sent, Self::Rejected, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Rejected => "rejected",
            Self::Dropped => "dropped",
        }
    }
}

/// How many records, and messages of metrics, had which fate.
#[derive(Debug)]
pub(crate) struct Exported(EachPair<Signal, Fate, 2, 3>);

impl Exported {
    fn new() -> Self {
        Self(EachPair::new(
            (Signal::ALL, ("signal", Signal::as_str)),
            (Fate::ALL, ("outcome", Fate::as_str)),
        ))
    }

    fn add(&self, signal: Signal, fate: Fate, times: u64) {
        self.0.inc_by(signal, fate, times);
    }
}

impl Counted for Exported {
    fn register(&self, registry: &mut Registry) {
        let help =
            "What was sent by OTLP: records of the audit trail, and messages with all metrics";
        self.0.register(registry, "otlp_exports", help);
    }
}

/// The way to the collector.
#[derive(Debug)]
pub(crate) struct Exporter {
    settings: Otlp,
    metrics: Option<Way>,
    logs: Option<Way>,
    records: Option<(Records, mpsc::Receiver<LogRecord>)>,
    clock: Arc<dyn Clock>,
    exported: Arc<Exported>,
}

/// Where something is sent, and over what.
type Way = (Target, Transport);

/// The way to the exporter, for whoever makes records. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    way: mpsc::Sender<LogRecord>,
    exported: Arc<Exported>,
}

impl Records {
    /// Takes a record; whoever makes it never waits.
    pub(crate) fn take(&self, record: &Record<'_>) {
        if self.way.try_send(logs::record(record)).is_err() {
            self.exported.add(Signal::Logs, Fate::Dropped, 1);
        }
    }
}

/// Sending that was begun.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Closed at the end.
    end: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Sending {
    /// Begins: `text` is OpenMetrics, which was counted since `started`. Must be called within a tokio runtime.
    pub(crate) fn begin(
        mut exporter: Exporter,
        text: impl Fn() -> String + Send + Sync + 'static,
        started: UnixTime,
    ) -> Self {
        let (end, ends) = watch::channel(());
        let records = exporter.records.take().map(|(_, records)| records);
        let task = tokio::spawn(async move {
            let metrics = exporter.send_metrics(text, started, ends.clone());
            tokio::join!(metrics, exporter.send_records(records, ends.clone()));
        });
        Self { end, task }
    }

    /// Ends it, once what is left was sent, or could not be in time.
    pub(crate) async fn end(self) {
        drop(self.end);
        let mut task = self.task;
        if tokio::time::timeout(LAST, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl Exporter {
    /// The exporter that a configuration asks for, if it does.
    ///
    /// # Errors
    /// If the CA file that it names cannot be used.
    pub(crate) fn of(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Self>, ConfigErrors> {
        let Some(settings) = config.otlp.clone() else { return Ok(None) };
        let proxy = match &config.source {
            SignIn::Federated(trust) => trust.proxy.clone(),
            #[cfg(feature = "developer")]
            SignIn::Developer => None,
        };
        Self::open(settings, proxy, clock).map(Some)
    }

    /// An exporter by these settings, which goes to an https collector through this proxy.
    ///
    /// # Errors
    /// If the CA file cannot be used.
    fn open(
        settings: Otlp,
        proxy: Option<ProxyOptions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigErrors> {
        const CA_FILE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
        let roots = settings.ca_file.iter().map(|path| CaBundle::read(path));
        let roots: Result<Vec<_>, _> = roots.collect();
        let fault = |problem: String| ConfigErrors::new(vec![ConfigFault::new(CA_FILE, problem)]);
        let roots = roots.map_err(|error| fault(error.to_string()))?;
        let way = |target: &Option<Target>| {
            let Some(target) = target else { return Ok(None) };
            let mut options = HttpsOptions::default();
            options.roots.clone_from(&roots);
            // What goes without TLS goes to somebody near.
            options.proxy = proxy.clone().filter(|_| target.url.scheme_str() == Some("https"));
            let transport = Transport::telemetry(options);
            let transport = transport.map_err(|error| fault(error.to_string()))?;
            Ok::<_, ConfigErrors>(Some((target.clone(), transport)))
        };
        let (metrics, logs) = (way(&settings.metrics)?, way(&settings.logs)?);
        let exported = Arc::new(Exported::new());
        let records = logs.is_some().then(|| {
            let (way, out) = mpsc::channel(WAITING);
            (Records { way, exported: exported.clone() }, out)
        });
        Ok(Self { settings, metrics, logs, records, clock, exported })
    }

    /// What is counted of it.
    pub(crate) fn exported(&self) -> Arc<Exported> {
        self.exported.clone()
    }

    /// The way in for records, if they are to be sent.
    pub(crate) fn records(&self) -> Option<Records> {
        self.records.as_ref().map(|(records, _)| records.clone())
    }

    /// Sends what `text` tells, which is OpenMetrics, every so often, until it is told to end, and then once more.
    async fn send_metrics(
        &self,
        text: impl Fn() -> String,
        started: UnixTime,
        mut ends: watch::Receiver<()>,
    ) {
        let Some(way) = &self.metrics else { return };
        let mut told = Told::nothing(Signal::Metrics);
        let span = || metrics::Span { start: nanos(started), now: nanos(self.clock.wall()) };
        let send = async |told: &mut Told| {
            let message =
                metrics::request(&text(), span(), resource(&self.settings.resource), scope());
            // The next message tells all of it, too.
            let answer = post(way, &message, self.settings.every, told).await;
            let rejected = answer.as_deref().ok().and_then(|body| {
                let answer = ExportMetricsServiceResponse::decode(body).ok()?.partial_success?;
                Some((answer.rejected_data_points, answer.error_message))
            });
            self.ended(Signal::Metrics, 1, answer.is_err(), rejected, told);
        };
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.every) => send(&mut told).await,
                _ = ends.changed() => break,
            }
        }
        send(&mut told).await;
    }

    /// Sends records, several at once, until it is told to end, and then what is left.
    async fn send_records(
        &self,
        records: Option<mpsc::Receiver<LogRecord>>,
        mut ends: watch::Receiver<()>,
    ) {
        let (Some(way), Some(mut records)) = (&self.logs, records) else { return };
        let (mut told, mut together) = (Told::nothing(Signal::Logs), Vec::with_capacity(TOGETHER));
        let mut ended = false;
        while !ended {
            tokio::select! {
                _ = records.recv_many(&mut together, TOGETHER) => {}
                _ = ends.changed() => ended = true,
            }
            let enough = tokio::time::Instant::now() + GATHERING;
            while !ended && together.len() < TOGETHER {
                let room = TOGETHER - together.len();
                tokio::select! {
                    _ = records.recv_many(&mut together, room) => {}
                    _ = ends.changed() => ended = true,
                    () = tokio::time::sleep_until(enough) => break,
                }
            }
            while let Ok(record) = records.try_recv() {
                together.push(record);
            }
            for chunk in together.chunks(TOGETHER) {
                self.send_together(way, chunk.to_vec(), &mut told).await;
            }
            together.clear();
        }
    }

    async fn send_together(&self, way: &Way, records: Vec<LogRecord>, told: &mut Told) {
        let number = records.len() as u64;
        let scope_logs =
            ScopeLogs { scope: Some(scope()), log_records: records, schema_url: String::new() };
        let message = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(resource(&self.settings.resource)),
                scope_logs: vec![scope_logs],
                schema_url: String::new(),
            }],
        };
        let answer = post(way, &message, PATIENCE, told).await;
        let rejected = answer.as_deref().ok().and_then(|body| {
            let answer = ExportLogsServiceResponse::decode(body).ok()?.partial_success?;
            Some((answer.rejected_log_records, answer.error_message))
        });
        if answer.is_err() {
            told.lost(number);
        }
        self.ended(Signal::Logs, number, answer.is_err(), rejected, told);
    }

    /// Counts what became of so many.
    fn ended(
        &self,
        signal: Signal,
        number: u64,
        failed: bool,
        rejected: Option<(i64, String)>,
        told: &mut Told,
    ) {
        let rejected = rejected.filter(|(number, _)| *number > 0);
        let unwanted = rejected.as_ref().map_or(0, |(number, _)| number.unsigned_abs());
        let unwanted =
            if signal == Signal::Metrics { unwanted.min(1) } else { unwanted.min(number) };
        let (sent, dropped) = if failed { (0, number) } else { (number - unwanted, 0) };
        for (fate, times) in
            [(Fate::Sent, sent), (Fate::Rejected, unwanted), (Fate::Dropped, dropped)]
        {
            self.exported.add(signal, fate, times);
        }
        if let Some((number, why)) = rejected {
            told.fails(&format!("{number} are not wanted: {why}"));
        }
    }
}

/// A moment as OTLP has it.
pub(super) fn nanos(at: UnixTime) -> u64 {
    u64::try_from(at.as_secs()).unwrap_or_default().saturating_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn the_page_of_metrics_has_what_is_counted_here() {
        let scrape = Metrics::of(&[&Exported::new()]).text();
        let help = scrape.lines().find_map(|it| it.strip_prefix("# HELP cambist_otlp_exports "));
        let help = help.expect("it is there").trim_end_matches('.');
        let row =
            format!("| `cambist_otlp_exports_total` | counter | `outcome`, `signal` | {help} |\n");
        assert!(include_str!("../../../docs/metrics.md").contains(&row), "{row}");
    }
}

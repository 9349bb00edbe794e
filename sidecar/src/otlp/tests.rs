//! A receiver that decodes what it is sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cambist::transport::Transport;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::post::{Told, post};
use super::settings::{Signal, Target};
use crate::testing::{SECRET, VAULT, World, request as ask};

/// What was received, and how the next messages are answered.
#[derive(Clone, Default)]
struct Receiver {
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    records: Arc<Mutex<Vec<LogRecord>>>,
    keys: Arc<Mutex<Vec<Option<String>>>>,
    answers: Arc<Mutex<Vec<(StatusCode, Bytes)>>>,
    changed: watch::Sender<usize>,
}

impl Receiver {
    async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let receiver = Self::default();
        let this = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                let service = service_fn(move |request| this.clone().take(request));
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(served.await) });
            }
        });
        (receiver, at)
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(head.headers["content-type"], "application/x-protobuf");
        let key = head.headers.get("api-key").map(|key| key.to_str().unwrap().to_owned());
        self.keys.lock().unwrap().push(key);
        match head.uri.path() {
            "/v1/metrics" => {
                let message = ExportMetricsServiceRequest::decode(body).unwrap();
                self.metrics.lock().unwrap().push(message);
            }
            "/v1/logs" => {
                let message = ExportLogsServiceRequest::decode(body).unwrap();
                let scopes = message.resource_logs.into_iter().flat_map(|it| it.scope_logs);
                let records = scopes.flat_map(|scope| scope.log_records);
                self.records.lock().unwrap().extend(records);
            }
            other => panic!("nothing is posted to {other}"),
        }
        self.changed.send_modify(|count| *count += 1);
        let answer = self.answers.lock().unwrap().pop();
        let (status, body) = answer.unwrap_or((StatusCode::OK, Bytes::new()));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        Ok(response)
    }

    /// Waits until so many messages came.
    async fn came(&self, number: usize) {
        self.changed.subscribe().wait_for(|count| *count >= number).await.unwrap();
    }

    /// The numbers that were told last, by name and labels.
    fn last(&self) -> BTreeMap<String, f64> {
        let all = self.metrics.lock().unwrap();
        let last = &all.last().unwrap().resource_metrics[0].scope_metrics[0].metrics;
        let points = last.iter().flat_map(|metric| {
            let points = match metric.data.clone().unwrap() {
                Data::Sum(sum) => sum.data_points,
                Data::Gauge(gauge) => gauge.data_points,
                _ => Vec::new(),
            };
            points.into_iter().map(|point| {
                let labels = point.attributes.into_iter().map(|label| {
                    let Some(Value::StringValue(value)) = label.value.unwrap().value else {
                        panic!("{} is no text", label.key)
                    };
                    format!("{}={value}", label.key)
                });
                let name = format!("{} {}", metric.name, labels.collect::<Vec<_>>().join(" "));
                let Some(number_data_point::Value::AsDouble(value)) = point.value else {
                    panic!("{name} is no double")
                };
                (name, value)
            })
        });
        points.collect()
    }
}

/// An attribute of a record.
fn told(record: &LogRecord, name: &str) -> Option<Value> {
    let found = record.attributes.iter().find(|it| it.key == format!("cambist.{name}"));
    found?.value.clone()?.value
}

fn endpoint(at: SocketAddr) -> [(String, String); 3] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), format!("http://{at}")),
        ("OTEL_EXPORTER_OTLP_HEADERS".to_owned(), "api-key=s3cret".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL".to_owned(), "100".to_owned()),
    ]
}

fn borrowed(variables: &[(String, String); 3]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[tokio::test]
async fn a_receiver_is_told_what_a_scraper_would_read_and_at_the_end_the_last_of_it() {
    let (receiver, at) = Receiver::start().await;
    let world = World::new();
    let running = world.start(&borrowed(&endpoint(at))).await;
    let tokens = running.addresses()[0];
    receiver.came(1).await;
    let target = format!("/msi/token?api-version=2019-08-01&resource={VAULT}");
    let secret = format!("X-IDENTITY-HEADER: {SECRET}\r\n");
    for _ in 0..3 {
        ask(tokens, &target, &secret).await;
    }
    running.drain().await;
    let last = receiver.last();
    let served = |how: &str| {
        let of = |name: &&String| name.starts_with("cambist_served ") && name.ends_with(how);
        last.iter().filter(|(name, _)| of(name)).map(|(_, value)| value).sum::<f64>()
    };
    assert_eq!((served("how=hit"), served("how=fetched")), (2.0, 1.0), "{last:#?}");
    let sent = last["cambist_otlp_exports signal=metrics outcome=sent"];
    assert!(sent >= 1.0, "{last:#?}");
    let keys = receiver.keys.lock().unwrap().clone();
    assert!(keys.iter().all(|key| key.as_deref() == Some("s3cret")), "{keys:?}");
    let first = receiver.metrics.lock().unwrap()[0].clone();
    let resource = first.resource_metrics[0].resource.clone().unwrap();
    let name = resource.attributes.iter().find(|it| it.key == "service.name");
    assert_eq!(name, Some(&super::text_attribute("service.name", "cambist-sidecar")));
}

#[tokio::test]
async fn what_is_refused_or_not_wanted_is_counted() {
    let (receiver, at) = Receiver::start().await;
    let partial_success = Some(ExportMetricsPartialSuccess {
        rejected_data_points: 3,
        error_message: "three are strange".to_owned(),
    });
    let unwanted = ExportMetricsServiceResponse { partial_success };
    // The last is answered first.
    *receiver.answers.lock().unwrap() = vec![
        (StatusCode::OK, unwanted.encode_to_vec().into()),
        (StatusCode::BAD_REQUEST, Bytes::new()),
    ];
    let world = World::new();
    let running = world.start(&borrowed(&endpoint(at))).await;
    receiver.came(3).await;
    running.drain().await;
    let last = receiver.last();
    let exports = |outcome| last[&format!("cambist_otlp_exports signal=metrics outcome={outcome}")];
    assert_eq!((exports("dropped"), exports("rejected")), (1.0, 1.0), "{last:#?}");
}

#[tokio::test]
async fn the_audit_trail_is_sent_to_its_last_record() {
    let (receiver, at) = Receiver::start().await;
    let world = World::new();
    let variables = endpoint(at);
    let mut variables = borrowed(&variables);
    variables.push(("OTEL_METRICS_EXPORTER", "none"));
    let running = world.start(&variables).await;
    let tokens = running.addresses()[0];
    let target = format!("/msi/token?api-version=2019-08-01&resource={VAULT}");
    let secret = format!("X-IDENTITY-HEADER: {SECRET}\r\n");
    let mut token = String::new();
    for _ in 0..3 {
        let (_, body) = ask(tokens, &target, &secret).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["access_token"].as_str().unwrap().clone_into(&mut token);
    }
    ask(tokens, &target, "").await;
    running.drain().await;
    let records = receiver.records.lock().unwrap().clone();
    let kinds: Vec<_> = records.iter().map(|record| &*record.event_name).collect();
    for kind in ["cambist.started", "cambist.granted", "cambist.refused", "cambist.ended"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let granted = records
        .iter()
        .filter(|it| told(it, "outcome") == Some(Value::StringValue("granted".to_owned())));
    let count = |it: &LogRecord| match told(it, "count") {
        Some(Value::IntValue(count)) => count,
        other => panic!("{other:?} is no count"),
    };
    assert_eq!(granted.map(count).sum::<i64>(), 3, "{records:#?}");
    let journal = world.sim.journal().entries();
    let asked = journal.iter().find_map(|entry| entry.client_request_id.clone()).unwrap();
    let first = records.iter().find(|it| it.event_name == "cambist.granted").unwrap();
    assert_eq!(told(first, "client_request_id"), Some(Value::StringValue(asked)));
    assert!(first.time_unix_nano > 1_700_000_000_000_000_000, "{first:?}");
    let text = format!("{records:?}");
    assert!(!text.contains(&token) && !text.contains(SECRET));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_for_a_minute_misses_no_record() {
    let away = Arc::new(Mutex::new(5));
    let (left, taken) = (away.clone(), Arc::new(Mutex::new(0)));
    let counted = taken.clone();
    let collector = tower::service_fn(move |request: Request<Bytes>| {
        let mut left = left.lock().unwrap();
        let is_away = *left > 0;
        *left -= i32::from(is_away);
        if !is_away {
            let message = ExportLogsServiceRequest::decode(request.into_body()).unwrap();
            *counted.lock().unwrap() += message.resource_logs[0].scope_logs[0].log_records.len();
        }
        let status = if is_away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        std::future::ready(Ok::<_, Infallible>(
            Response::builder().status(status).body(Bytes::new()).unwrap(),
        ))
    });
    let target = Target {
        url: "http://collector:4318/v1/logs".parse().unwrap(),
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
    };
    let way = (target, Transport::from_service(collector));
    let scope_logs =
        ScopeLogs { log_records: vec![LogRecord::default(); 3], ..ScopeLogs::default() };
    let resource_logs =
        vec![ResourceLogs { scope_logs: vec![scope_logs], ..ResourceLogs::default() }];
    let message = ExportLogsServiceRequest { resource_logs };
    let mut told = Told::nothing(Signal::Logs);
    let patience = Duration::from_secs(300);
    post(&way, &message, patience, &mut told).await.unwrap();
    assert_eq!((*away.lock().unwrap(), *taken.lock().unwrap()), (0, 3));
    // Longer than that nobody waits for it.
    *away.lock().unwrap() = i32::MAX;
    let begun = tokio::time::Instant::now();
    post(&way, &message, patience, &mut told).await.unwrap_err();
    assert!(begun.elapsed() <= patience, "{:?}", begun.elapsed());
}

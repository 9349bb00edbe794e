//! The admin listener's requests, answered: probes, metrics, status. Never a token.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cambist::issuer_keys::IssuerKeys;
use cambist::key_age::Report;
use cambist_core::clock::Clock;
use cambist_core::foreign::brief;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::event::{Event, TurnedAway};
use crate::explain::{self, Facts, Question, explain};
use crate::front_door::{Door, HostName};
use crate::in_force::Current;
use crate::key_age;
use crate::listener::Ends;
use crate::metrics::{Format, Metrics};
use crate::reply::{self, Body};
use crate::request::protocol_of;
use crate::status::{self, Status};
use crate::telemetry::Telemetry;

/// Most bytes of a message in a report.
const MESSAGE: usize = 400;

const JSON: &str = "application/json; charset=utf-8";

const HTML: &str = "text/html; charset=utf-8";

/// `http` has no name for it.
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// What is answered, for who asks for something else.
const PLACES: &str = "/live, /ready, /metrics, /status, /status.json and /explain";

/// What is answered from beyond the pod, too: kubelet's probes and Prometheus come from there.
const OPEN: &[&str] = &["/live", "/ready", "/metrics"];

/// The same where the status is for everybody.
const OPEN_WITH_STATUS: &[&str] = &["/live", "/ready", "/metrics", "/status", "/status.json"];

/// What a person may open in a browser.
const PAGES: &[&str] = &["/status"];

/// Who may read the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusFor {
    /// Whoever is within the pod.
    #[default]
    Loopback,
    /// Whoever reaches the admin listener.
    Any,
}

impl FromStr for StatusFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "loopback" => Ok(Self::Loopback),
            "any" => Ok(Self::Any),
            _ => Err(format!("{text:?} is none of loopback, any")),
        }
    }
}

/// The door of an admin listener on `port`, which is known by `hosts` beside its address.
pub fn door(port: u16, hosts: Vec<HostName>, status: StatusFor) -> Door {
    let open = match status {
        StatusFor::Loopback => OPEN,
        StatusFor::Any => OPEN_WITH_STATUS,
    };
    Door::admin(port, hosts, open, PAGES)
}

/// What answers probes and scrapers.
#[derive(Debug)]
pub struct Admin {
    door: Door,
    current: Current,
    keys: Option<IssuerKeys>,
    telemetry: Arc<Telemetry>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    token_port: u16,
    draining: AtomicBool,
}

impl Admin {
    /// An admin endpoint of a sidecar whose listeners are open, that for tokens on `token_port`.
    pub fn new(
        door: Door,
        current: Current,
        keys: Option<IssuerKeys>,
        telemetry: Arc<Telemetry>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        token_port: u16,
    ) -> Self {
        let draining = AtomicBool::new(false);
        Self { door, current, keys, telemetry, metrics, clock, token_port, draining }
    }

    /// From now on the sidecar is not ready: it is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Answers a request.
    ///
    /// Neither liveness nor plain readiness asks whether Entra or the issuer can be reached: an
    /// outage of theirs must not restart an app or take it out of its Service.
    pub fn answer<B>(&self, ends: Ends, request: &Request<B>) -> Response<Body> {
        if let Err(rejection) = self.door.check(ends, request) {
            let rejection = rejection.without(self.current.load().access.secrets());
            let turned_away = TurnedAway { rejection: &rejection };
            self.telemetry.tell(&Event::TurnedAway(turned_away));
            return reply::rejection(&rejection, self.clock.wall());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let problem = json!({"error": "method_not_allowed", "message": format!("GET is answered here, of {PLACES}")});
            let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, JSON, problem.to_string());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let tokens = match request.uri().query() {
            None | Some("") => false,
            Some(query) => query.split('&').any(|pair| pair == "tokens=1"),
        };
        match request.uri().path() {
            "/live" => json_reply(StatusCode::OK, &json!({"live": true})),
            "/ready" => self.ready(tokens),
            "/metrics" => {
                // Has them judged if that was not done lately.
                drop(self.report());
                let format = Format::wanted(request.headers());
                let text = self.metrics.encode(self.current.load().held(self.clock.boot()), format);
                answer(StatusCode::OK, format.content_type(), text)
            }
            "/explain" => self.explain(request.uri().query()),
            "/status" => page(&self.status()),
            "/status.json" => json_reply(StatusCode::OK, &json!(self.status())),
            // An app that was given the wrong port: most SDKs would ask again after a 404.
            path if protocol_of(path).is_some() => {
                let message = format!("tokens are served on port {}", self.token_port);
                let problem = json!({"error": "access_denied", "message": message});
                json_reply(StatusCode::FORBIDDEN, &problem)
            }
            _ => {
                let port = self.token_port;
                let message = format!("here are {PLACES}; tokens are on port {port}");
                let problem = json!({"error": "not_found", "message": message});
                json_reply(StatusCode::NOT_FOUND, &problem)
            }
        }
    }

    /// What is to be said of the issuer's keys now.
    fn report(&self) -> Option<Arc<Report>> {
        self.keys.as_ref()?.key_age()?.report()
    }

    /// The verdict on the issuer's keys is told and never asked: whatever it is, apps are served.
    fn ready(&self, tokens: bool) -> Response<Body> {
        let report = self.report();
        let rules = self.telemetry.rules();
        let key_age = rules.map(|rules| key_age::detail(rules, report.as_deref()));
        if self.draining.load(Ordering::Relaxed) {
            let body = json!({"ready": false, "reason": "draining", "key_age": key_age});
            return json_reply(StatusCode::SERVICE_UNAVAILABLE, &body);
        }
        if !tokens {
            return json_reply(StatusCode::OK, &json!({"ready": true, "key_age": key_age}));
        }
        let in_force = self.current.load();
        let mut pinned: Vec<_> = in_force.entries().filter(|(_, entry)| entry.pinned).collect();
        pinned.sort_by(|a, b| (a.0, &a.1.scope).cmp(&(b.0, &b.1.scope)));
        let ready = pinned.iter().all(|(_, entry)| entry.token.is_some());
        let tokens: Vec<_> = pinned
            .iter()
            .map(|(identity, entry)| {
                let failure = entry.failure.as_ref();
                json!({
                    "identity": identity,
                    "resource": entry.scope.resource(),
                    "held": entry.token.is_some(),
                    "reason": failure.map(|error| error.reason().as_str()),
                    "message": failure.map(|error| brief(error, MESSAGE)),
                })
            })
            .collect();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json_reply(status, &json!({"ready": ready, "tokens": tokens, "key_age": key_age}))
    }

    /// Why a request for a resource is answered as it is.
    fn explain(&self, query: Option<&str>) -> Response<Body> {
        let (in_force, report) = (self.current.load(), self.report());
        let facts = Facts {
            in_force: &in_force,
            telemetry: &self.telemetry,
            report: report.as_deref(),
            now: self.clock.wall(),
            boot: self.clock.boot(),
        };
        match Question::parse(query).and_then(|question| explain(&question, &facts)) {
            Ok(explained) => json_reply(StatusCode::OK, &json!(explained)),
            Err(message) => {
                // By the schema's version, who asks tells this answer from another server's.
                let problem = json!({
                    "schemaVersion": explain::SCHEMA,
                    "error": "invalid_request",
                    "message": message,
                });
                json_reply(StatusCode::BAD_REQUEST, &problem)
            }
        }
    }

    fn status(&self) -> Status {
        let (in_force, report) = (self.current.load(), self.report());
        let (keys, telemetry) = (self.keys.as_ref(), &*self.telemetry);
        Status::of(&in_force, keys, report.as_deref(), telemetry, &*self.clock)
    }
}

fn json_reply(status: StatusCode, body: &Value) -> Response<Body> {
    answer(status, JSON, format!("{body}\n"))
}

/// The status for a browser, which may neither frame it nor take it for anything else.
fn page(status: &Status) -> Response<Body> {
    let mut response = answer(StatusCode::OK, HTML, status::page::render(status));
    let policy = format!("{}; frame-ancestors 'none'", cambist_page::policy());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;

//! What the standard variables say of OTLP
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>,
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).
//!
//! Nothing is sent unless an endpoint is named: a sidecar that tries a port where nobody listens, because that is the
//! standard's default, would only fill its log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cambist::Env;
use cambist::config::ConfigFault;
use cambist_core::foreign::Foreign;
use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A kind of telemetry, with the variables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Metrics,
    Logs,
}

impl Signal {
    pub(crate) const ALL: [Self; 2] = [Self::Metrics, Self::Logs];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// Which exporter it has: `otlp` or `none`.
    const fn exporter(self) -> &'static str {
        match self {
            Self::Metrics => "OTEL_METRICS_EXPORTER",
            Self::Logs => "OTEL_LOGS_EXPORTER",
        }
    }

    /// The variable of its own that goes before the one for all.
    fn own(self, of_all: &str) -> String {
        let signal = self.as_str().to_ascii_uppercase();
        of_all.replace("OTLP_", &format!("OTLP_{signal}_"))
    }
}

/// Where telemetry goes.
#[derive(Clone, Debug)]
pub(crate) struct Otlp {
    pub(crate) metrics: Option<Target>,
    pub(crate) logs: Option<Target>,
    /// How often metrics are sent.
    pub(crate) every: Duration,
    /// What the sender is, beside its version.
    pub(crate) resource: Vec<(String, String)>,
    /// Certificate authorities that are trusted beside the platform's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where one signal goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) timeout: Duration,
}

/// The headers may hold a key: their names alone.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name.as_str());
        let mut out = f.debug_struct("Target");
        out.field("url", &self.url).field("headers", &names.collect::<Vec<_>>());
        out.field("timeout", &self.timeout).finish()
    }
}

impl Otlp {
    /// What the variables say; none if nothing is to be sent. What is wrong with them is put to the faults.
    pub(crate) fn read(
        env: &dyn Env,
        faults: &mut Vec<ConfigFault>,
        _: &mut Vec<String>,
    ) -> Option<Self> {
        let disabled = env.get("OTEL_SDK_DISABLED");
        if disabled.is_some_and(|it| it.trim().eq_ignore_ascii_case("true")) {
            return None;
        }
        let mut read = Reader { env, faults };
        let [metrics, logs] = Signal::ALL.map(|signal| read.target(signal));
        if metrics.is_none() && logs.is_none() {
            return None;
        }
        let every = read.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60_000);
        let mut resource = read.pairs("OTEL_RESOURCE_ATTRIBUTES");
        if let Some(name) = env.get("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()) {
            resource.retain(|(known, _)| known != "service.name");
            resource.push(("service.name".to_owned(), name));
        } else if !resource.iter().any(|(name, _)| name == "service.name") {
            resource.push(("service.name".to_owned(), "cambist-sidecar".to_owned()));
        }
        let ca_file = env.get("OTEL_EXPORTER_OTLP_CERTIFICATE").map(PathBuf::from);
        Some(Self { metrics, logs, every, resource, ca_file })
    }

    /// Where what is sent goes, each signal by itself.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &Uri> {
        [&self.metrics, &self.logs].into_iter().flatten().map(|target| &target.url)
    }

    /// A file with certificate authorities that are trusted beside the platform's.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }
}

struct Reader<'r> {
    env: &'r dyn Env,
    faults: &'r mut Vec<ConfigFault>,
}

impl Reader<'_> {
    fn fault(&mut self, name: impl Into<String>, problem: impl Into<String>) {
        self.faults.push(ConfigFault::new(name.into(), problem.into()));
    }

    /// The signal's own variable, or that of all.
    fn of(&self, signal: Signal, of_all: &str) -> Option<(String, String)> {
        let own = signal.own(of_all);
        let named = |name: String| Some((name.clone(), self.env.get(&name)?));
        named(own).or_else(|| named(of_all.to_owned())).filter(|(_, text)| !text.trim().is_empty())
    }

    fn target(&mut self, signal: Signal) -> Option<Target> {
        let exporter = self.env.get(signal.exporter());
        match exporter.as_deref().map(str::trim) {
            None | Some("" | "otlp") => {}
            Some("none") => return None,
            Some(other) => {
                let problem = format!("{} is none of otlp and none", Foreign::new(other));
                self.fault(signal.exporter(), problem);
                return None;
            }
        }
        let Some((name, text)) = self.of(signal, ENDPOINT) else {
            if exporter.is_some_and(|it| it.trim() == "otlp") {
                let problem = format!("it is otlp, and {ENDPOINT} does not say where to");
                self.fault(signal.exporter(), problem);
            }
            return None;
        };
        if let Some((name, protocol)) = self.of(signal, "OTEL_EXPORTER_OTLP_PROTOCOL")
            && protocol.trim() != "http/protobuf"
        {
            let protocol = Foreign::new(protocol.trim());
            let fix = "http/protobuf is spoken here, which collectors have on port 4318";
            self.fault(name, format!("{protocol} is not: {fix}"));
        }
        if let Some((name, compression)) = self.of(signal, "OTEL_EXPORTER_OTLP_COMPRESSION")
            && compression.trim() != "none"
        {
            let compression = Foreign::new(compression.trim());
            self.fault(name, format!("{compression} is not done here; none is"));
        }
        let base = text.trim();
        // The variable of all is a base, that of a signal the whole URL.
        let url = if name == ENDPOINT {
            format!("{}/v1/{}", base.trim_end_matches('/'), signal.as_str())
        } else {
            base.to_owned()
        };
        let parsed = url.parse::<Uri>().ok();
        let usable = |url: &Uri| {
            let is_web = matches!(url.scheme_str(), Some("http" | "https"));
            let plain = url.authority().is_some_and(|at| !at.as_str().contains('@'));
            is_web && plain && url.query().is_none()
        };
        let url = parsed.filter(usable);
        if url.is_none() {
            let problem = "it must be http://HOST:PORT or https://HOST:PORT, perhaps with a path";
            self.fault(name, problem);
        }
        let headers = self.headers(signal);
        let timeout = self.of(signal, "OTEL_EXPORTER_OTLP_TIMEOUT");
        let timeout = timeout.map_or("OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), |(name, _)| name);
        let timeout = self.milliseconds(&timeout, 10_000);
        Some(Target { url: url?, headers, timeout })
    }

    fn milliseconds(&mut self, name: &str, default: u64) -> Duration {
        let Some(text) = self.env.get(name).filter(|text| !text.trim().is_empty()) else {
            return Duration::from_millis(default);
        };
        match text.trim().parse() {
            Ok(number @ 100..=3_600_000) => Duration::from_millis(number),
            _ => {
                let text = Foreign::new(text);
                self.fault(
                    name,
                    format!("{text} is no number of milliseconds from 100 to 3600000"),
                );
                Duration::from_millis(default)
            }
        }
    }

    /// `name=value,...` with both percent-encoded, as W3C's baggage has it.
    fn pairs(&mut self, name: &str) -> Vec<(String, String)> {
        let Some(text) = self.env.get(name) else { return Vec::new() };
        let decoded = |text: &str| {
            percent_decode_str(text.trim()).decode_utf8().map(std::borrow::Cow::into_owned).ok()
        };
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        let pairs: Option<Vec<_>> = parts
            .map(|part| {
                let (name, value) = part.split_once('=')?;
                Some((decoded(name).filter(|name| !name.is_empty())?, decoded(value)?))
            })
            .collect();
        // What it says may be a key.
        let problem = "it must be NAME=VALUE,..., percent-encoded where a value has a comma";
        pairs.unwrap_or_else(|| {
            self.fault(name, problem);
            Vec::new()
        })
    }

    fn headers(&mut self, signal: Signal) -> Vec<(HeaderName, HeaderValue)> {
        let Some((variable, _)) = self.of(signal, "OTEL_EXPORTER_OTLP_HEADERS") else {
            return Vec::new();
        };
        let pairs = self.pairs(&variable);
        let mut headers = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.push((name, value));
                }
                _ => self.fault(&*variable, "one of them is no HTTP header"),
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<Otlp>, Vec<String>) {
        let env: BTreeMap<String, String> =
            variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut faults = Vec::new();
        let otlp = Otlp::read(&env, &mut faults, &mut Vec::new());
        (otlp, faults.iter().map(|it| format!("{}: {}", it.name, it.problem)).collect())
    }

    const BASE: (&str, &str) = (ENDPOINT, "http://127.0.0.1:4318/");

    #[test]
    fn nothing_is_sent_unless_it_is_said_where_to() {
        for variables in [
            &[][..],
            &[(ENDPOINT, "")],
            &[("OTEL_SERVICE_NAME", "x")],
            &[BASE, ("OTEL_SDK_DISABLED", "true")],
            &[BASE, ("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")],
        ] {
            let (otlp, faults) = read(variables);
            assert!(otlp.is_none() && faults.is_empty(), "{variables:?}: {otlp:?} {faults:?}");
        }
    }

    #[test]
    fn a_base_is_for_all_signals_and_a_signals_own_variable_goes_before_it() {
        let (otlp, faults) = read(&[
            BASE,
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://siem.example/otlp"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "api-key=s3cret%2C1, x-team=a"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "500"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=p%20q,service.name=other"),
            ("OTEL_SERVICE_NAME", "orders"),
        ]);
        let otlp = otlp.unwrap();
        assert!(faults.is_empty(), "{faults:?}");
        let (metrics, logs) = (otlp.metrics.clone().unwrap(), otlp.logs.clone().unwrap());
        assert_eq!(metrics.url, "http://127.0.0.1:4318/v1/metrics");
        assert_eq!((metrics.timeout.as_millis(), otlp.every.as_millis()), (500, 1000));
        assert_eq!(
            (logs.url.to_string(), logs.timeout.as_secs()),
            ("https://siem.example/otlp".into(), 10)
        );
        assert_eq!((logs.headers[0].1.to_str().unwrap(), logs.headers.len()), ("s3cret,1", 2));
        assert!(!format!("{otlp:?}").contains("s3cret"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("k8s.pod.name", "p q"), pair("service.name", "orders")];
        assert_eq!(otlp.resource, expected);
    }

    #[test]
    fn what_is_not_done_is_a_fault_under_its_name() {
        for (variable, says) in [
            (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "http/protobuf is spoken here"),
            (("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"), "is not done here"),
            (("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "collector:4318"), "http://HOST:PORT"),
            (("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://u:p@h/"), "http://HOST:PORT"),
            (("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"), "milliseconds"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"), "NAME=VALUE"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret"), "no HTTP header"),
            (("OTEL_METRICS_EXPORTER", "prometheus"), "none of otlp and none"),
        ] {
            let (_, faults) = read(&[BASE, variable]);
            let found = faults.iter().any(|it| it.starts_with(variable.0) && it.contains(says));
            assert!(found, "{variable:?}: {faults:?}");
            assert!(!faults.concat().contains("s3cret"), "{faults:?}");
        }
        let (_, faults) = read(&[("OTEL_LOGS_EXPORTER", "otlp")]);
        assert!(faults[0].contains("does not say where to"), "{faults:?}");
    }
}

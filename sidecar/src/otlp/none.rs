//! What stands in where the feature `otlp` is off: none of it can be.

use std::path::Path;
use std::sync::Arc;

use cambist::Env;
use cambist::config::{ConfigErrors, ConfigFault};
use cambist_core::clock::{Clock, UnixTime};
use http::Uri;

use crate::config::Config;
use crate::metrics::Counted;
use crate::telemetry::audit::Record;

/// Where telemetry would go.
#[derive(Clone, Debug)]
pub(crate) enum Otlp {}

impl Otlp {
    /// Never any. Whoever names a collector expects it to hear something, and is warned.
    pub(crate) fn read(
        env: &dyn Env,
        _: &mut Vec<ConfigFault>,
        warnings: &mut Vec<String>,
    ) -> Option<Self> {
        let named = ["", "_METRICS", "_LOGS"].map(|it| format!("OTEL_EXPORTER_OTLP{it}_ENDPOINT"));
        if let Some(name) = named.into_iter().find(|name| env.get(name).is_some()) {
            let missing = "this sidecar is built without the feature otlp and sends nothing there";
            warnings.push(format!("{name}: {missing}"));
        }
        None
    }

    pub(crate) fn urls(&self) -> std::iter::Empty<&Uri> {
        match *self {}
    }

    pub(crate) fn ca_file(&self) -> Option<&Path> {
        match *self {}
    }
}

/// The way to a collector.
#[derive(Debug)]
pub(crate) enum Exporter {}

impl Exporter {
    pub(crate) fn of(_: &Config, _: Arc<dyn Clock>) -> Result<Option<Self>, ConfigErrors> {
        Ok(None)
    }

    pub(crate) fn exported(&self) -> Arc<dyn Counted> {
        match *self {}
    }

    pub(crate) fn records(&self) -> Option<Records> {
        match *self {}
    }
}

/// The way for records.
#[derive(Clone, Debug)]
pub(crate) enum Records {}

impl Records {
    pub(crate) fn take(&self, _: &Record<'_>) {
        match *self {}
    }
}

/// Sending that was begun.
#[derive(Debug)]
pub(crate) enum Sending {}

impl Sending {
    pub(crate) fn begin(exporter: Exporter, _: impl Fn() -> String, _: UnixTime) -> Self {
        match exporter {}
    }

    pub(crate) async fn end(self) {
        match self {}
    }
}

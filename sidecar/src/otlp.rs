//! Metrics and the audit trail, sent on by OTLP over HTTP (feature `otlp`).
//!
//! What is counted and what is recorded is what scrapers and the audit trail have, too: here it is only put into
//! OpenTelemetry's own messages and posted. Nobody waits for a collector: what cannot be sent in time is dropped and
//! counted.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

mod export;
mod logs;
mod metrics;
mod openmetrics;
mod post;
mod settings;

pub(crate) use export::{Exporter, Records, Sending};
pub(crate) use settings::Otlp;

/// An attribute whose value is a text.
fn text_attribute(name: &str, value: &str) -> KeyValue {
    attribute(name, Value::StringValue(value.to_owned()))
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Who sends.
fn resource(told: &[(String, String)]) -> Resource {
    let version = ("service.version", env!("CARGO_PKG_VERSION"));
    let told = told.iter().map(|(name, value)| (&**name, &**value));
    let own = told.clone().all(|(name, _)| name != version.0).then_some(version);
    let attributes = told.chain(own).map(|(name, value)| text_attribute(name, value)).collect();
    Resource { attributes, ..Resource::default() }
}

/// Which part of it.
fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "cambist-sidecar".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

#[cfg(test)]
mod tests;

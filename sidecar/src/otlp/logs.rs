//! A record of the audit trail, as OTLP has it.

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use tracing::Level;

use super::attribute;
use crate::telemetry::audit::Record;

/// The record: its kind is the body, each of its fields an attribute.
pub(super) fn record(record: &Record<'_>) -> LogRecord {
    let at = record.time.nanos();
    let level = record.level();
    let fields = serde_json::to_value(record).unwrap_or_default();
    let fields = fields.as_object().into_iter().flatten();
    let attributes = fields.filter_map(|(name, value)| {
        let value = match value {
            serde_json::Value::String(text) => Value::StringValue(text.clone()),
            serde_json::Value::Bool(is) => Value::BoolValue(*is),
            serde_json::Value::Number(number) => Value::IntValue(number.as_i64()?),
            _ => return None,
        };
        Some(attribute(&format!("cambist.{name}"), value))
    });
    let body = Value::StringValue(record.kind.as_str().to_owned());
    LogRecord {
        time_unix_nano: at,
        observed_time_unix_nano: at,
        severity_number: severity(level) as i32,
        severity_text: level.to_string(),
        body: Some(AnyValue { value: Some(body) }),
        attributes: attributes.collect(),
        event_name: format!("cambist.{}", record.kind.as_str()),
        ..LogRecord::default()
    }
}

fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    }
}

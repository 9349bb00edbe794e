//! Where records go: to a stream of their own, or into the log.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use cambist_core::clock::Clock;
use serde_json::Value;
use tracing::Level;

use super::AUDIT;
use super::record::{FIELDS, Record, Time};
use super::words::{Kind, Outcome};
use crate::log::{self, Look};
use crate::otlp::Records;

/// Where the audit trail goes. Clones go the same way.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    way: Way,
    /// A collector that has it, too.
    also: Option<Records>,
}

#[derive(Clone, Debug, Default)]
enum Way {
    /// Into the log, so that nothing goes unnoticed where nobody wants it elsewhere.
    #[default]
    Log,
    /// A line each, by a thread of its own.
    Lines { writer: log::Writer, look: Look },
}

impl Trail {
    /// Lines that are written to `out`, and dropped and counted where nobody takes them.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn lines(
        out: impl Write + Send + 'static,
        look: Look,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let tell = move |writer: &log::Writer, lines| {
            let mut record = Record::new(Kind::LinesDropped, Time(clock.wall_millis()));
            record.count = Some(lines);
            writer.line(&line(&record, look))
        };
        let writer = log::Writer::start(log::Stream::Audit, out, tell)?;
        Ok(Self { way: Way::Lines { writer, look }, also: None })
    }

    /// The same, which goes to a collector, too, if there is one.
    #[must_use]
    pub(crate) fn also_to(self, also: Option<Records>) -> Self {
        Self { also, ..self }
    }

    /// How many lines of it were dropped.
    pub fn dropped(&self) -> log::Dropped {
        match &self.way {
            Way::Lines { writer, .. } => writer.dropped(),
            Way::Log => log::Dropped::of(log::Stream::Audit),
        }
    }

    /// Waits until all is written, for so long at most. Whether it is.
    pub fn flush(&self, at_most: Duration) -> bool {
        match &self.way {
            Way::Lines { writer, .. } => writer.flush(at_most),
            Way::Log => true,
        }
    }

    /// Takes a record, and waits for nobody.
    pub(super) fn take(&self, record: &Record<'_>) {
        if let Some(also) = &self.also {
            also.take(record);
        }
        match &self.way {
            Way::Lines { writer, look } => _ = writer.line(&line(record, *look)),
            Way::Log => log_record(record),
        }
    }
}

impl Record<'_> {
    /// How much somebody should mind.
    pub fn level(&self) -> Level {
        match (self.kind, self.outcome) {
            (Kind::Started | Kind::Ended, _) => Level::INFO,
            // After its next start the sidecar would not serve.
            (Kind::Reloaded, Some(Outcome::Refused)) => Level::ERROR,
            (_, Some(outcome)) => outcome.level(),
            (_, None) => Level::WARN,
        }
    }
}

pub(super) fn line(record: &Record<'_>, look: Look) -> Vec<u8> {
    let mut line = match look {
        // Texts and numbers under fixed names: nothing in it can fail.
        Look::Json => serde_json::to_vec(record).unwrap_or_default(),
        Look::Text { colours } => readable(record, colours).into_bytes(),
    };
    line.push(b'\n');
    line
}

fn readable(record: &Record<'_>, colours: bool) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = log::head(&mut out, &record.time.to_string(), record.level(), "AUDIT", colours);
    out.push_str(record.kind.as_str());
    let members = serde_json::to_value(record).unwrap_or_default();
    for (name, _) in FIELDS {
        let _ = match &members[*name] {
            Value::Null => Ok(()),
            Value::String(text) => log::field(&mut out, name, text),
            number => write!(out, " {name}={number}"),
        };
    }
    out
}

/// The record as an event of the log, with what a reader of logs needs of it.
fn log_record(record: &Record<'_>) {
    let Record { count, status, retry_after_s, aadsts, identities, callers, .. } = *record;
    macro_rules! event {
        ($level:ident; $($text:ident),+) => {
            tracing::$level!(
                target: AUDIT,
                outcome = record.outcome.map(Outcome::as_str),
                $($text = record.$text.as_deref(),)+
                count, status, retry_after_s, aadsts, identities, callers,
                "{}", record.kind.as_str()
            )
        };
    }
    macro_rules! told {
        ($level:ident) => {
            event!(
                $level;
                caller, protocol, listener, identity, client_id, resource, reason, detail, expires, key, verdict,
                unchecked, client_request_id, entra_request_id, uti, subject, issuer, evidence, remedy, what, setting, path
            )
        };
    }
    match (record.kind, record.level()) {
        // The log has words of its own for these.
        (Kind::Started | Kind::Ended, _) => {}
        (Kind::Reloaded, _) if record.outcome == Some(Outcome::Refused) => {}
        (_, Level::ERROR) => told!(error),
        (_, Level::WARN) => told!(warn),
        _ => told!(info),
    }
}

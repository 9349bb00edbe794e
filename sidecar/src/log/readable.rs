//! The log for people: one event, one line.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::look::{field, head, plain};

/// Writes events so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readable {
    pub(super) colours: bool,
}

impl<S, N> FormatEvent<S, N> for Readable
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut at = String::new();
        SystemTime.format_time(&mut Writer::new(&mut at))?;
        let level = *event.metadata().level();
        head(&mut out, &at, level, level.as_str(), self.colours)?;
        let mut parts = Parts::default();
        event.record(&mut parts);
        writeln!(out, "{}{}", parts.message, parts.fields)
    }
}

/// An event's message and its fields.
#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Visit for Parts {
    fn record_str(&mut self, name: &Field, value: &str) {
        if name.name() == "message" {
            self.message = plain(value);
        } else {
            // Writing to a `String` cannot fail.
            let _ = field(&mut self.fields, name.name(), value);
        }
    }

    fn record_debug(&mut self, name: &Field, value: &dyn fmt::Debug) {
        self.record_str(name, &format!("{value:?}"));
    }
}

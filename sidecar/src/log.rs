//! The log: lines on standard error, by a thread of its own; readable ones on a terminal, JSON elsewhere.

use std::fmt;
use std::panic::PanicHookInfo;
use std::str::FromStr;

use tracing::{Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

mod dropped;
mod look;
mod readable;
mod writer;

pub use dropped::{Dropped, Stream};
pub use look::{Format, Look};
pub(crate) use look::{field, head};
pub use writer::{Line, Writer};

use readable::Readable;

/// What is logged: a level, and levels for single targets, such as `info` or `warn,cambist=debug`.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Targets);

impl Default for Filter {
    fn default() -> Self {
        Self(Targets::new().with_default(Level::INFO))
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let levels = "off, error, warn, info, debug or trace";
        // To the parser a lone word that is no level is a target, and everything else is silent.
        let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
        let lone =
            text.split(',').map(str::trim).find(|part| !part.contains('=') && !is_level(part));
        if let Some(word) = lone {
            return Err(format!("{word:?} is no log level; {levels} is, or TARGET=LEVEL"));
        }
        let targets = text.parse();
        let targets =
            targets.map_err(|error| format!("{text:?} is no log filter ({error}); {levels} is"))?;
        Ok(Self(targets))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The subscriber that writes what the filter lets through, in lines that look so.
///
/// Other crates' events below `warn` are dropped whatever the filter says: an HTTP library at
/// `trace` prints the header secret and the assertion.
pub fn subscriber<W>(filter: &Filter, look: Look, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = filter_fn(|meta| is_ours(meta.target()) || *meta.level() <= Level::WARN);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match look {
        Look::Json => {
            let json = lines.json().flatten_event(true);
            json.with_current_span(false).with_span_list(false).boxed()
        }
        Look::Text { colours } => lines.event_format(Readable { colours }).boxed(),
    };
    let lines = lines.with_filter(ours);
    Registry::default().with(filter.0.clone()).with(lines)
}

/// Has panics told in the log, where nobody waits for whoever reads it. The standard library's way
/// would, and with it the worker that panicked.
///
/// Only a text that stands in the code is repeated: one that was put together may hold anything.
pub fn take_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let words = panic.payload().downcast_ref::<&str>().copied();
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(words, place, thread = thread.name(), "a defect: a task panicked");
    }));
}

fn is_ours(target: &str) -> bool {
    ["cambist", "cambist_core", "cambist_sidecar"]
        .iter()
        .any(|own| target == *own || target.strip_prefix(own).is_some_and(|r| r.starts_with("::")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lines;

    #[test]
    fn other_crates_are_never_heard_below_warn() {
        let (lines, guard) = Lines::listen("trace,hyper=trace");
        tracing::trace!(target: "hyper::proto", "hunter2");
        tracing::info!(target: "cambistry", "hunter2");
        tracing::warn!(target: "hyper::proto", "a warning");
        tracing::trace!(target: "cambist::cache", scope = "s", "own");
        drop(guard);
        assert!(!lines.text().contains("hunter2"), "{}", lines.text());
        let events = lines.events();
        assert_eq!(events.len(), 2);
        assert_eq!(events[1]["scope"], "s");
    }

    #[test]
    fn an_event_is_one_readable_line() {
        let (lines, guard) = Lines::listen_as("info", Look::Text { colours: false });
        let path = std::path::Path::new("/a b");
        tracing::warn!(status = 403, reason = "browser", path = %path.display(), none = None::<&str>, "refused");
        tracing::info!("said: \x1b[2J\n{}", "twice");
        drop(guard);
        let text = lines.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let (at, line) = lines[0].split_once("Z ").unwrap();
        assert_eq!(line, " WARN refused status=403 reason=browser path=\"/a b\"");
        assert!(at.len() == 12 && at.as_bytes()[2] == b':' && at.as_bytes()[8] == b'.', "{at}");
        assert!(lines[1].ends_with(" INFO said: \\u{1b}[2J\\ntwice"), "{text}");

        let (lines, guard) = Lines::listen_as("info", Look::Text { colours: true });
        tracing::error!("red");
        drop(guard);
        assert!(
            lines.text().ends_with("Z\x1b[0m \x1b[31mERROR\x1b[0m red\n"),
            "{:?}",
            lines.text()
        );
    }

    #[test]
    fn a_filter_is_checked_before_it_is_used() {
        assert!("cambist=debug,warn".parse::<Filter>().is_ok());
        for silent in ["loud", "inof", "warn,loud"] {
            assert!(silent.parse::<Filter>().is_err(), "{silent}");
        }
        assert!("cambist=loud".parse::<Filter>().is_err());
    }
}

//! How the sidecar is, in a line.

use std::time::Duration;

use cambist_core::duration::rough;
use cambist_core::foreign::brief;
use cambist_key_age::Verdict;
use cambist_page::Tone;

use super::{Status, TokenStatus};

/// Most bytes of the kinds of files in a line.
const FILES: usize = 60;

/// A word, its colours, and the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) tone: Tone,
    pub(crate) word: &'static str,
    pub(crate) line: String,
}

impl Health {
    /// The worst that is to be said; what is worst for the apps comes first.
    pub(crate) fn of(status: &Status) -> Self {
        let asked = || status.tokens.iter().filter(|it| it.uncounted.is_none());
        let lacking: Vec<_> = asked().filter(|it| it.remaining_seconds.is_none()).collect();
        let failing = asked().filter(|it| it.failure.is_some()).count();
        let late = asked().filter(|it| it.is_late()).count();
        let (all, runway) = (asked().count(), status.runway_seconds.map(Duration::from_secs));
        let left = runway.map(rough).unwrap_or_default();
        let verdict = status.verdict();
        let it = |tone, word, line| Self { tone, word, line };
        match (lacking.first(), verdict) {
            (Some(first), _) => {
                let reason = first.failure.as_ref().map_or("not fetched yet", |it| it.reason);
                let name = named(first);
                let line = format!(
                    "{} of {all} resources in use have no token; {name}: {reason}",
                    lacking.len()
                );
                it(Tone::Bad, "NOT SERVING ALL", line)
            }
            (None, Some(verdict @ (Verdict::Overdue | Verdict::Suspect))) => {
                let line =
                    format!("all that is asked for is held, but the issuer's keys are {verdict}");
                let word = match verdict {
                    Verdict::Suspect => "SERVING, KEYS SUSPECT",
                    _ => "SERVING, KEYS OVERDUE",
                };
                it(Tone::Bad, word, line)
            }
            (None, _) if failing > 0 => {
                let line = format!(
                    "{failing} of {all} tokens cannot be refreshed now; what is held lasts {left} longer"
                );
                it(Tone::Soon, "SERVING FROM WHAT IS HELD", line)
            }
            (None, _) if late > 0 => {
                let line = format!(
                    "the refresh of {late} of {all} tokens is under way and late; what is held lasts {left} longer"
                );
                it(Tone::Soon, "SERVING FROM WHAT IS HELD", line)
            }
            (None, _) if status.policy.refused.is_some() => {
                let line = "all that is asked for is held, but the changed policy is no good, so the one before is in force";
                it(Tone::Soon, "SERVING", line.to_owned())
            }
            (None, _) if !status.refused_files.is_empty() => {
                let files: Vec<_> = status.refused_files.iter().map(|it| it.what).collect();
                let line = format!(
                    "all that is asked for is held, but a changed file ({}) is no good, so what was there before is used",
                    brief(&files.join(", "), FILES)
                );
                it(Tone::Soon, "SERVING", line)
            }
            (None, Some(Verdict::Due)) => {
                let line = "all that is asked for is held, and the issuer's signing key has to be replaced";
                it(Tone::Soon, "SERVING", line.to_owned())
            }
            (None, _) if all == 0 && status.tokens.iter().any(|it| it.failure.is_some()) => {
                let line = "no resource is in use; what was asked for and not had is told below";
                it(Tone::Open, "READY", line.to_owned())
            }
            (None, _) if all == 0 => {
                it(Tone::Open, "READY", "nobody has asked for a token lately".to_owned())
            }
            (None, _) => {
                let line = format!(
                    "all that is asked for is held: {all} of {all} resources, for {left} at least"
                );
                it(Tone::Good, "SERVING", line)
            }
        }
    }
}

fn named(token: &TokenStatus) -> String {
    format!("{} of {}", token.resource.as_str(), token.identity)
}

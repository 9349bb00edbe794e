//! What went wrong last, each with what to do about it. The errors say that themselves.

use std::collections::BTreeMap;

use cambist::Class;
use cambist_core::foreign::brief;
use cambist_page::{Tone, foreign, prose};
use maud::{Markup, html};

use super::{Status, moment, time};
use crate::status::FailureStatus;

/// Most bytes of an error: as many as a remedy behind its evidence has.
const MESSAGE: usize = 2048;

/// Most errors that are told.
const MOST: usize = 20;

pub(super) fn section(status: &Status) -> Markup {
    let failed = status.key_sources.iter().filter(|it| it.outcome != "read");
    let failed: Vec<_> = failed.collect();
    let errors = of_tokens(status);
    let history = status.judged().and_then(|it| it.history.as_ref()?.problem.as_ref());
    let refused = status.policy.refused.as_ref();
    let files = &status.refused_files;
    let none = errors.is_empty()
        && failed.is_empty()
        && history.is_none()
        && refused.is_none()
        && files.is_empty()
        && status.audit_lines_dropped == 0;
    html! {
        h2 { "Errors" }
        @if none { p { "None: whatever failed has worked since." } }
        @for ((reason, message), of) in errors.iter().take(MOST) {
            h3 { (Tone::Bad.tag(reason)) " " (foreign(&of.resources)) }
            p { (prose(message)) }
            p { strong { "Fix: " } (fix(of.last)) }
            p.soft {
                @if let Some(wait) = of.last.retry_after_seconds {
                    @if wait == 0 { "It is tried again when somebody asks. " } @else { "It is tried again in " (time(wait)) ". " }
                }
                @if let Some(id) = &of.last.correlation_id {
                    "The tenant's sign-in log has it under the correlation id " span.code { (foreign(id)) } "."
                }
            }
        }
        @if errors.len() > MOST { p.soft { (errors.len() - MOST) " more are in " code { "/status.json" } "." } }
        @if let Some(refused) = refused {
            h3 { (Tone::Soon.tag("policy")) " What the policy was changed to is no good" }
            p { (prose(&refused.problem)) }
            p.soft { "Since " (moment(refused.since)) "; what was in force before is so still." }
        }
        @for file in files.iter().take(MOST) {
            h3 { (Tone::Soon.tag(file.what)) " " (foreign(file.path.as_str())) " (" (file.setting) ") has changed and cannot be used" }
            p { (prose(&file.problem)) }
            p.soft { "Since " (moment(file.since)) "; what was there before is used still." }
        }
        @if files.len() > MOST { p.soft { (files.len() - MOST) " more are in " code { "/status.json" } "." } }
        @if status.audit_lines_dropped > 0 {
            h3 { (Tone::Soon.tag("audit")) " Lines of the audit trail were lost" }
            p {
                (status.audit_lines_dropped) " since the start: nobody took them in time, or they could not be written. "
                "Look at what " code { "CAMBIST_AUDIT" } " names, and at the disk behind it."
            }
        }
        @for source in &failed {
            h3 { (Tone::Soon.tag("issuer's keys")) " Source " (source.source) }
            p { (prose(&brief(&source.detail.0, MESSAGE))) }
            p.soft { "At " (moment(source.at)) "." }
        }
        @if let Some(problem) = history {
            h3 { (Tone::Soon.tag("history")) " The key history is not used" }
            p { (prose(problem)) }
        }
    }
}

/// What is to be done where the error itself does not say more.
fn fix(failure: &FailureStatus) -> Markup {
    let first = match failure.class {
        Class::Transient => "it may be over by itself. If it lasts: ",
        Class::Throttled => "it was asked to wait. If it lasts: ",
        _ => "",
    };
    html! { (first) (prose(failure.remedy)) "." }
}

/// What one error keeps from being held.
struct Failing<'a> {
    last: &'a FailureStatus,
    resources: String,
    many: usize,
}

/// One error is often that of many resources.
fn of_tokens(status: &Status) -> BTreeMap<(&'static str, String), Failing<'_>> {
    let mut errors = BTreeMap::new();
    for token in &status.tokens {
        let Some(last) = &token.failure else { continue };
        let key = (last.reason, brief(&last.message.0, MESSAGE));
        let of = errors.entry(key).or_insert(Failing { last, resources: String::new(), many: 0 });
        of.many += 1;
        let it = format!("{} of {}", token.resource.as_str(), token.identity);
        match of.many {
            1 => of.resources = it,
            2..=5 => of.resources += &format!(", {it}"),
            6 => of.resources += " and more",
            _ => {}
        }
    }
    errors
}

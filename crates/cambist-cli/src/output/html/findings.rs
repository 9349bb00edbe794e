//! What the checks found, with what is to be done about it.

use cambist_key_age::Severity;
use cambist_page::{link, prose};
use maud::{Markup, html};

use super::{severity, short, text};
use crate::about::address;
use crate::report::{Report, ReportedFinding};
use crate::text::message;

pub(super) fn section(report: &Report) -> Markup {
    let same = |a: &ReportedFinding, b: &ReportedFinding| {
        (a.finding.id, a.finding.severity) == (b.finding.id, b.finding.severity)
    };
    html! {
        h2 { "Findings" }
        @if report.findings.is_empty() {
            p { "None, by the checks that could be made." }
        }
        @for group in report.findings.chunk_by(same) {
            @if let Some(first) = group.first() { (of_check(first, group)) }
        }
    }
}

/// What one check found: each evidence by itself, the remedy once.
fn of_check(first: &ReportedFinding, group: &[ReportedFinding]) -> Markup {
    let (id, level) = (first.finding.id, first.finding.severity);
    html! {
        h3 {
            (severity(level).tag(level.as_str())) " "
            (link(&address(id), id.as_str())) " " (first.title)
        }
        ul {
            @for found in group {
                @if found.finding.evidence.is_empty() { li { (key(found)) "no further evidence" } }
                @for evidence in &found.finding.evidence { li { (key(found)) (text(evidence)) } }
            }
        }
        @if level > Severity::Info {
            p { strong { "Fix: " } (prose(&message(&first.remediation))) }
        }
    }
}

fn key(found: &ReportedFinding) -> Markup {
    html! { @if let Some(kid) = &found.kid { (short(kid)) ": " } }
}

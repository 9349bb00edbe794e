//! One page for who was not there: the verdict, how it came about and what is to be done, in a file that needs
//! nothing beside it.

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_key_age::{Severity, Verdict};
use cambist_page::{Page, Tone, foreign};
use maud::{Markup, html};

use super::table;
use crate::about::needs;
use crate::output::outlook::Outlook;
use crate::report::{Expected, Report};
use crate::text::{message, plain, shorten};
use crate::time::{day, relative};

mod evidence;
mod findings;
mod keys;
mod timeline;

/// Most characters of a key's name: a thumbprint has half of them.
const NAME: usize = 96;

/// Renders the report as a page.
pub(super) fn render(report: &Report) -> String {
    let body = html! {
        header {
            h1 { "Signing keys of " (text(&report.issuer)) }
            (verdict(report))
        }
        main {
            (facts(report))
            (next(&report.outlook))
            (timeline::section(report))
            (keys::section(report))
            (expected(report))
            (findings::section(report))
            (unseen(report))
            (evidence::section(report))
        }
        footer {
            p {
                "Made by " (report.generator) " from one look at " (moment(report.observed_at))
                " and the history that was given. An age is an interval: from outside nobody sees a key being made, only that it is there and that it was not. "
                code { "cambist issuer check -o json" } " has all of this for programs."
            }
        }
    };
    let title = format!("{}: {}", report.verdict, plain(&report.issuer));
    Page { title: &title, body }.render()
}

fn verdict(report: &Report) -> Markup {
    let verdict = report.verdict;
    html! {
        div.verdict.(tone(verdict).class()) {
            p.word { (verdict) }
            p.said { (sentence(&report.outlook.means)) "." }
            @if !report.outlook.ahead.is_empty() {
                ul { @for ahead in &report.outlook.ahead { li { (text(ahead)) } } }
            }
            @if report.assumptions_accepted {
                p.said { "Assumptions were accepted as proof (" code { "--accept-assumed" } ")." }
            }
        }
    }
}

fn facts(report: &Report) -> Markup {
    html! {
        dl.facts {
            dt { "Issuer" } dd { (text(&report.issuer)) " (by " (text(&report.issuer_named_by)) ")" }
            dt { "Platform" } dd { (table::platform(report)) }
            dt { "Policy" } dd { (foreign(&message(&report.policy_source.told(&report.policy)))) }
            dt { "Signer" } dd { (foreign(&table::signer(report))) }
            dt { "Watched" } dd { (table::watched(&report.watch, report.now)) }
            dt { "Judged" } dd {
                (moment(report.now)) ", by a clock that may be wrong by "
                (rough(std::time::Duration::from_secs(report.clock_error_seconds)))
                @if report.looks_left_out > 0 {
                    "; " (report.looks_left_out) " looks were by a clock too wrong to count"
                }
            }
        }
    }
}

fn next(outlook: &Outlook) -> Markup {
    html! {
        @if !outlook.next.is_empty() {
            h2 { "What to do next" }
            ol {
                @for step in &outlook.next {
                    li { (sentence(&step.why)) ":" pre { (foreign(&step.command.to_string())) } }
                }
            }
        }
    }
}

fn expected(report: &Report) -> Markup {
    let kid = |said: &Expected| said.kid.clone().unwrap_or_else(|| said.key.to_string());
    html! {
        @if !report.expected.is_empty() {
            h2 { "Announced keys" }
            table {
                thead { tr { th scope="col" { "Key" } th scope="col" { "Announced" } th scope="col" { "Until" } th scope="col" { "Published" } } }
                tbody {
                    @for said in &report.expected {
                        tr {
                            th scope="row" { (name(&kid(said))) }
                            td data-name="Announced" { (date(said.announced_at, report.now)) }
                            td data-name="Until" { (date(said.until, report.now)) }
                            td data-name="Published" { @if said.published { "yes" } @else { "not yet" } }
                        }
                    }
                }
            }
        }
    }
}

/// What was not looked at, and what could not be read.
fn unseen(report: &Report) -> Markup {
    let unseen = report.not_looked_at();
    html! {
        @if !report.problems.is_empty() {
            h2 { "What could not be read" }
            ul { @for it in &report.problems { li { (it.place) ": " (foreign(&message(&it.detail))) } } }
        }
        @if !unseen.is_empty() {
            h2 { "What was not looked at" }
            p { (needs(unseen)) ". " (report.skipped.len()) " checks were not made for want of it." }
        }
    }
}

/// Foreign text, its control characters made visible, and cut where it is overlong.
fn text(text: &str) -> Markup {
    foreign(&plain(text))
}

/// As much of a key's name as anybody compares; `-o json` has all of it.
fn name(kid: &str) -> Markup {
    let plain = plain(kid);
    let mut letters = plain.chars();
    let mut name: String = letters.by_ref().take(NAME).collect();
    if letters.next().is_some() {
        name.push('…');
    }
    html! { span.code { (foreign(&name)) } }
}

/// A key's name where another says it whole.
fn short(kid: &str) -> Markup {
    html! { span.code.short { (foreign(&shorten(&plain(kid)))) } }
}

/// A text of ours as a sentence's beginning.
fn sentence(text: &str) -> Markup {
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    foreign(&message(&format!("{first}{}", letters.as_str())))
}

fn moment(at: UnixTime) -> Markup {
    html! { time datetime=(at) { (at.to_string().replace('T', " ").replace('Z', " UTC")) } }
}

/// A day, and how far it is.
fn date(at: UnixTime, now: UnixTime) -> Markup {
    html! { time datetime=(at) { (day(at)) } " " small { "(" (relative(at, now)) ")" } }
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Ok => Tone::Good,
        Verdict::Unknown => Tone::Open,
        Verdict::Due => Tone::Soon,
        Verdict::Overdue | Verdict::Suspect => Tone::Bad,
    }
}

const fn severity(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Soon,
        Severity::Low | Severity::Info => Tone::Open,
    }
}

#[cfg(test)]
mod tests;

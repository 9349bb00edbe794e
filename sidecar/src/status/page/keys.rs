//! The issuer's keys: what is said of each, and what was found.

use cambist_key_age::Severity;
use cambist_page::{Tone, foreign, link, prose};
use maud::{Markup, html};

use super::{Status, date, moment, time, tone};
use crate::key_age::{FindingStatus, Judged, KeyStatus};

pub(super) fn section(status: &Status) -> Markup {
    html! {
        h2 { "The issuer's keys" }
        @match (&status.issuer_keys, status.judged()) {
            (None, None) => { p { "None is held, and none is judged." } }
            (keys, judged) => {
                dl.facts {
                    @if let Some(keys) = keys {
                        dt { "Issuer" } dd { (foreign(keys.issuer.as_str())) }
                        dt { "Key set" }
                        dd {
                            (keys.published) @if keys.published == 1 { " key" } @else { " keys" } ", read " (time(keys.age_seconds)) " ago"
                            @if keys.unusable > 0 { "; " (keys.unusable) @if keys.unusable == 1 { " more is" } @else { " more are" } " of no use here" }
                        }
                    }
                    @if let Some(judged) = judged { (told(judged, status)) }
                }
                @if let Some(judged) = judged { (table(judged, status)) (objections(judged)) (findings(judged, status)) }
            }
        }
    }
}

fn told(judged: &Judged, status: &Status) -> Markup {
    html! {
        @if let Some(verdict) = judged.verdict {
            dt { "Verdict" }
            dd {
                (tone(verdict).tag(verdict.as_str()))
                @if let Some(at) = judged.judged_at { " at " (moment(at)) }
                @if let Some(at) = judged.decides_at { "; decided by " (date(at, status.now.0)) " unless a rotation is seen before" }
            }
        }
        dt { "Limits" } dd { (judged.policy.in_words) }
    }
}

fn table(judged: &Judged, status: &Status) -> Markup {
    html! {
        @if !judged.keys.is_empty() {
            table {
                thead { tr {
                    th scope="col" { "Key" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Role" }
                    th scope="col" { "Age" }
                    th scope="col" { "Replace by" }
                    th scope="col" { "Gone by" }
                } }
                tbody { @for key in &judged.keys { (row(key, status)) } }
            }
        }
    }
}

/// What a key is called, as far as that is known and short enough.
fn name<'s>(key: &'s str, status: &'s Status) -> Markup {
    let mut names = status.issuer_keys.iter().flat_map(|set| &set.keys);
    let kid = names.find(|it| it.thumbprint == key).and_then(|it| it.kid.as_ref());
    html! { span.code { (foreign(kid.map_or(key, |kid| kid.as_str()))) } }
}

fn row(key: &KeyStatus, status: &Status) -> Markup {
    let when = |at| {
        html! {
            @match at {
                Some(at) => { (date(at, status.now.0)) @if key.dates_at_the_latest { " " small { "at the latest" } } }
                None => { "–" }
            }
        }
    };
    html! {
        tr {
            th scope="row" { (name(&key.key, status)) }
            td data-name="Verdict" {
                (tone(key.verdict).tag(key.verdict.as_str()))
                @if key.exempt { " " small { "exempt" } }
            }
            td data-name="Role" { (key.role) }
            td data-name="Age" {
                (time(key.at_least_seconds))
                @match key.at_most_seconds {
                    Some(most) if time(most) == time(key.at_least_seconds) => {}
                    Some(most) => { " to " (time(most)) }
                    None => { " at least" }
                }
            }
            td data-name="Replace by" { (when(key.rotate_by)) }
            td data-name="Gone by" { (when(key.expire_by)) }
        }
    }
}

/// Why something is not exchanged, or would not be where that is enforced.
fn objections(judged: &Judged) -> Markup {
    html! {
        @for objection in judged.keys.iter().filter_map(|key| key.objection.as_ref()) {
            p { strong { (objection.reason) } ": " (prose(&objection.message)) }
        }
    }
}

fn findings(judged: &Judged, status: &Status) -> Markup {
    let same = |a: &FindingStatus, b: &FindingStatus| (a.id, a.severity) == (b.id, b.severity);
    html! {
        @for group in judged.findings.chunk_by(same) {
            @if let Some(first) = group.first() { (of_check(first, group, status)) }
        }
    }
}

/// What one check found: each evidence by itself, the remedy once.
fn of_check(first: &FindingStatus, group: &[FindingStatus], status: &Status) -> Markup {
    let tone = match first.severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Soon,
        Severity::Low | Severity::Info => Tone::Open,
    };
    html! {
        h3 { (tone.tag(first.severity.as_str())) " " (link(&address(first.id), first.id)) " " (first.title) }
        ul {
            @for found in group {
                @for evidence in &found.evidence {
                    li { @if let Some(key) = &found.key { (name(key, status)) ": " } (foreign(evidence)) }
                }
            }
        }
        @if first.severity > Severity::Info { p { strong { "Fix: " } (prose(&first.remedy)) } }
    }
}

/// The check's place on the page of all checks.
fn address(id: &str) -> String {
    let page = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/checks.md");
    format!("{page}#{}", id.to_ascii_lowercase())
}

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
                            (keys.published) " keys, read " (time(keys.age_seconds)) " ago"
                            @if keys.unusable > 0 { "; " (keys.unusable) " more are of no use here" }
                        }
                    }
                    @if let Some(judged) = judged { (told(judged, status)) }
                }
                @if let Some(judged) = judged { (table(judged, status)) (findings(judged)) }
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

fn row(key: &KeyStatus, status: &Status) -> Markup {
    let mut names = status.issuer_keys.iter().flat_map(|set| &set.keys);
    let kid = names.find(|it| it.thumbprint == key.key).and_then(|it| it.kid.as_ref());
    let when = |at| html! { @if let Some(at) = at { (date(at, status.now.0)) } @else { "–" } };
    html! {
        tr {
            th scope="row" { span.code { (foreign(kid.map_or(&*key.key, |kid| kid.as_str()))) } }
            td data-name="Verdict" {
                (tone(key.verdict).tag(key.verdict.as_str()))
                @if key.exempt { " " small { "exempt" } }
                @if let Some(objection) = &key.objection { br; (foreign(&objection.message)) }
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

fn findings(judged: &Judged) -> Markup {
    html! { @for found in &judged.findings { (finding(found)) } }
}

fn finding(found: &FindingStatus) -> Markup {
    let tone = match found.severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Soon,
        Severity::Low | Severity::Info => Tone::Open,
    };
    html! {
        h3 { (tone.tag(found.severity.as_str())) " " (link(&address(found.id), found.id)) " " (found.title) }
        ul { @for evidence in &found.evidence { li { (foreign(evidence)) } } }
        @if found.severity > Severity::Info { p { strong { "Fix: " } (prose(&found.remedy)) } }
    }
}

/// The check's place on the page of all checks.
fn address(id: &str) -> String {
    let page = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/checks.md");
    format!("{page}#{}", id.to_ascii_lowercase())
}

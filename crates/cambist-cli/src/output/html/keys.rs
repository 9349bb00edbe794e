//! The keys that are published or sign, each with its dates and its verdict.

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use maud::{Markup, html};

use super::{date, name, text, tone};
use crate::output::table::exact;
use crate::report::{Report, ReportedKey};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        h2 { "Keys" }
        @if report.keys.is_empty() {
            p { "None is known: no key set could be read, or it had no key that can be judged." }
        } @else {
            table {
                thead { tr {
                    th scope="col" { "Key" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Role" }
                    th scope="col" { "Age" }
                    th scope="col" { "Public since" }
                    th scope="col" { "Replace by" }
                    th scope="col" { "Gone by" }
                } }
                tbody { @for key in &report.keys { (row(key, report.now)) } }
            }
        }
    }
}

fn row(key: &ReportedKey, now: UnixTime) -> Markup {
    let judged = &key.judged;
    let bound = |at: Option<UnixTime>| {
        html! {
            @if let Some(at) = at {
                @if !exact(key) { "at the latest " }
                (date(at, now))
            } @else { "–" }
        }
    };
    html! {
        tr {
            th scope="row" {
                (name(&key.name()))
                br; small { (kind(key)) }
            }
            td data-name="Verdict" {
                (tone(judged.verdict).tag(judged.verdict.as_str()))
                @if let Some(grade) = judged.grade { " " small { (grade) } }
            }
            td data-name="Role" { (judged.role) @if !key.published { ", not published" } }
            td data-name="Age" { (age(key)) }
            td data-name="Public since" { (bound(judged.trusted_by)) }
            td data-name="Replace by" { (bound(judged.rotate_by)) }
            td data-name="Gone by" { (bound(judged.expire_by)) }
        }
    }
}

fn kind(key: &ReportedKey) -> Markup {
    html! {
        @if let Some(alg) = key.alg.as_ref().or(key.kty.as_ref()) { (text(alg)) }
        @if let Some(bits) = key.rsa_bits { ", " (bits) " bits" }
    }
}

fn age(key: &ReportedKey) -> String {
    let age = key.judged.age;
    let least = rough(age.at_least);
    match age.at_most.map(rough) {
        Some(most) if most == least => least,
        Some(most) => format!("{least} to {most}"),
        None => format!("{least} at least"),
    }
}

//! Every fact on the keys: what the verdicts rest on.

use cambist_key_age::Fact;
use maud::{Markup, html};

use super::{moment, short, text};
use crate::report::Report;

pub(super) fn section(report: &Report) -> Markup {
    let verdict = |fact: &Fact| {
        let mut keys = report.keys.iter();
        keys.any(|key| key.judged.key == fact.key && key.judged.evidence.contains(fact))
    };
    html! {
        h2 { "Evidence" }
        @if report.facts.is_empty() {
            p { "There is none." }
        } @else {
            p.soft {
                "How well something is known: "
                em { "proven" } " by an observation of cambist's own, "
                em { "attested" } " by others who keep records, "
                em { "asserted" } " by who could have set it, "
                em { "assumed" } " by somebody who chose to. What a verdict rests on is marked."
            }
            table {
                thead { tr {
                    th scope="col" { "Key" }
                    th scope="col" { "Evidence" }
                    th scope="col" { "Known" }
                    th scope="col" { "Taken" }
                    th scope="col" { "What it says" }
                } }
                tbody {
                    @for fact in &report.facts {
                        tr {
                            th scope="row" { (short(&report.name(fact.key))) }
                            td data-name="Evidence" { (format!("{:?}", fact.source)) }
                            td data-name="Known" {
                                (fact.grade)
                                @if verdict(fact) { ", " strong { "the verdict rests on it" } }
                            }
                            td data-name="Taken" { (moment(fact.at)) }
                            td data-name="What it says" { (text(&fact.detail)) }
                        }
                    }
                }
            }
        }
    }
}

//! What it was told to do, and what it has given up.

use cambist_page::{Tone, foreign};
use maud::{Markup, html};

use super::{ROWS, Status, moment, more, time};

pub(super) fn section(status: &Status) -> Markup {
    let policy = &status.policy;
    let list = |names: &[String]| names.iter().take(ROWS).cloned().collect::<Vec<_>>().join(", ");
    html! {
        h2 { "Identities" }
        table {
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "Client id" } th scope="col" { "Tenant id" }
            } }
            tbody {
                @for it in status.identities.iter().take(ROWS) {
                    tr {
                        th scope="row" { (foreign(&it.name)) }
                        td data-name="Client id" { span.code { (foreign(&it.client_id)) } }
                        td data-name="Tenant id" { @if let Some(tenant) = &it.tenant_id { span.code { (foreign(tenant)) } } @else { "–" } }
                    }
                }
            }
        }
        (more(status.identities.len()))
        h2 { "Configuration" }
        dl.facts {
            dt { "Version" } dd { (status.version) }
            dt { "Started" } dd { (moment(status.started)) ", " (time(status.uptime_seconds)) " ago" }
            dt { "Policy" } dd { (policy.mode) ", in force since " (moment(policy.since)) }
            dt { "Callers" } dd { (foreign(&list(&policy.callers))) }
            dt { "Protocols" } dd { (status.protocols.join(", ")) }
            @if let Some(judged) = status.judged() {
                dt { "Key age" } dd { (judged.mode) ", platform " (judged.platform) }
                dt { "History" }
                dd {
                    @match &judged.history {
                        Some(it) => { (foreign(&it.path)) ", believed as " (it.trust) " at most" }
                        None => { "none" }
                    }
                }
                @for it in &judged.exempt {
                    dt { "Exempt" }
                    dd { span.code { (foreign(&it.key)) } " until " (moment(it.ends)) @if it.over { ", which is over" } }
                }
            }
            @let unchecked: u64 = status.unchecked.values().sum();
            dt { "Unchecked" }
            dd {
                (unchecked) " projected tokens were sent without having been checked"
                @for (reason, count) in status.unchecked.iter().filter(|(_, count)| **count > 0) {
                    "; " (count) " " (reason)
                }
            }
        }
        (confinement(status))
    }
}

fn confinement(status: &Status) -> Markup {
    let it = &status.confinement;
    let whole = it.lacks.is_empty();
    html! {
        h2 { "Confinement" }
        p {
            @if whole { (Tone::Good.tag("whole")) " All that is not needed is given up" }
            @else { (Tone::Soon.tag("in part")) " Some of what is not needed could not be given up" }
            " (" code { "CAMBIST_CONFINE" } " is " (it.mode) ")."
        }
        ul {
            @for (part, held) in &it.parts { @if *held { li { (part) ": given up" } } }
            @for lack in &it.lacks { li { strong { (lack.part) } ": kept, " (foreign(&lack.why)) } }
            @for path in &it.missing {
                li { (foreign(&path.display().to_string())) " was not there at the start: what appears there is read after a restart" }
            }
        }
    }
}

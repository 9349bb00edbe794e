//! The status as a page for whoever is on call. Never a token.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_key_age::Verdict;
use cambist_page::{Page, Tone, bar, foreign};
use maud::{Markup, html};

use super::health::Health;
use super::{Moment, Status, TokenStatus};

mod config;
mod errors;
mod keys;

/// Most rows of one table. `/status.json` has all.
const ROWS: usize = 200;

/// The whole page.
pub(crate) fn render(status: &Status) -> String {
    let health = Health::of(status);
    let body = html! {
        header {
            h1 { "cambist sidecar" }
            div.verdict.(health.tone.class()) {
                p.word { (health.word) }
                p.said { (foreign(&capital(&health.line))) "." }
                ul { (runway(status)) }
            }
        }
        main {
            (tokens(status))
            (errors::section(status))
            (keys::section(status))
            (config::section(status))
        }
        footer {
            p {
                "As of " (moment(status.now)) "; the page does not change by itself, so load it again. "
                code { "/status.json" } " has this for programs, which ask without a browser."
            }
        }
    };
    Page { title: &format!("{} - cambist", health.word), body }.render()
}

fn runway(status: &Status) -> Markup {
    html! {
        @match status.runway_seconds {
            None => {}
            Some(0) => { li { "Runway: " strong { "none" } ", something that was asked for lately is not held" } }
            Some(left) => {
                li { "Runway: " strong { (time(left)) } " of service are left if Entra vanished now" }
            }
        }
        @if let Some(verdict) = status.verdict() {
            li { "Keys of the issuer: " strong { (verdict) } }
        }
    }
}

fn tokens(status: &Status) -> Markup {
    html! {
        h2 { "Tokens" }
        @if status.tokens.is_empty() {
            p { "None is held: nobody asked, and nothing is prefetched." }
        } @else {
            table {
                thead { tr {
                    th scope="col" { "Resource" }
                    th scope="col" { "Identity" }
                    th scope="col" { "State" }
                    th scope="col" { "Time left" }
                    th scope="col" { "Expires" }
                } }
                tbody { @for token in status.tokens.iter().take(ROWS) { (row(token)) } }
            }
            (more(status.tokens.len()))
        }
    }
}

fn row(token: &TokenStatus) -> Markup {
    let (tone, word) = match (token.remaining_seconds, &token.failure) {
        (Some(_), None) if token.is_late() => (Tone::Soon, "held, refresh is late"),
        (Some(_), None) if token.under_way => (Tone::Good, "held, refresh under way"),
        (Some(_), None) => (Tone::Good, "held"),
        (Some(_), Some(_)) => (Tone::Soon, "held, refresh fails"),
        (None, Some(_)) => (Tone::Bad, "not held"),
        (None, None) if token.under_way => (Tone::Open, "being fetched"),
        (None, None) => (Tone::Open, "not held"),
    };
    html! {
        tr {
            th scope="row" { (foreign(token.resource.as_str())) }
            td data-name="Identity" { (foreign(&token.identity)) }
            td data-name="State" {
                (tone.tag(word))
                @if token.prefetched { br; small { "prefetched" } }
                @if let Some(why) = token.uncounted { br; small { (why) } }
            }
            td data-name="Time left" {
                @if let Some((left, of)) = token.remaining_seconds.zip(token.valid_for_seconds) {
                    (time(left)) " of " (time(of))
                    (bar(share(left, of), tone, &format!("{} of {} left", time(left), time(of))))
                } @else { "none" }
            }
            td data-name="Expires" { @if let Some(at) = token.expires_on { (moment(at)) } @else { "–" } }
        }
    }
}

/// How many there are beyond those that are shown.
fn more(all: usize) -> Markup {
    html! {
        @if all > ROWS { p.soft { (all - ROWS) " more are in " code { "/status.json" } "." } }
    }
}

fn share(left: u64, of: u64) -> f64 {
    Duration::from_secs(left).as_secs_f64() / Duration::from_secs(of).as_secs_f64()
}

fn time(seconds: u64) -> String {
    rough(Duration::from_secs(seconds))
}

fn moment(at: Moment) -> Markup {
    html! { time datetime=(at.0) { (at.0.to_string().replace('T', " ").replace('Z', " UTC")) } }
}

/// A day, and how far it is.
fn date(at: Moment, now: UnixTime) -> Markup {
    let day: String = at.0.to_string().chars().take(10).collect();
    let far = rough(at.0.distance(now));
    html! {
        time datetime=(at.0) { (day) } " "
        small { @if at.0 > now { "(in " (far) ")" } @else { "(" (far) " ago)" } }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Ok => Tone::Good,
        Verdict::Unknown => Tone::Open,
        Verdict::Due => Tone::Soon,
        Verdict::Overdue | Verdict::Suspect => Tone::Bad,
    }
}

#[cfg(test)]
mod tests;

//! The keys over time, drawn: since when each is public, what the policy asks of it, and when somebody looked.

use cambist_core::clock::UnixTime;
use cambist_page::share;
use maud::{Markup, html};

use super::moment;
use crate::report::Report;

mod lanes;
mod scale;

use lanes::{Lane, lanes};
use scale::Scale;

/// How high a key's part of the drawing is, and its bar in that.
const LANE: usize = 52;
const TOP: usize = 24;
const BOTTOM: usize = 22;

pub(super) fn section(report: &Report) -> Markup {
    let all = lanes(report);
    let scale = Scale::of(&all, &report.past.watched, report.now);
    let height = TOP + LANE * (all.len() + 1) + BOTTOM;
    html! {
        h2 { "Timeline" }
        @if all.is_empty() && report.past.watched.is_empty() {
            p { "There is nothing to draw: no key set was read." }
        } @else {
            figure {
                svg role="img" aria-labelledby="timeline-title timeline-words" height=(height) {
                    title #timeline-title { "The issuer's keys over time" }
                    desc #timeline-words { @for lane in &all { (lane.words) " " } }
                    defs { pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                        line.hatch x1="0" y1="0" x2="0" y2="6" {}
                    } }
                    (axis(&scale, height))
                    (watched(report, &scale))
                    @for (n, lane) in all.iter().enumerate() { (drawn(lane, &scale, TOP + LANE * (n + 1))) }
                }
                figcaption { (legend(report.now)) }
            }
        }
    }
}

fn axis(scale: &Scale, height: usize) -> Markup {
    let (end, now) = (height - BOTTOM, share(scale.now()));
    html! {
        @for (n, (at, day)) in scale.ticks().iter().enumerate() {
            g.fine[n % 2 == 1] {
                line.grid x1=(share(*at)) x2=(share(*at)) y1=(TOP) y2=(end) {}
                text.soft x=(share(*at)) y=(height - 6) text-anchor="middle" { (day) }
            }
        }
        line.now x1=(now) x2=(now) y1=(TOP - 6) y2=(end) {}
        text x=(now) y="13" text-anchor=(anchor(scale.now())) { "now" }
    }
}

/// When somebody looked; where nobody did, or that is not known, it is hatched.
fn watched(report: &Report, scale: &Scale) -> Markup {
    let from = report.past.watched.first().map(|(from, _)| *from);
    html! {
        text x="0" y=(TOP + 14) { tspan.name { "watched" } }
        rect.lane x="0" width="100%" y=(TOP + 20) height="12" {}
        @if let Some(from) = from { (span(scale, from, report.now, TOP + 20, "unsure", Some("url(#hatch)"))) }
        @for (from, to) in &report.past.watched {
            (span(scale, *from, *to, TOP + 20, "fill-open", None))
        }
    }
}

fn drawn(lane: &Lane, scale: &Scale, y: usize) -> Markup {
    let bar = y + 20;
    html! {
        text x="0" y=(y + 14) { tspan.name { (lane.name) } " " (lane.state) }
        rect.lane x="0" width="100%" y=(bar) height="12" {}
        @if let Some(by) = lane.by {
            (span(scale, lane.not_before.unwrap_or(scale.from()), by, bar, "unsure", Some("url(#hatch)")))
            (span(scale, by, lane.until, bar, lane.fill, None))
        }
        @if let Some((first, last)) = lane.signed { (signs(scale, first, last, bar)) }
        @for (letter, at) in lane.marks() {
            @if let Some(at) = scale.place(at) {
                line.mark x1=(share(at)) x2=(share(at)) y1=(bar - 3) y2=(bar + 15) {}
                text.soft x=(share(at)) y=(bar + 26) text-anchor=(anchor(at)) { (letter) }
            }
        }
    }
}

/// From a moment to a later one; whatever is too short to be seen is seen all the same.
fn span(
    scale: &Scale,
    from: UnixTime,
    to: UnixTime,
    y: usize,
    class: &str,
    fill: Option<&str>,
) -> Markup {
    let (from, to) = (scale.clamped(from), scale.clamped(to));
    let width = (to - from).max(0.004);
    html! { rect.(class) x=(share(from)) width=(share(width)) y=(y) height="12" fill=[fill] {} }
}

fn signs(scale: &Scale, first: UnixTime, last: UnixTime, bar: usize) -> Markup {
    let (from, to) = (scale.clamped(first), scale.clamped(last));
    let width = (to - from).max(0.004);
    html! { rect.signs x=(share(from)) width=(share(width)) y=(bar + 5) height="2" {} }
}

/// Where a word begins so that it stays in the drawing.
fn anchor(at: f64) -> &'static str {
    match at {
        at if at < 0.08 => "start",
        at if at > 0.92 => "end",
        _ => "middle",
    }
}

fn legend(now: UnixTime) -> Markup {
    let sample = |drawn: Markup| html! { svg aria-hidden="true" { (drawn) } };
    html! {
        ul.legend {
            li { (sample(html! { rect."fill-good" y="2" width="24" height="12" {} })) "public, coloured by its verdict" }
            li { (sample(html! { rect."fill-gone" y="2" width="24" height="12" {} })) "public until then" }
            li { (sample(html! { rect.unsure y="2" width="24" height="12" fill="url(#hatch)" {} })) "not known whether already public; not watched, or with a pause" }
            li { (sample(html! { rect."fill-open" y="2" width="24" height="12" {} })) "watched" }
            li { (sample(html! { rect.signs y="7" width="24" height="2" {} })) "signed tokens that were seen" }
            li { strong { "R" } "to be replaced by then" }
            li { strong { "E" } "to be gone by then" }
            li { "now is " (moment(now)) }
        }
    }
}

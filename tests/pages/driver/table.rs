//! What was tried, what the page saw of it, and what the sidecar said: as a list and as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::attempt::Attempt;
use crate::judge::reason;
use crate::place::Place;
use crate::relay::{Exchange, Log};

/// One line of the table: attempts that went alike.
#[derive(Debug)]
struct Row<'a> {
    way: &'a str,
    saw: BTreeSet<&'a str>,
    sent: String,
    said: String,
    count: usize,
}

/// The table, by the places of the page; what differs only by its route is one line.
pub(crate) fn table(attempts: &[Attempt], log: &Log) -> String {
    let mut text = String::new();
    for place in [Place::AddressBar].into_iter().chain(Place::PAGES) {
        let ours: Vec<_> = attempts.iter().filter(|attempt| attempt.place == place).collect();
        let _ = writeln!(text, "\nThe page: {} ({} attempts)\n", place.words(), ours.len());
        let mut rows: Vec<Row<'_>> = Vec::new();
        let mut places = BTreeMap::new();
        for attempt in ours {
            let (sent, said) = summary(&log.tagged(&attempt.tag));
            let at =
                *places.entry((&attempt.way, sent.clone(), said.clone())).or_insert(rows.len());
            if at == rows.len() {
                let (way, saw) = (&*attempt.way, BTreeSet::new());
                rows.push(Row { way, saw, sent, said, count: 0 });
            }
            if let Some(row) = rows.get_mut(at) {
                row.saw.insert(&attempt.saw);
                row.count += 1;
            }
        }
        let saw = |row: &Row<'_>| row.saw.iter().copied().collect::<Vec<_>>().join(" / ");
        let head = ("a way", "", "the page saw", "what arrived", "the sidecar said");
        let _ =
            writeln!(text, "{:<33}{:>4}  {:<29}{:<36}{}", head.0, head.1, head.2, head.3, head.4);
        for row in &rows {
            let Row { way, sent, said, count, .. } = row;
            let _ = writeln!(text, "{way:<33}{count:>4}  {:<29}{sent:<36}{said}", saw(row));
        }
    }
    text
}

/// Each attempt, with each of its requests.
pub(crate) fn list(attempts: &[Attempt], log: &Log) -> String {
    let mut text = String::new();
    for attempt in attempts {
        let _ = writeln!(text, "{}: saw {}", attempt.words(), attempt.saw);
        for exchange in log.tagged(&attempt.tag) {
            let answer = exchange.answer.as_ref().map(|answer| (&*answer.first, reason(answer)));
            let Exchange { port, request, .. } = &exchange;
            let _ =
                writeln!(text, "  {port:?}: {} {} -> {answer:?}", request.first, marks(&exchange));
        }
    }
    text
}

/// What all requests of one attempt were, and what was said to them.
fn summary(exchanges: &[Exchange]) -> (String, String) {
    let sent = exchanges.iter().map(|it| format!("{} {}", it.request.word(0), marks(it)));
    let said = exchanges.iter().map(|it| match &it.answer {
        Some(answer) => format!("{} {}", answer.word(1), reason(answer)),
        None => "-".to_owned(),
    });
    let join = |all: BTreeSet<String>| match all.is_empty() {
        true => "nothing".to_owned(),
        false => all.into_iter().collect::<Vec<_>>().join(" / "),
    };
    (join(sent.collect()), join(said.collect()))
}

/// The signs of a browser that a request has.
fn marks(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let origin = request.header("origin").map(|origin| match origin {
        "null" => "Origin: null",
        _ => "Origin",
    });
    let marks: Vec<_> = origin.into_iter().chain(request.header("sec-fetch-site")).collect();
    if marks.is_empty() { "unmarked".to_owned() } else { marks.join(", ") }
}

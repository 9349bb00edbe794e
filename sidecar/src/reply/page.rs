//! The runbook of all reasons in `docs/reasons.md`, made of them and held equal to them.

use std::fmt::Write as _;

use crate::explain::blame::Blame;
use crate::listener::Recalled;
use crate::request;
use crate::testing::{held, region};

/// A reason as the page has it.
struct Entry {
    word: &'static str,
    status: u16,
    class: &'static str,
    meaning: &'static str,
    compared: &'static str,
    remedy: &'static str,
}

impl From<cambist::Reason> for Entry {
    fn from(reason: cambist::Reason) -> Self {
        let class = match reason.class() {
            cambist::Class::Permanent => "lasts",
            cambist::Class::Denied => "denied",
            cambist::Class::Transient => "passes",
            cambist::Class::Throttled => "throttled",
            _ => panic!("{reason} is of a class that the page does not know"),
        };
        let status = super::status(reason.class()).0.as_u16();
        let (meaning, compared, remedy) = (reason.meaning(), reason.compared(), reason.remedy());
        Self { word: reason.as_str(), status, class, meaning, compared, remedy }
    }
}

impl From<request::Reason> for Entry {
    fn from(reason: request::Reason) -> Self {
        let (meaning, compared, remedy) = (reason.meaning(), reason.compared(), reason.remedy());
        let (word, status) = (reason.as_str(), reason.status().as_u16());
        Self { word, status, class: "lasts", meaning, compared, remedy }
    }
}

impl From<Recalled> for Entry {
    fn from(recalled: Recalled) -> Self {
        let (meaning, compared, remedy) =
            (recalled.meaning(), recalled.compared(), recalled.remedy());
        Self { word: recalled.as_str(), status: 503, class: "passes", meaning, compared, remedy }
    }
}

impl Entry {
    fn row(&self, of: &str, out: &mut String) {
        let Self { word, status, class, meaning, .. } = self;
        _ = writeln!(out, "| [`{word}`](#{word}) | {of} | {status} | {class} | {meaning} |");
    }

    fn section(&self, out: &mut String) {
        let Self { word, status, class, meaning, compared, remedy } = self;
        _ = writeln!(out, "\n### `{word}`\n\n{meaning} Answered with {status}; {class}.\n");
        _ = writeln!(out, "- Compared: {compared}\n- What to do: {remedy}");
    }
}

/// The reasons of one step, and how far it came then.
struct Group(&'static str, &'static str, Vec<Entry>);

/// The reasons of a request, then of each step towards a token.
fn groups() -> [Group; 6] {
    let of = |step: Blame| {
        let reasons = cambist::Reason::ALL.iter().copied();
        reasons.filter(|reason| Blame::of(*reason) == step).map(Entry::from).collect()
    };
    let rejections = request::Reason::ALL.map(Entry::from).into();
    let recalled = Recalled::ALL.map(Entry::from).into();
    [
        Group("request", "refused by the listener before anything is done for it", rejections),
        Group("wait", "the caller is sent away before its token came", recalled),
        Group("cache", "the work for a token is not begun", of(Blame::Cache)),
        Group(
            "projected token",
            "read and judged, and not sent to Entra",
            of(Blame::ProjectedToken),
        ),
        Group("key", "looked for and judged, and nothing sent to Entra", of(Blame::Key)),
        Group("exchange", "the way to Entra, and its answer", of(Blame::Exchange)),
    ]
}

fn reasons() -> String {
    let groups = groups();
    let mut out =
        "| reason | met at the | status | class | meaning |\n|---|---|---|---|---|\n".to_owned();
    for Group(step, _, entries) in &groups {
        entries.iter().for_each(|entry| entry.row(step, &mut out));
    }
    for Group(step, how_far, entries) in &groups {
        _ = writeln!(out, "\n## Met at the {step}: {how_far}");
        entries.iter().for_each(|entry| entry.section(&mut out));
    }
    out
}

#[test]
fn the_page_has_every_reason_as_the_program_has_it() {
    held("../docs/reasons.md", |page| region(page, "reasons", &reasons()));
}

#[test]
fn no_two_refusals_have_one_word_and_each_says_what_to_do() {
    let entries: Vec<_> = groups().into_iter().flat_map(|Group(_, _, entries)| entries).collect();
    let mut words: Vec<_> = entries.iter().map(|entry| entry.word).collect();
    words.sort_unstable();
    words.dedup();
    let all = cambist::Reason::ALL.len() + request::Reason::ALL.len() + Recalled::ALL.len();
    assert_eq!((words.len(), entries.len()), (all, all));
    for Entry { word, meaning, compared, remedy, .. } in entries {
        assert!(meaning.ends_with('.') && !remedy.ends_with('.'), "{word}: {meaning}: {remedy}");
        for words in [compared, remedy] {
            assert!(words.len() > 10 && words.matches('`').count() % 2 == 0, "{word}: {words}");
        }
    }
}

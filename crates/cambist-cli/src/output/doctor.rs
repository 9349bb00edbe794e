//! What the doctor found: for a reader, and as JUnit XML.

use cambist_core::clock::UnixTime;

use super::junit::Cases;
use super::layout::{field, wrap};
use super::shell::Line;
use crate::doctor::{Fix, Report, Tally, Told, Verdict};
use crate::text::{message, plain};

/// Below a check's title.
const INDENT: &str = "              ";

/// For a reader: where it is, each check on a line, and below what is wrong the evidence, the fix, and what was
/// skipped because of it.
pub(crate) fn table(report: &Report, color: bool, width: usize) -> String {
    let mut out = field("where", &report.place.words, width);
    for (n, left_out) in report.place.left_out.iter().enumerate() {
        out.push_str(&field(if n == 0 { "left out" } else { "" }, left_out, width));
    }
    out.push('\n');
    for told in report.checks.iter().filter(|told| told.because.is_none()) {
        out.push_str(&check(told, color, width));
        let Some(fix) = &told.fix else { continue };
        let consequences = report.checks.iter().filter(|it| it.because == Some(told.id));
        let consequences: Vec<_> = consequences.map(|it| it.id).collect();
        out.push_str(&detail(told, fix, &consequences, width));
    }
    out.push('\n');
    out.push_str(&wrap(&summary(report), width, "", ""));
    out
}

fn check(told: &Told, color: bool, width: usize) -> String {
    let first = format!("{}  {:<8}", told.id, told.result.as_str());
    let title = match told.result {
        Verdict::Skipped => format!("{}: {}", told.title, plain(&told.evidence)),
        _ => told.title.to_owned(),
    };
    let out = wrap(&title, width, &first, INDENT);
    if color { out.replacen(told.result.as_str(), &painted(told.result), 1) } else { out }
}

/// Commands stand below the words, so that they can be pasted.
fn detail(told: &Told, fix: &Fix, consequences: &[&str], width: usize) -> String {
    let mut out = String::new();
    let mut words = fix.words.clone();
    for (command, number) in fix.commands.iter().zip(1..) {
        words = words.replace(&format!("`{command}`"), &format!("[{number}]"));
    }
    let mut line = |name: &str, text: &str| {
        out.push_str(&wrap(text, width, &format!("      {name:<8}"), INDENT));
    };
    line("found", &message(&told.evidence));
    line("fix", &message(&words));
    line("see", &told.page);
    if !consequences.is_empty() {
        line("skipped", &format!("because of it: {}", consequences.join(", ")));
    }
    for (command, number) in fix.commands.iter().zip(1..) {
        out.push_str(&format!("      [{number}]\n"));
        out.push_str(&Line::of(&message(command)).lines(width, INDENT.len()));
    }
    out
}

fn painted(verdict: Verdict) -> String {
    let code = match verdict {
        Verdict::Ok => "32",
        Verdict::Warning => "33",
        Verdict::Failed => "1;31",
        Verdict::Skipped => "2",
    };
    format!("\x1b[{code}m{}\x1b[0m", verdict.as_str())
}

fn summary(report: &Report) -> String {
    let Tally { ok, warning, failed, skipped } = report.tally;
    match (failed, warning) {
        (0, 0) => format!("Nothing is wrong: {ok} checks are ok, {skipped} were skipped."),
        _ => format!("{failed} failed, {warning} warned, {ok} are ok, {skipped} were skipped."),
    }
}

/// One test case a check.
pub(crate) fn junit(report: &Report, now: UnixTime) -> String {
    let mut cases = Cases::of(&report.place.words);
    for told in &report.checks {
        let name = format!("{} {}", told.id, told.title);
        let text = |fix: &Option<Fix>| {
            let words = fix.as_ref().map(|fix| message(&fix.words)).unwrap_or_default();
            format!("{}\nfix: {words}\nsee: {}\n", message(&told.evidence), told.page)
        };
        match told.result {
            Verdict::Ok => cases.pass(&name),
            Verdict::Warning => cases.say(&name, &format!("warning: {}", text(&told.fix))),
            Verdict::Failed => cases.fail(&name, "failed", told.title, &text(&told.fix)),
            Verdict::Skipped => cases.skip(&name, &message(&told.evidence)),
        }
    }
    let left_out = report.place.left_out.join("; ");
    let properties = [("where", report.place.words.clone()), ("left out", left_out)];
    cases.document("cambist doctor", now, &properties)
}

//! JUnit XML: one test case a check, and one for the verdict.

use std::fmt::Write as _;

use cambist_core::clock::UnixTime;
use cambist_key_age::CheckId;

use crate::about::needs;
use crate::output::table::watched;
use crate::report::{Report, ReportedFinding};
use crate::text::plain;

/// Renders the report. A case fails if the exit code is not 0 for what it found; what does not change that is
/// told and fails nothing, and what was not looked at is skipped.
pub(crate) fn render(report: &Report) -> String {
    let mut cases = Cases::of(&report.issuer);
    verdict(report, &mut cases);
    for id in CheckId::ALL {
        check(*id, report, &mut cases);
    }
    if report.blind {
        let why: Vec<_> = report.problems.iter().map(|problem| problem.detail.as_str()).collect();
        cases.error("the key set can be read", "no key set could be read", &why.join("; "));
    }
    cases.document("cambist issuer check", report.now, &properties(report))
}

/// What stands beside the cases: the verdict and its answers, and what they rest on.
fn properties(report: &Report) -> Vec<(&'static str, String)> {
    let outlook = &report.outlook;
    let mut out = vec![
        ("verdict", report.verdict.to_string()),
        ("means", outlook.means.clone()),
        ("ahead", outlook.ahead.join("; ")),
    ];
    out.extend(outlook.next.iter().map(|step| ("next", format!("{}: {}", step.why, step.command))));
    out.push(("policy", report.policy_source.told(&report.policy)));
    out.push(("watched", watched(&report.watch, report.now)));
    let unseen = report.not_looked_at();
    if !unseen.is_empty() {
        out.push(("not looked at", needs(unseen)));
    }
    out
}

/// The cases so far, and how many of which kind.
#[derive(Default)]
pub(super) struct Cases {
    /// What is looked at, escaped.
    suite: String,
    text: String,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Cases {
    pub(super) fn of(suite: &str) -> Self {
        Self { suite: escape(suite), ..Self::default() }
    }

    /// The whole document.
    pub(super) fn document(
        self,
        name: &str,
        now: UnixTime,
        properties: &[(&'static str, String)],
    ) -> String {
        let Self { suite, text, tests, failures, errors, skipped } = self;
        let numbers = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
        let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        _ = writeln!(out, "<testsuites name=\"{name}\" {numbers}>");
        let at = now.to_string();
        let at = at.trim_end_matches('Z');
        _ = writeln!(
            out,
            "  <testsuite name=\"{suite}\" {numbers} skipped=\"{skipped}\" timestamp=\"{at}\">"
        );
        out.push_str("    <properties>\n");
        for (name, value) in properties {
            let value = escape(value);
            _ = writeln!(out, "      <property name=\"{name}\" value=\"{value}\"/>");
        }
        _ = write!(out, "    </properties>\n{text}  </testsuite>\n</testsuites>\n");
        out
    }

    pub(super) fn pass(&mut self, name: &str) {
        self.add(name, None);
    }

    /// Passed, with something to be said.
    pub(super) fn say(&mut self, name: &str, text: &str) {
        let text = escape(text);
        self.add(name, Some(format!("<system-out>{text}</system-out>")));
    }

    fn add(&mut self, name: &str, content: Option<String>) {
        self.tests += 1;
        let head = format!("    <testcase classname=\"{}\" name=\"{}\"", self.suite, escape(name));
        _ = match content {
            None => writeln!(self.text, "{head}/>"),
            Some(content) => writeln!(self.text, "{head}>\n      {content}\n    </testcase>"),
        };
    }

    pub(super) fn fail(&mut self, name: &str, kind: &str, message: &str, text: &str) {
        self.failures += 1;
        let (message, text) = (escape(message), escape(text));
        self.add(
            name,
            Some(format!("<failure type=\"{kind}\" message=\"{message}\">{text}</failure>")),
        );
    }

    fn error(&mut self, name: &str, message: &str, text: &str) {
        self.errors += 1;
        let (message, text) = (escape(message), escape(text));
        self.add(name, Some(format!("<error message=\"{message}\">{text}</error>")));
    }

    pub(super) fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        self.add(name, Some(format!("<skipped message=\"{}\"/>", escape(why))));
    }
}

/// The verdict is a case of its own: red for whatever makes the exit code not 0.
fn verdict(report: &Report, cases: &mut Cases) {
    const NAME: &str = "the verdict";
    let outlook = &report.outlook;
    if report.exit_code == 0 || report.blind {
        return cases.pass(NAME);
    }
    let mut text: Vec<_> = outlook.ahead.clone();
    text.extend(outlook.next.iter().map(|step| format!("{}: {}", step.why, step.command)));
    let kind = report.verdict.as_str();
    cases.fail(NAME, kind, &format!("{kind}: {}", outlook.means), &text.join("\n"));
}

fn check(id: CheckId, report: &Report, cases: &mut Cases) {
    let name = format!("{id} {}", id.title());
    let found: Vec<_> = report.findings.iter().filter(|it| it.finding.id == id).collect();
    if let Some(skipped) = report.skipped.iter().find(|skipped| skipped.id == id) {
        return cases
            .skip(&name, &format!("not looked at: {}", needs(skipped.needs.iter().copied())));
    }
    let Some(worst) = found.iter().map(|it| it.finding.severity).max() else {
        return cases.pass(&name);
    };
    let text: String = found.iter().map(|it| told(it)).collect();
    if found.iter().any(|it| it.fails) {
        return cases.fail(&name, worst.as_str(), id.title(), &text);
    }
    cases.say(&name, &format!("{worst}: {text}"));
}

fn told(finding: &ReportedFinding) -> String {
    let kid = finding.kid.as_deref().map(|kid| format!("[{}] ", plain(kid))).unwrap_or_default();
    format!("{kid}{}\nfix: {}\n", finding.finding.evidence.join("; "), finding.remediation)
}

/// Text for an element or an attribute; characters that XML 1.0 has no place for are replaced.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

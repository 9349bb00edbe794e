//! JUnit XML: one test case a check, failed if it found something.

use std::fmt::Write as _;

use cambist_key_age::{CheckId, Severity};

use crate::report::{Report, ReportedFinding};
use crate::text::plain;

/// Renders the report. What only informs does not fail a case.
pub(crate) fn render(report: &Report) -> String {
    let issuer = escape(&report.issuer);
    let mut cases = String::new();
    let mut failures = 0;
    for id in CheckId::ALL {
        let found: Vec<_> = report.findings.iter().filter(|it| it.finding.id == *id).collect();
        let title = escape(id.title());
        _ = write!(cases, "    <testcase classname=\"{issuer}\" name=\"{id} {title}\"");
        let worst = found.iter().map(|it| it.finding.severity).max();
        match worst {
            None => cases.push_str("/>\n"),
            Some(Severity::Info) => {
                let text = found.iter().map(|it| told(it)).collect::<String>();
                _ = writeln!(
                    cases,
                    ">\n      <system-out>{}</system-out>\n    </testcase>",
                    escape(&text)
                );
            }
            Some(severity) => {
                failures += 1;
                let text = found.iter().map(|it| told(it)).collect::<String>();
                let (title, text) = (escape(id.title()), escape(&text));
                _ = writeln!(
                    cases,
                    ">\n      <failure type=\"{severity}\" message=\"{title}\">{text}</failure>\n    </testcase>"
                );
            }
        }
    }
    let blind = usize::from(report.blind);
    if report.blind {
        let why: Vec<_> = report.problems.iter().map(|problem| problem.detail.as_str()).collect();
        let why = escape(&why.join("; "));
        _ = writeln!(
            cases,
            "    <testcase classname=\"{issuer}\" name=\"the key set can be read\">\n      <error message=\"no key set could be read\">{why}</error>\n    </testcase>"
        );
    }
    let tests = CheckId::ALL.len() + blind;
    let numbers = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{blind}\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cambist issuer check\" {numbers}>\n  <testsuite name=\"{issuer}\" {numbers} skipped=\"0\" timestamp=\"{}\">\n    <properties>\n      <property name=\"verdict\" value=\"{}\"/>\n    </properties>\n{cases}  </testsuite>\n</testsuites>\n",
        report.now.to_string().trim_end_matches('Z'),
        report.verdict,
    )
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

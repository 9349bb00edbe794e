//! The table: a verdict at a glance, then each key, then what to do.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_key_age::{Severity, Verdict, Watch};

use crate::report::{Report, ReportedFinding, ReportedKey};
use crate::text::plain;
use crate::time::{day, relative};

/// Below a finding's severity.
const INDENT: &str = "           ";

const HEAD: [&str; 9] =
    ["KID", "ROLE", "ALG", "AGE", "SINCE", "ROTATE BY", "EXPIRES", "EVIDENCE", "STATUS"];

/// Renders the report for a reader.
pub(crate) fn render(report: &Report, color: bool) -> String {
    let paint = Paint(color);
    let mut out = String::new();
    let mut line = |name: &str, text: &str| _ = writeln!(out, "{name:<10}{text}");
    line("issuer", &format!("{}  (by {})", plain(&report.issuer), plain(&report.issuer_named_by)));
    line("platform", &policy(report));
    line("verdict", &format!("{}{}", paint.verdict(report.verdict), because(report)));
    line("signer", &signer(report));
    line("watched", &watched(&report.watch, report.now));
    out.push('\n');
    if !report.keys.is_empty() {
        let rows: Vec<_> = report.keys.iter().map(row).collect();
        out.push_str(&grid(&HEAD, &rows, |text| {
            match report.keys.iter().find(|key| key.judged.verdict.as_str() == text) {
                Some(key) => paint.verdict(key.judged.verdict),
                None => text.to_owned(),
            }
        }));
        out.push('\n');
    }
    let same = |a: &ReportedFinding, b: &ReportedFinding| {
        (a.finding.id, a.finding.severity) == (b.finding.id, b.finding.severity)
    };
    let groups: Vec<_> = report.findings.chunk_by(same).collect();
    let mut notes = Notes::of(&groups);
    for findings in groups {
        out.push_str(&told(findings, paint, &mut notes));
    }
    out.push_str(&notes.text());
    for problem in &report.problems {
        _ = writeln!(out, "could not  {}: {}", problem.place, plain(&problem.detail));
    }
    if report.assumptions_accepted {
        out.push_str("\nAssumptions were accepted as proof (--accept-assumed).\n");
    }
    out
}

fn policy(report: &Report) -> String {
    let limits = report.policy.limits.map_or_else(
        || {
            "rotates on its own schedule; ages inform only, until --rotate-after is given"
                .to_owned()
        },
        |limits| {
            format!(
                "rotate after {}, expire after {}, grace {}",
                rough(limits.rotate_after()),
                rough(limits.expire_after()),
                rough(report.policy.grace)
            )
        },
    );
    format!("{} ({limits})", report.platform)
}

fn because(report: &Report) -> String {
    match (report.verdict, report.decides_at) {
        (Verdict::Unknown, _) if report.blind => "  no key set could be read".to_owned(),
        (Verdict::Unknown, Some(at)) => format!(
            "  nothing proves it young; decided on {} ({}) unless a rotation is seen",
            day(at),
            relative(at, report.now)
        ),
        _ if report.informs_only => "  nothing is demanded".to_owned(),
        _ => String::new(),
    }
}

/// Who signs, as of when: the newest token tells, for as long as it lives.
fn signer(report: &Report) -> String {
    let Some(seen) = report.signer else {
        return "unknown: no token was seen (--token-file)".to_owned();
    };
    let name = shorten(&plain(&report.name(seen.key)));
    let when = format!("{} ({})", day(seen.as_of), relative(seen.as_of, report.now));
    if seen.current {
        format!("{name} as of {when}")
    } else {
        format!("unknown: {name} as of {when}, and no newer token was seen (--token-file)")
    }
}

/// How long and how well an issuer was watched.
pub(crate) fn watched(watch: &Watch, now: UnixTime) -> String {
    let (Some(since), Some(until)) = (watch.since, watch.until) else {
        return "never: no key set is on record".to_owned();
    };
    let sources: Vec<_> = watch.sources.iter().map(ToString::to_string).collect();
    let sources = sources.join(", ");
    let clock = rough(watch.clock_error);
    if watch.looks == 1 {
        let when = relative(until, now);
        return format!("one look, {when} ({sources}); clock off by {clock} at most");
    }
    let pause = watch.longest_pause.map_or_else(
        || "pauses not on record".to_owned(),
        |pause| format!("longest pause {}", rough(pause)),
    );
    format!(
        "since {} ({}): {} looks ({sources}), {pause}, clock off by {clock} at most",
        day(since),
        relative(since, now),
        watch.looks
    )
}

fn row(key: &ReportedKey) -> Vec<String> {
    let judged = &key.judged;
    let date = |moment: Option<UnixTime>| moment.map_or_else(|| "-".to_owned(), day);
    let least = rough(judged.age.at_least);
    let age = match judged.age.at_most {
        Some(most) if rough(most) == least => least,
        Some(most) => format!("{least} .. {}", rough(most)),
        None => format!(">= {least}"),
    };
    let evidence: Vec<_> =
        judged.evidence.iter().map(|fact| format!("{:?}", fact.source)).collect();
    let grade = judged.grade.map(|grade| format!(" {grade}")).unwrap_or_default();
    let mut evidence = format!("{}{grade}", evidence.join("+"));
    if evidence.is_empty() {
        evidence.push('-');
    }
    vec![
        shorten(&plain(&key.name())),
        judged.role.to_string(),
        key.alg.as_deref().map_or_else(|| "-".to_owned(), plain),
        age,
        date(judged.trusted_by),
        date(judged.rotate_by),
        date(judged.expire_by),
        evidence,
        judged.verdict.to_string(),
    ]
}

/// As much of a kid as tells it from others at a glance; `-o json` has all of it.
fn shorten(kid: &str) -> String {
    let mut letters = kid.chars();
    let short: String = letters.by_ref().take(12).collect();
    if letters.next().is_some() { short + "…" } else { short }
}

/// Columns as wide as their widest cell; the last one painted, since colours have no width.
pub(crate) fn grid(head: &[&str], rows: &[Vec<String>], paint: impl Fn(&str) -> String) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head.get(column).map_or(0, |name| name.len()))
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&head).chain(rows) {
        for (column, cell) in row.iter().enumerate() {
            if column + 1 == row.len() {
                out.push_str(&paint(cell));
            } else {
                let width = widths.get(column).copied().unwrap_or(0);
                _ = write!(out, "{cell:<width$}  ");
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// What one check found: each evidence on a line, the remedy once.
fn told(findings: &[ReportedFinding], paint: Paint, notes: &mut Notes) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let severity = first.finding.severity;
    let mut out = format!("{} {} {}\n", paint.severity(severity), first.finding.id, first.title);
    for it in findings {
        let kid = it.kid.as_deref().map(|kid| format!("{}  ", shorten(&plain(kid))));
        let evidence: Vec<_> = it.finding.evidence.iter().map(|text| plain(text)).collect();
        _ = writeln!(out, "{INDENT}{}{}", kid.unwrap_or_default(), evidence.join("; "));
    }
    if severity > Severity::Info {
        let fix = notes.shorten(&first.remediation);
        let see = if fix.starts_with('[') { "see " } else { "" };
        _ = writeln!(out, "{INDENT}fix: {see}{fix}");
    }
    out
}

/// Remedies share passages, such as how the platform rotates keys: those are told once, at the end.
#[derive(Default)]
struct Notes {
    shared: BTreeSet<String>,
    told: Vec<String>,
}

/// A passage shorter than this is read faster than a reference is followed.
const LONG: usize = 80;

impl Notes {
    /// Notes for whatever several groups of findings would say.
    fn of(groups: &[&[ReportedFinding]]) -> Self {
        let first = groups.iter().filter_map(|group| group.first());
        let told = first.filter(|it| it.finding.severity > Severity::Info);
        let mut seen = BTreeSet::new();
        let sentences: Vec<_> = told.flat_map(|it| sentences(&it.remediation)).collect();
        let again = sentences.into_iter().filter(|it| it.len() > LONG && !seen.insert(*it));
        Self { shared: again.map(str::to_owned).collect(), told: Vec::new() }
    }

    /// The text with a number in place of each passage that others share.
    fn shorten(&mut self, text: &str) -> String {
        let mut out: Vec<String> = Vec::new();
        for sentence in sentences(text) {
            if !self.shared.contains(sentence) {
                out.push(sentence.to_owned());
                continue;
            }
            let known = self.told.iter().position(|told| told == sentence);
            let index = known.unwrap_or_else(|| {
                self.told.push(sentence.to_owned());
                self.told.len() - 1
            });
            out.push(format!("[{}]", index + 1));
        }
        out.join(" ")
    }

    fn text(&self) -> String {
        let lines = self.told.iter().zip(1..);
        lines.map(|(text, number)| format!("\n{:<10} {text}\n", format!("[{number}]"))).collect()
    }
}

/// A text's sentences, each with its full stop; what follows "Here:" is one of its own.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    const HERE: &str = "Here:";
    let parts = text.split_inclusive(". ").flat_map(|part| match part.strip_prefix(HERE) {
        Some(rest) => [HERE, rest.trim()],
        None => ["", part.trim()],
    });
    parts.filter(|part| !part.is_empty())
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn verdict(self, verdict: Verdict) -> String {
        let code = match verdict {
            Verdict::Ok => "32",
            Verdict::Unknown => "36",
            Verdict::Due => "33",
            Verdict::Overdue | Verdict::Suspect => "1;31",
        };
        self.dye(verdict.as_str(), code)
    }

    fn severity(self, severity: Severity) -> String {
        let code = match severity {
            Severity::Critical => "1;31",
            Severity::High => "31",
            Severity::Medium => "33",
            Severity::Low | Severity::Info => "2",
        };
        self.dye(&format!("{:<10}", severity.as_str()), code)
    }

    fn dye(self, text: &str, code: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

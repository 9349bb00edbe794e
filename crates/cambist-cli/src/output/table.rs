//! The table: a verdict at a glance, then each key, then what to do.

use std::collections::BTreeSet;

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_key_age::about::Need;
use cambist_key_age::{Platform, Role, Severity, Verdict, Watch};

use crate::about::needs;
use crate::output::layout::{field, grid, wrap};
use crate::output::outlook::Outlook;
use crate::report::{Report, ReportedFinding, ReportedKey};
use crate::text::{plain, shorten};
use crate::time::{day, relative};

/// Below a finding's severity.
const INDENT: &str = "           ";

const HEAD: [&str; 8] =
    ["KID", "ROLE", "AGE", "SINCE", "ROTATE BY", "EXPIRES", "EVIDENCE", "STATUS"];

/// Renders the report for a reader.
pub(crate) fn render(report: &Report, color: bool, width: usize) -> String {
    let paint = Paint(color);
    let mut out = String::new();
    let mut line = |name: &str, text: &str| out.push_str(&field(name, text, width));
    line("issuer", &format!("{}  (by {})", plain(&report.issuer), plain(&report.issuer_named_by)));
    line("platform", &platform(report));
    line("policy", &report.policy_source.told_briefly(&report.policy));
    line("verdict", &format!("{}  {}", paint.verdict(report.verdict), report.outlook.means));
    for (n, ahead) in report.outlook.ahead.iter().enumerate() {
        line(if n == 0 { "ahead" } else { "" }, ahead);
    }
    line("signer", &signer(report));
    line("watched", &watched(&report.watch, report.now));
    for said in &report.expected {
        let name = shorten(&plain(&said.kid.clone().unwrap_or_else(|| said.key.to_string())));
        let seen = if said.published { "published" } else { "not published yet" };
        let until = relative(said.until, report.now);
        line("expected", &format!("{name} until {} ({until}); {seen}", day(said.until)));
    }
    out.push_str(&next(&report.outlook, width));
    let unseen = report.not_looked_at();
    if !unseen.is_empty() {
        let text = format!("not looked at: {}", needs(unseen));
        out.push_str(&wrap(&text, width, "", INDENT));
    }
    out.push('\n');
    if !report.keys.is_empty() {
        let rows: Vec<_> = report.keys.iter().map(row).collect();
        out.push_str(&grid(&HEAD, &rows, width, |text| {
            match report.keys.iter().find(|key| key.judged.verdict.as_str() == text) {
                Some(key) => paint.verdict(key.judged.verdict),
                None => text.to_owned(),
            }
        }));
        if rows.iter().flatten().any(|cell| cell.starts_with("<= ") || cell.starts_with(">= ")) {
            out.push_str("(<= at the latest, >= at least)\n");
        }
        out.push('\n');
    }
    let same = |a: &ReportedFinding, b: &ReportedFinding| {
        (a.finding.id, a.finding.severity) == (b.finding.id, b.finding.severity)
    };
    let groups: Vec<_> = report.findings.chunk_by(same).collect();
    let mut notes = Notes::of(&groups);
    for findings in groups {
        out.push_str(&told(findings, paint, width, &mut notes));
    }
    out.push_str(&notes.text(width));
    for problem in &report.problems {
        let text = format!("could not  {}: {}", problem.place, plain(&problem.detail));
        out.push_str(&wrap(&text, width, "", INDENT));
    }
    if report.assumptions_accepted {
        out.push_str("\nAssumptions were accepted as proof (--accept-assumed).\n");
    }
    out
}

/// The platform, and what tells it.
pub(crate) fn platform(report: &Report) -> String {
    match report.platform {
        Platform::Other => "other: nothing tells which (--platform)".to_owned(),
        platform => platform.to_string(),
    }
}

/// Who signs, as of when: the newest token tells, for as long as it lives. And what is to be said of that key,
/// and of those that no longer sign.
pub(crate) fn signer(report: &Report) -> String {
    let Some(seen) = report.signer else {
        return if report.not_looked_at().contains(&Need::Token) {
            "unknown: no token was seen (--token-file)".to_owned()
        } else {
            "unknown: no key of this issuer is known to have signed the token that was given"
                .to_owned()
        };
    };
    let name = shorten(&plain(&report.name(seen.key)));
    let when = format!("{} ({})", day(seen.as_of), relative(seen.as_of, report.now));
    if !seen.current {
        return format!("unknown: {name} as of {when}, and no newer token was seen (--token-file)");
    }
    let key = report.keys.iter().find(|key| key.judged.key == seen.key);
    let state = key.map_or_else(String::new, |key| format!(": {}", state(key)));
    format!("{name} as of {when}{state}{}", retired(report))
}

fn state(key: &ReportedKey) -> String {
    let judged = &key.judged;
    match (judged.verdict, judged.trusted_by) {
        (Verdict::Ok, Some(by)) => {
            format!(
                "OK, public since {}{}",
                day(by),
                if exact(key) { "" } else { " at the latest" }
            )
        }
        (verdict, _) => format!("{verdict}, at least {} old", rough(judged.age.at_least)),
    }
}

/// Of the keys that no longer sign, those of which nobody saw how old they are.
fn retired(report: &Report) -> String {
    let unknown = report
        .keys
        .iter()
        .map(|key| &key.judged)
        .filter(|judged| judged.role == Role::Verifier && judged.verdict == Verdict::Unknown);
    let ends = unknown.clone().filter_map(|judged| judged.decides_at).max();
    let by = ends.map_or_else(String::new, |at| format!(", to be gone by {}", day(at)));
    match unknown.count() {
        0 => String::new(),
        1 => format!("; one old key of unknown age{by}"),
        n => format!("; {n} old keys of unknown age{by}"),
    }
}

/// Whether it is known to the day when the key was first published.
pub(crate) fn exact(key: &ReportedKey) -> bool {
    let judged = &key.judged;
    judged.trusted_not_before.map(day).is_some_and(|day_| judged.trusted_by.map(day) == Some(day_))
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

/// What is to be done next, each with its command.
pub(crate) fn next(outlook: &Outlook, width: usize) -> String {
    let steps = outlook.next.iter().enumerate().map(|(n, step)| {
        let why = field(if n == 0 { "next" } else { "" }, &format!("{}:", step.why), width);
        why + &step.command.lines(width, INDENT.len() + 1)
    });
    steps.collect()
}

fn row(key: &ReportedKey) -> Vec<String> {
    let judged = &key.judged;
    // Every date follows from when the key was there at the latest.
    let bound = if exact(key) { "" } else { "<= " };
    let date = |moment: Option<UnixTime>| {
        moment.map_or_else(|| "-".to_owned(), |at| format!("{bound}{}", day(at)))
    };
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
        age,
        date(judged.trusted_by),
        date(judged.rotate_by),
        date(judged.expire_by),
        evidence,
        judged.verdict.to_string(),
    ]
}

/// What one check found: each evidence on a line, the remedy once.
fn told(findings: &[ReportedFinding], paint: Paint, width: usize, notes: &mut Notes) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let severity = first.finding.severity;
    let head = format!("{} {} {}", paint.severity(severity), first.finding.id, first.title);
    let mut out = wrap(&head, width, "", INDENT);
    for it in findings {
        let kid = it.kid.as_deref().map(|kid| format!("{}  ", shorten(&plain(kid))));
        let evidence: Vec<_> = it.finding.evidence.iter().map(|text| plain(text)).collect();
        let text = format!("{}{}", kid.unwrap_or_default(), evidence.join("; "));
        out.push_str(&wrap(&text, width, INDENT, &format!("{INDENT}  ")));
    }
    if severity > Severity::Info {
        let fix = notes.shorten(&first.remediation);
        let see = if fix.starts_with('[') { "see " } else { "" };
        let text = format!("fix: {see}{fix}");
        out.push_str(&wrap(&text, width, INDENT, &format!("{INDENT}  ")));
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

    fn text(&self, width: usize) -> String {
        let notes = self.told.iter().zip(1..).map(|(text, number)| {
            let first = format!("{:<10} ", format!("[{number}]"));
            format!("\n{}", wrap(text, width, &first, INDENT))
        });
        notes.collect()
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

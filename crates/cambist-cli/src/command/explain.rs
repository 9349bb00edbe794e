//! `cambist issuer explain`: all that is known of one key, or what a check is about.

use std::fmt::Write as _;

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_key_age::interval::Age;
use cambist_key_age::{CheckId, Fact, Severity};

use crate::about;
use crate::case;
use crate::cli::Plain;
use crate::cli::issuer::Explain;
use crate::output;
use crate::output::layout::{self, wrap};
use crate::output::table::{exact, watched};
use crate::report::{Report, ReportedFinding, ReportedKey};
use crate::text::plain;
use crate::time::relative;
use crate::world::{COULD_NOT_RUN, Outcome, World};

/// How wide the names are.
const NAME: usize = 14;

pub(super) async fn run(args: &Explain, world: &World<'_>) -> Outcome {
    if let Ok(id) = args.kid.to_ascii_uppercase().parse() {
        return about(id, args, world);
    }
    let case = match case::open(&args.sources, &args.kept, &args.policy, world).await {
        Ok(case) => case,
        Err(error) => return super::check::fail(&error),
    };
    let report = Report::of(&case, Severity::Info);
    let named = |key: &&ReportedKey| {
        key.name().starts_with(&args.kid) || key.judged.key.to_string().starts_with(&args.kid)
    };
    let found: Vec<_> = report.keys.iter().filter(named).collect();
    let [key] = found[..] else {
        let known: Vec<_> = report.keys.iter().map(|key| plain(&key.name())).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let how = if found.is_empty() { "no key" } else { "more than one key" };
        let asked = plain(&args.kid);
        return Outcome::fail(
            COULD_NOT_RUN,
            format!("{how} begins with {asked:?}; there are: {known}"),
        );
    };
    let of_key = |other| other == key.judged.key;
    let facts: Vec<_> = report.facts.iter().filter(|fact| of_key(fact.key)).collect();
    let findings = report.findings.iter().filter(|it| it.finding.key.is_some_and(of_key));
    let findings: Vec<_> = findings.collect();
    Outcome::print(match args.output {
        Plain::Json => output::json(&serde_json::json!({
            "schemaVersion": 1, "issuer": report.issuer, "now": report.now,
            "key": key, "facts": facts, "findings": findings, "watch": report.watch,
            "verdict": report.verdict, "outlook": report.outlook, "policySource": report.policy_source,
        })),
        Plain::Table => tell(key, &facts, &findings, &report, layout::width(world, false)),
    })
}

/// A check is explained without a look at anything.
fn about(id: CheckId, args: &Explain, world: &World<'_>) -> Outcome {
    let issuer = args.sources.issuer.as_deref().unwrap_or_default();
    let platform = crate::policy::platform(args.policy.platform, issuer);
    Outcome::print(match args.output {
        Plain::Json => output::json(&about::json(id, platform)),
        Plain::Table => about::told(id, platform, layout::width(world, false)),
    })
}

fn tell(
    key: &ReportedKey,
    facts: &[&Fact],
    findings: &[&ReportedFinding],
    report: &Report,
    width: usize,
) -> String {
    let (judged, now) = (&key.judged, report.now);
    let mut out = String::new();
    let rest = " ".repeat(NAME);
    let mut line = |name: &str, text: String| {
        out.push_str(&wrap(&text, width, &format!("{name:<NAME$}"), &rest));
    };
    let moment = |at: UnixTime| format!("{at} ({})", relative(at, now));
    // What follows from when the key was there at the latest is a bound, too.
    let bound = if exact(key) { "" } else { ", at the latest" };
    line("kid", plain(&key.name()));
    line("thumbprint", judged.key.to_string());
    let bits = key.rsa_bits.map(|bits| format!(", {bits} bits")).unwrap_or_default();
    let kind = key.kty.as_deref().map_or_else(|| "not published".to_owned(), plain);
    line(
        "kind",
        format!("{kind}{bits}, {}", key.alg.as_deref().map_or_else(|| "no alg".into(), plain)),
    );
    line("role", judged.role.to_string());
    line("status", judged.verdict.to_string());
    if let Some(grade) = judged.grade {
        line("rests on", format!("{grade} evidence at least"));
    }
    line("judged age", age(judged.age));
    line("trusted for", age(judged.trust_age));
    line("exists for", age(judged.material_age));
    for (name, at, bound) in [
        ("not before", judged.trusted_not_before, ": not public yet"),
        ("public since", judged.trusted_by, bound),
        ("last signed", judged.last_signed, ""),
        ("rotate by", judged.rotate_by, bound),
        ("gone by", judged.expire_by, bound),
        ("decided on", judged.decides_at, bound),
    ] {
        if let Some(at) = at {
            line(name, format!("{}{bound}", moment(at)));
        }
    }
    line("policy", report.policy_source.told(&report.policy));
    line("watched", watched(&report.watch, now));
    line("the issuer", format!("{}  {}", report.verdict, report.outlook.means));
    out.push_str("\nevidence (the facts that decide are marked)\n");
    for fact in facts {
        let mark = if judged.evidence.contains(fact) { '*' } else { ' ' };
        out.push_str(&wrap(&plain(&fact.to_string()), width, &format!(" {mark} "), "     "));
    }
    let conflicts = judged.conflicts.iter().map(|it| ("contradiction", it));
    let disputed = judged.disputed.iter().map(|it| ("what was seen counts, the date does not", it));
    for (what, conflict) in conflicts.chain(disputed) {
        let (late, early) = (conflict.not_before.to_string(), conflict.not_after.to_string());
        _ = writeln!(out, "\n{what}");
        for fact in [late, early] {
            out.push_str(&wrap(&plain(&fact), width, "   ", "     "));
        }
    }
    for it in findings {
        let head = format!("{} {} {}", it.finding.severity, it.finding.id, it.title);
        out.push('\n');
        out.push_str(&wrap(&head, width, "", "   "));
        let text = it.finding.evidence.join("; ");
        out.push_str(&wrap(&plain(&text), width, "   ", "     "));
        out.push_str(&wrap(&format!("fix: {}", it.remediation), width, "   ", "     "));
    }
    out
}

fn age(age: Age) -> String {
    let least = rough(age.at_least);
    match age.at_most {
        Some(most) => format!("at least {least}, at most {}", rough(most)),
        None => format!("at least {least}, without an upper bound"),
    }
}

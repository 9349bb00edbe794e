//! Prometheus' text format, for a textfile collector: moments, never ages, which would be wrong a
//! minute later.

use std::fmt::Write as _;
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_key_age::{Role, Verdict};

use crate::report::{Report, ReportedKey};

const PREFIX: &str = "cambist_issuer";

/// Renders the report as samples.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    let issuer = format!("issuer=\"{}\"", escape(&report.issuer));
    for (name, help, value) in MOMENTS {
        let sample = |key: &ReportedKey| {
            let labels =
                format!("{issuer},kid=\"{}\",role=\"{}\"", escape(&key.name()), key.judged.role);
            Some((labels, value(key)?.as_secs()))
        };
        let samples = report.keys.iter().filter_map(sample).collect::<Vec<_>>();
        gauge(&mut out, &format!("{name}_timestamp_seconds"), help, &samples);
    }
    let roles = [Role::Signer, Role::Verifier, Role::Next, Role::Ghost, Role::Unknown];
    let count = |role| report.keys.iter().filter(|key| key.judged.role == role).count();
    let keys = roles.map(|role| (format!("{issuer},role=\"{role}\""), whole(count(role))));
    gauge(&mut out, "keys", "Keys that are published or sign, by role.", &keys);
    let verdicts =
        [Verdict::Ok, Verdict::Unknown, Verdict::Due, Verdict::Overdue, Verdict::Suspect];
    let is = |verdict| i64::from(verdict == report.verdict);
    let status = verdicts.map(|v| (format!("{issuer},status=\"{v}\""), is(v)));
    gauge(&mut out, "status", "1 for the issuer's verdict, 0 for every other.", &status);
    let mut checks: Vec<(String, i64)> = Vec::new();
    for found in report.findings.iter().map(|finding| &finding.finding) {
        let labels = format!("{issuer},id=\"{}\",severity=\"{}\"", found.id, found.severity);
        match checks.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, count)) => *count += 1,
            None => checks.push((labels, 1)),
        }
    }
    gauge(&mut out, "check", "Findings of a check.", &checks);
    if let Some(at) = report.decides_at {
        let help = "When UNKNOWN is decided unless a rotation is seen before.";
        gauge(&mut out, "decides_at_timestamp_seconds", help, &[(issuer.clone(), at.as_secs())]);
    }
    watched(&mut out, report, &issuer);
    if !report.blind {
        let help = "When the issuer's keys were last read.";
        let at = report.observed_at.as_secs();
        gauge(&mut out, "last_observation_timestamp_seconds", help, &[(issuer, at)]);
    }
    out
}

/// How long and how well the issuer was watched.
fn watched(out: &mut String, report: &Report, issuer: &str) {
    let watch = &report.watch;
    let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let gauges = [
        (
            "signer_as_of_timestamp_seconds",
            "When the newest token seen was issued: as of then it is known who signs.",
            report.signer.map(|signer| signer.as_of.as_secs()),
        ),
        (
            "watched_since_timestamp_seconds",
            "The first look at the key set.",
            watch.since.map(|since| since.as_secs()),
        ),
        (
            "watched_looks",
            "How many looks at the key set there were.",
            Some(i64::try_from(watch.looks).unwrap_or(i64::MAX)),
        ),
        (
            "watched_longest_pause_seconds",
            "The longest pause between looks, where it is on record.",
            watch.longest_pause.map(whole),
        ),
        (
            "watched_clock_error_seconds",
            "How wrong the clocks may have been that dated what was seen.",
            Some(whole(watch.clock_error)),
        ),
    ];
    for (name, help, value) in gauges {
        let samples: Vec<_> = value.map(|value| (issuer.to_owned(), value)).into_iter().collect();
        gauge(out, name, help, &samples);
    }
    let sources = watch.sources.iter();
    let sources: Vec<_> = sources.map(|it| (format!("{issuer},source=\"{it}\""), 1)).collect();
    gauge(out, "watched_source", "1 for each place where keys were seen.", &sources);
}

type Moment = fn(&ReportedKey) -> Option<UnixTime>;

const MOMENTS: [(&str, &str, Moment); 5] = [
    ("key_trusted_since_min", "The key was not yet published at this moment.", |key| {
        key.judged.trusted_not_before
    }),
    ("key_trusted_since_max", "The key was published by this moment.", |key| key.judged.trusted_by),
    ("key_last_signed", "The newest token seen that the key signed.", |key| key.judged.last_signed),
    ("key_rotate_by", "When the key is to be replaced, without grace.", |key| {
        key.judged.rotate_by.filter(|_| shown(key))
    }),
    ("key_expire_by", "When the key is to be gone, without grace.", |key| {
        key.judged.expire_by.filter(|_| shown(key))
    }),
];

/// Of a key whose age nobody knows there is no date to alert on: it may have passed long ago, and moves on with
/// each history that is begun anew. The verdict's own series tells of it.
fn shown(key: &ReportedKey) -> bool {
    key.judged.age_verdict != Verdict::Unknown
}

fn gauge(out: &mut String, name: &str, help: &str, samples: &[(String, i64)]) {
    if samples.is_empty() {
        return;
    }
    _ = writeln!(out, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} gauge");
    for (labels, value) in samples {
        _ = writeln!(out, "{PREFIX}_{name}{{{labels}}} {value}");
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What the format escapes in a label; other control characters would break the line for people.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

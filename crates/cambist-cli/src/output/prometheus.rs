//! Prometheus' text format, for a textfile collector.

use std::fmt::Write as _;

use cambist_key_age::series::{Told, families};

use crate::report::Report;

/// Renders the report as samples.
pub(crate) fn render(report: &Report) -> String {
    let told = Told {
        issuer: &report.issuer,
        verdict: report.verdict,
        decides_at: report.decides_at,
        signer: report.signer,
        watch: &report.watch,
        keys: report.keys.iter().map(|key| (key.name(), &key.judged)).collect(),
        findings: report.findings.iter().map(|found| &found.finding).collect(),
        read_at: (!report.blind).then_some(report.observed_at),
    };
    let mut out = String::new();
    for family in families(&told) {
        let name = format!("cambist_{}", family.name);
        _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} gauge", family.help);
        for sample in family.samples {
            let labels = sample.labels.iter();
            let labels = labels.map(|(label, text)| format!("{label}=\"{}\"", escape(text)));
            let labels = labels.collect::<Vec<_>>().join(",");
            _ = writeln!(out, "{name}{{{labels}}} {}", sample.value);
        }
    }
    out
}

/// What the format escapes in a label; a line's end is in none.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

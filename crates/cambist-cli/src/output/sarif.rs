//! SARIF 2.1.0, for code scanning.

use aws_lc_rs::digest::{SHA256, digest};
use cambist_core::jwks::Thumbprint;
use cambist_key_age::{CheckId, Severity};
use serde_json::{Value, json};

use crate::about;
use crate::report::{Report, ReportedFinding};
use crate::text::plain;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Renders the report as one run.
pub(crate) fn render(report: &Report) -> Value {
    let rules: Vec<_> = CheckId::ALL.iter().map(|id| rule(*id, report)).collect();
    let results: Vec<_> = report.findings.iter().map(|finding| result(finding, report)).collect();
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| {
            let text = format!("{}: {}", problem.place, problem.detail);
            json!({ "level": if report.blind { "error" } else { "warning" }, "message": { "text": text } })
        })
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cambist",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": !report.blind,
                "exitCode": report.exit_code,
                "endTimeUtc": report.now.to_string(),
                "toolExecutionNotifications": problems,
            }],
            "results": results,
            "columnKind": "unicodeCodePoints",
            "properties": {
                "verdict": report.verdict, "issuer": report.issuer, "watch": report.watch,
                "outlook": report.outlook, "policySource": report.policy_source, "skipped": report.skipped,
            },
        }],
    })
}

fn rule(id: CheckId, report: &Report) -> Value {
    json!({
        "id": id.as_str(),
        "shortDescription": { "text": id.title() },
        "fullDescription": { "text": format!("{} {}", id.about().looks_at, id.about().shown_by) },
        "help": { "text": id.remediation(report.platform) },
        "helpUri": about::address(id),
        "defaultConfiguration": { "level": level(id.severity()) },
        "properties": { "security-severity": score(id.severity()), "tags": ["security"] },
    })
}

fn result(found: &ReportedFinding, report: &Report) -> Value {
    let finding = &found.finding;
    let kid = found.kid.as_deref().map(|kid| format!(" [{}]", plain(kid))).unwrap_or_default();
    let evidence = finding.evidence.join("; ");
    let fix = &found.remediation;
    let text = format!("{}{kid}: {evidence}. Fix: {fix}", found.title);
    json!({
        "ruleId": finding.id.as_str(),
        "ruleIndex": CheckId::ALL.iter().position(|id| *id == finding.id),
        "level": level(finding.severity),
        "message": { "text": text },
        // Code scanning shows results at files; the place of these is the issuer.
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": report.issuer } },
            "logicalLocations": [{ "fullyQualifiedName": report.issuer, "kind": "resource" }],
        }],
        "partialFingerprints": { "issuerKeyRule/v1": fingerprint(&report.issuer, finding.key, finding.id) },
        "properties": { "severity": finding.severity, "key": finding.key },
    })
}

/// The same finding on the same key is the same result in the next run.
fn fingerprint(issuer: &str, key: Option<Thumbprint>, id: CheckId) -> String {
    let key = key.map(|key| key.to_string()).unwrap_or_default();
    // Separated, so that no two triples give one text.
    let hash = digest(&SHA256, format!("{issuer}\n{key}\n{id}").as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// GitHub's bands: above 9 is critical, from 7 high, from 4 medium.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.0",
    }
}

//! The file of several identities.

use crate::doctor::check::{Check, Fix, Judge, Judged};
use crate::doctor::facts::Workload;

pub(super) const CHECKS: &[Check] = &[Check {
    id: "D701",
    title: "the policy's file can be read",
    looks_at: "The file that CAMBIST_CONFIG names, as the sidecar reads it.",
    fails: "It is not there, is no YAML, or says what has no meaning: each fault with its line and column. It warns of what is allowed and still hardly meant.",
    remedy: "Correct the lines; `cambist-sidecar --check-config` shows who may have what.",
    after: &["D102", "D103", "D105"],
    judge: Judge::Workload(file),
}];

fn file(workload: &Workload) -> Judged {
    let Some(policy) = &workload.policy else {
        return Judged::Unknown("CAMBIST_CONFIG is not set".to_owned());
    };
    // A fault that is of the file itself names it already.
    let told = |what: &[String]| match what.join("; ") {
        what if what.contains(&policy.path) => what,
        what => format!("{}: {what}", policy.path),
    };
    let fix = Fix::new(
        "correct the file there; `cambist-sidecar --check-config` shows who may have what by it",
    );
    if !policy.faults.is_empty() {
        return Judged::Failed(told(&policy.faults), fix);
    }
    if !policy.warnings.is_empty() {
        return Judged::Warning(told(&policy.warnings), fix);
    }
    Judged::Ok(format!("{} has {} identities", policy.path, policy.identities))
}

//! `cambist issuer needs-rotation`: the semantics of `step certificate needs-renewal`.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_key_age::{CheckId, KeyJudgement, Verdict};

use crate::case::{self, Case, CaseError};
use crate::cli::issuer::{NeedsRotation, Within};
use crate::collect::CollectError;
use crate::output::table::watched;
use crate::time::{day, relative};
use crate::world::{Outcome, World};

const NEEDS: u8 = 0;
const DOES_NOT: u8 = 1;
const NO_INPUT: u8 = 2;
const OTHER: u8 = 255;

pub(super) async fn run(args: &NeedsRotation, world: &World<'_>) -> Outcome {
    let outcome = match case::open(&args.sources, &args.kept, &args.policy, world).await {
        Ok(case) => {
            // How well it is known stands beside every answer.
            let watched = format!("watched {}\n", watched(&case.judgement.watch, case.now));
            let outcome = decide(&case, args.within);
            Outcome {
                out: if outcome.out.is_empty() { outcome.out } else { outcome.out + &watched },
                ..outcome
            }
        }
        Err(error @ CaseError::Collect(CollectError::NoIssuer | CollectError::Token(_))) => {
            Outcome::fail(NO_INPUT, error)
        }
        Err(error) => Outcome::fail(OTHER, error),
    };
    if args.quiet { Outcome { out: String::new(), ..outcome } } else { outcome }
}

fn decide(case: &Case, within: Option<Within>) -> Outcome {
    if case.known.published.is_empty() {
        let problems = case.look.problems.iter().map(|problem| problem.detail.as_str());
        let problems: Vec<_> = problems.collect();
        return Outcome::fail(OTHER, format!("no key set could be read: {}", problems.join("; ")));
    }
    let judged = &case.judgement;
    if let Some(found) = case.findings.iter().find(|found| found.id.is_compromise()) {
        return said(NEEDS, format!("yes: {} {}", found.id, found.id.title()));
    }
    // A retired key that is still published is mended by the rotation's last step, too. What is only
    // suspect is not mended by another key.
    let by_age = judged.keys.iter().map(|key| key.age_verdict).max().unwrap_or_default();
    if by_age >= Verdict::Due {
        return said(NEEDS, format!("yes: {by_age}"));
    }
    if let Some(found) = case.findings.iter().find(|found| found.id == CheckId::K190) {
        return Outcome::fail(OTHER, found);
    }
    // While nobody knows which key signs, the youngest is the one that may do so the longest.
    let until = judged
        .keys
        .iter()
        .filter(|key| key.role.may_sign())
        .filter_map(|key| Some((key.rotate_by?, key)))
        .max_by_key(|(by, _)| *by);
    let Some((by, key)) = until else {
        return said(DOES_NOT, "no: nothing limits the age of the signing key".to_owned());
    };
    if soon(case, key, by, within) {
        return said(
            NEEDS,
            format!("yes: to be rotated by {} ({})", day(by), relative(by, case.now)),
        );
    }
    let when = format!("{} ({})", day(by), relative(by, case.now));
    said(
        DOES_NOT,
        match judged.verdict {
            Verdict::Ok => format!("no: to be rotated by {when}"),
            _ => format!("not proven: its age is unknown; to be rotated by {when} at the latest"),
        },
    )
}

fn soon(case: &Case, key: &KeyJudgement, by: UnixTime, within: Option<Within>) -> bool {
    match (within, case.policy.limits) {
        (Some(Within::Time(time)), _) => by <= case.now + time,
        (Some(Within::Share(share)), Some(limits)) => {
            let used = limits.rotate_after().as_secs().saturating_mul(u64::from(share)) / 100;
            key.age.at_least >= Duration::from_secs(used)
        }
        (None, _) | (_, None) => false,
    }
}

fn said(code: u8, text: String) -> Outcome {
    Outcome { out: text + "\n", err: String::new(), code }
}

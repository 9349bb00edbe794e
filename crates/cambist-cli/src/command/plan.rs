//! `cambist issuer plan`: the dates of a rotation that interrupts nobody.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration::rough;
use cambist_key_age::{CheckId, Platform};
use serde::Serialize;

use crate::cli::Plain;
use crate::cli::issuer::{Plan, Profile};
use crate::output;
use crate::output::table::grid;
use crate::world::{Outcome, World};

/// One step.
#[derive(Debug, Serialize)]
struct Step {
    at: UnixTime,
    date: String,
    what: &'static str,
    why: String,
}

pub(super) fn run(args: &Plan, world: &World<'_>) -> Outcome {
    let start = args.start.unwrap_or_else(|| world.clock(args.now).wall());
    let platform = match args.profile {
        Profile::Of(platform) => platform,
        Profile::Auto => Platform::Kubeadm,
    };
    let steps = steps(args, start);
    let remedy = CheckId::K001.remediation(platform);
    Outcome::print(match args.output {
        Plain::Json => output::json(&serde_json::json!({
            "schemaVersion": 1,
            "platform": platform,
            "steps": steps,
            "how": remedy,
        })),
        Plain::Table => {
            let rows =
                steps.iter().map(|it| vec![it.date.clone(), it.what.to_owned(), it.why.clone()]);
            let rows: Vec<_> = rows.collect();
            let table = grid(&["WHEN", "WHAT", "WHY"], &rows, str::to_owned);
            format!("{table}\non {platform}: {remedy}\n")
        }
    })
}

fn steps(args: &Plan, start: UnixTime) -> [Step; 4] {
    let step = |after: Duration, what, why| {
        let at = start + after;
        Step { at, date: at.to_string(), what, why }
    };
    let (cache, life, margin) = (args.cache_ttl, args.max_token_ttl, args.margin);
    // Tokens that the old key signed a moment before the switch live this much longer.
    let drop = cache.saturating_add(life).saturating_add(margin);
    [
        step(
            Duration::ZERO,
            "publish the new key beside the old one",
            "relying parties must know it before it signs".to_owned(),
        ),
        step(
            cache,
            "sign with the new key",
            format!("caches hold the old key set for up to {}", rough(cache)),
        ),
        step(
            drop,
            "publish the new key alone",
            format!(
                "tokens of the old key live for up to {}, and {} more to be safe",
                rough(life),
                rough(margin)
            ),
        ),
        step(
            cache.saturating_add(args.rotate_after),
            "rotate again",
            format!("a key signs for at most {}", rough(args.rotate_after)),
        ),
    ]
}

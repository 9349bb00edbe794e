//! `cambist issuer expect`: announces a key in the history.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::jwks::Thumbprint;
use serde_json::json;

use super::named::{self, NamedError};
use crate::case::{self, CaseError};
use crate::cli::Plain;
use crate::cli::history::Expect;
use crate::collect::CollectError;
use crate::output;
use crate::time::relative;
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

/// Longest time that a key may be announced ahead. A slip of the pen must not silence a check for years.
const LONGEST: Duration = Duration::from_secs(90 * 24 * 3600);

/// Why nothing was announced.
#[derive(Debug, thiserror::Error)]
enum ExpectError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(transparent)]
    Named(#[from] NamedError),
    #[error("{0}")]
    Usage(String),
    #[error("nothing was announced: {0}")]
    Unfit(String),
}

pub(super) async fn run(args: &Expect, world: &World<'_>) -> Outcome {
    let now = world.clock(args.sources.now).wall();
    match announce(args, world, now).await {
        Ok((key, until, issuer)) => Outcome::print(match args.output {
            Plain::Table => format!(
                "{key} is expected until {until} ({}), by the history of {}\n",
                relative(until, now),
                crate::text::plain(&issuer)
            ),
            Plain::Json => output::json(&json!({
                "schemaVersion": 1, "issuer": issuer, "key": key, "at": now, "until": until,
            })),
        }),
        Err(ExpectError::Case(error)) => super::check::fail(&error),
        Err(error @ ExpectError::Usage(_)) => Outcome::fail(USAGE, error),
        Err(error) => Outcome::fail(COULD_NOT_RUN, error),
    }
}

async fn announce(
    args: &Expect,
    world: &World<'_>,
    now: UnixTime,
) -> Result<(Thumbprint, UnixTime, String), ExpectError> {
    let usage = |text: &str| ExpectError::Usage(text.to_owned());
    let until = args.until.from(now);
    if until <= now {
        return Err(ExpectError::Usage(format!("--until {until} is over: it is {now}")));
    }
    if until > now + LONGEST {
        let latest = now + LONGEST;
        return Err(ExpectError::Usage(format!(
            "--until {until} is too far away: a key is announced until {latest} at the latest, and again then"
        )));
    }
    if args.kept.read_only {
        return Err(usage("an announcement is kept in the history: leave out --read-only"));
    }
    let store = case::store(&args.kept, &args.sources, world).map_err(CaseError::from)?;
    let store = store.ok_or_else(|| {
        usage(
            "an announcement is kept in the history: give --history file:PATH or cm:NAMESPACE/NAME",
        )
    })?;
    let given = args.sources.issuer.clone().or_else(|| world.env.get("CAMBIST_ISSUER"));
    let held = store.read(given.as_deref()).await.map_err(CaseError::from)?;
    let history = held.whole(now).map_err(|error| ExpectError::Unfit(error.to_string()))?;
    let issuer = history.as_ref().map(|history| history.issuer().to_owned()).or(given);
    let issuer = issuer.ok_or(CaseError::Collect(CollectError::NoIssuer))?;
    cambist_core::issuer::IssuerUrl::parse(&issuer)
        .map_err(|error| CaseError::Collect(error.into()))?;
    let names = history.as_ref().map(named::names).unwrap_or_default();
    let key = named::find(&args.key, names)?;
    let added = store.add(&issuer, |history| history.expect(key, now, until)).await;
    added.map_err(CaseError::from)?;
    Ok((key, until, issuer))
}

//! `cambist issuer history`: what the history holds.

use cambist_core::clock::UnixTime;
use cambist_key_age::{History, Source};
use serde_json::json;

use crate::case::{CaseError, store};
use crate::cli::Plain;
use crate::cli::issuer::ShowHistory;
use crate::output::{self, layout};
use crate::store::Held;
use crate::text::plain;
use crate::time::relative;
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

pub(super) async fn run(args: &ShowHistory, world: &World<'_>) -> Outcome {
    let now = world.clock(args.sources.now).wall();
    match read(args, world).await {
        Ok(None) => {
            Outcome::fail(USAGE, "which history? give --history file:PATH or cm:NAMESPACE/NAME")
        }
        Ok(Some(Held { history: None, .. })) => Outcome::fail(
            COULD_NOT_RUN,
            "there is no history yet; `cambist issuer observe` makes one",
        ),
        Ok(Some(Held { history: Some(history), damage })) => Outcome {
            out: match args.output {
                Plain::Table => table(&history, now, layout::width(world, false)),
                Plain::Json => value(&history, now),
            },
            err: damage.map(|damage| format!("warning: {damage}\n")).unwrap_or_default(),
            code: 0,
        },
        Err(error) => super::check::fail(&error),
    }
}

async fn read(args: &ShowHistory, world: &World<'_>) -> Result<Option<Held>, CaseError> {
    let Some(store) = store(&args.kept, &args.sources, world)? else { return Ok(None) };
    Ok(Some(store.read(args.sources.issuer.as_deref()).await?))
}

fn table(history: &History, now: UnixTime, width: usize) -> String {
    let mut out = layout::field("issuer", &plain(history.issuer()), width);
    out += &format!("sequence  {}\n\n", history.sequence());
    let mut runs: Vec<_> = history.runs().iter().collect();
    runs.sort_by_key(|run| (run.source, run.from));
    let rows: Vec<_> = runs
        .into_iter()
        .map(|run| {
            let keys: Vec<_> = run.keys.iter().map(|key| short(&key.to_string())).collect();
            let (from, to) = (run.from.to_string(), run.to.to_string());
            vec![run.source.to_string(), from, to, run.n.to_string(), keys.join(" ")]
        })
        .collect();
    out += &layout::grid(&["SOURCE", "FROM", "TO", "LOOKS", "KEYS"], &rows, width, str::to_owned);
    let rows: Vec<_> = history
        .signings()
        .iter()
        .map(|(key, seen)| {
            let last = format!("{} ({})", seen.last, relative(seen.last, now));
            vec![short(&key.to_string()), seen.first.to_string(), last]
        })
        .collect();
    if !rows.is_empty() {
        out.push('\n');
        out +=
            &layout::grid(&["SIGNER", "FIRST TOKEN", "NEWEST TOKEN"], &rows, width, str::to_owned);
    }
    let rows: Vec<_> = history
        .expectations()
        .iter()
        .map(|(key, said)| {
            let until = format!("{} ({})", said.until, relative(said.until, now));
            vec![short(&key.to_string()), said.at.to_string(), until]
        })
        .collect();
    if !rows.is_empty() {
        out.push('\n');
        out += &layout::grid(&["EXPECTED", "ANNOUNCED", "UNTIL"], &rows, width, str::to_owned);
    }
    out
}

fn value(history: &History, now: UnixTime) -> String {
    let runs: Vec<_> = history
        .runs()
        .iter()
        .map(|run| {
            json!({
                "source": run.source, "keys": run.keys, "from": run.from, "to": run.to, "looks": run.n,
                "staleSeconds": run.stale.as_secs(), "longestPauseSeconds": run.pause.map(|pause| pause.as_secs()),
                "bestAt": run.best.at, "bestStaleSeconds": run.best.stale.as_secs(), "lastModified": run.last_modified, "etag": run.etag,
            })
        })
        .collect();
    let signers: Vec<_> = history
        .signings()
        .iter()
        .map(|(key, seen)| {
            json!({ "key": key, "firstIssued": seen.first, "lastIssued": seen.last, "lastExpires": seen.expires })
        })
        .collect();
    let lifetimes: Vec<_> = [Source::Public, Source::Api, Source::File]
        .into_iter()
        .flat_map(|source| history.lifetimes(source).into_iter().map(move |life| {
            json!({
                "source": source, "key": life.key, "absentAt": life.absent.map(|absence| absence.at),
                "first": life.first, "last": life.last, "goneAt": life.gone,
            })
        }))
        .collect();
    let expected: Vec<_> = history
        .expectations()
        .iter()
        .map(|(key, said)| {
            let (at, until) = (said.at, said.until);
            json!({ "key": key, "at": at, "until": until, "inForce": said.holds(now) })
        })
        .collect();
    output::json(&json!({
        "schemaVersion": 1,
        "issuer": history.issuer(),
        "sequence": history.sequence(),
        "runs": runs,
        "signers": signers,
        "lifetimes": lifetimes,
        "expected": expected,
    }))
}

fn short(key: &str) -> String {
    key.chars().take(12).collect::<String>() + "…"
}

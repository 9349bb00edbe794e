//! `cambist issuer merge`: several histories of one issuer as one.

use cambist_core::clock::UnixTime;
use cambist_key_age::history::HistoryError;
use cambist_key_age::{History, Source};

use crate::case::{self, CaseError};
use crate::cli::history::Merge;
use crate::store::{Store, StoreName};
use crate::text::plain;
use crate::world::{Outcome, World};

/// Why nothing was merged. What was there stays.
#[derive(Debug, thiserror::Error)]
enum MergeError {
    #[error("{name}: {source}")]
    Store { name: StoreName, source: Box<CaseError> },
    #[error("{0}: there is no history")]
    None(StoreName),
    #[error("{name}: {damage}; nothing was merged")]
    Damaged { name: StoreName, damage: HistoryError },
    #[error("{name}: {source}; nothing was merged")]
    AnotherIssuer { name: StoreName, source: cambist_key_age::history::AnotherIssuer },
}

pub(super) async fn run(args: &Merge, world: &World<'_>) -> Outcome {
    match merged(args, world).await {
        Ok(out) => Outcome::print(out),
        Err(error) => Outcome::fail(crate::world::COULD_NOT_RUN, error),
    }
}

async fn merged(args: &Merge, world: &World<'_>) -> Result<String, MergeError> {
    let now = world.clock.wall();
    let open = |name: &StoreName| {
        case::store_named(name, &args.reach, world).map_err(|error| MergeError::Store {
            name: name.clone(),
            source: Box::new(error.into()),
        })
    };
    let mut parts: Vec<(StoreName, History)> = Vec::new();
    for name in &args.histories {
        let held = whole(name, &open(name)?, now).await?;
        let history = held.ok_or_else(|| MergeError::None(name.clone()))?;
        parts.push((name.clone(), history));
    }
    let target = open(&args.output)?;
    let there = match args.histories.contains(&args.output) {
        true => None,
        false => whole(&args.output, &target, now).await?,
    };
    parts.extend(there.map(|history| (args.output.clone(), history)));
    let mut all = History::new(parts.first().map_or("", |(_, history)| history.issuer()));
    for (name, part) in &parts {
        let joined = all.merge(part);
        joined.map_err(|source| MergeError::AnotherIssuer { name: name.clone(), source })?;
    }
    let written = target.add(all.issuer(), |history| _ = history.merge(&all)).await;
    written.map_err(|source| MergeError::Store {
        name: args.output.clone(),
        source: Box::new(source.into()),
    })?;
    Ok(told(args, &parts, &all))
}

/// A history that can be believed.
async fn whole(
    name: &StoreName,
    store: &Store,
    now: UnixTime,
) -> Result<Option<History>, MergeError> {
    let held = store.read(None).await.map_err(|error| MergeError::Store {
        name: name.clone(),
        source: Box::new(error.into()),
    })?;
    held.whole(now).map_err(|damage| MergeError::Damaged { name: name.clone(), damage })
}

fn told(args: &Merge, parts: &[(StoreName, History)], all: &History) -> String {
    let mut out = format!("issuer  {}\n", plain(all.issuer()));
    for (name, part) in parts {
        out += &format!("from    {}: {}\n", plain(&name.to_string()), content(part));
    }
    out += &format!("into    {}: {}\n", plain(&args.output.to_string()), content(all));
    let kept = all.encode().and_then(|bytes| History::decode(&bytes));
    if kept.is_ok_and(|kept| kept != *all) {
        out += "note    together they are larger than a history may be: the oldest runs that prove nothing of today's keys were left out\n";
    }
    out
}

/// How much a history holds, and from when to when.
fn content(history: &History) -> String {
    let keys = [Source::Public, Source::Api, Source::File].map(|source| history.ever(source));
    let keys: std::collections::BTreeSet<_> = keys.into_iter().flatten().collect();
    let looks: u64 = history.runs().iter().map(|run| u64::from(run.n)).sum();
    let since = history.runs().iter().map(|run| run.from).min();
    let when = since.zip(history.last()).map(|(from, to)| format!(", {from} to {to}"));
    let (runs, keys) = (history.runs().len(), keys.len());
    let announced = history.expectations().len();
    let announced = if announced == 0 { String::new() } else { format!(", {announced} announced") };
    format!("{runs} runs of {looks} looks, {keys} keys{announced}{}", when.unwrap_or_default())
}

//! The history that a case starts from, and the way back into its store.

use cambist::history::HistoryFileError;
use cambist_core::clock::Clock;
use cambist_key_age::history::HistoryError;
use cambist_key_age::{Finding, Grade, History};

use super::{CaseError, Remembered, remember};
use crate::cli::issuer::{Kept, Reach, Sources};
use crate::collect::{self, Look};
use crate::store::{ConfigMapError, SLACK, Store, StoreError, StoreName};
use crate::world::World;

/// What was known before this look.
#[derive(Debug)]
pub(crate) struct Past {
    /// The history, if there is one that may be believed.
    pub(crate) before: Option<History>,
    /// How well its word is believed, at most.
    pub(crate) trust: Grade,
    /// K190, if something is wrong with it.
    pub(crate) findings: Vec<Finding>,
    /// What could not be done.
    pub(crate) problems: Vec<String>,
    /// The look is in the store now.
    pub(crate) recorded: bool,
}

/// The store that `--history` names.
pub(crate) fn store(
    kept: &Kept,
    sources: &Sources,
    world: &World<'_>,
) -> Result<Option<Store>, crate::kubernetes::AccessError> {
    kept.history.as_ref().map(|name| store_named(name, &sources.reach, world)).transpose()
}

/// The store of that name.
pub(crate) fn store_named(
    name: &StoreName,
    reach: &Reach,
    world: &World<'_>,
) -> Result<Store, crate::kubernetes::AccessError> {
    Ok(match name.clone() {
        StoreName::File(path) => Store::file(path),
        StoreName::ConfigMap { namespace, name } => {
            Store::config_map(collect::api_server(reach, world)?, namespace, name)
        }
    })
}

impl Past {
    /// Reads the history and adds the look to it. A history that cannot be believed is a finding,
    /// and as good as none; a store that cannot be reached is a problem, and the look is still judged.
    pub(crate) async fn open(
        kept: &Kept,
        sources: &Sources,
        world: &World<'_>,
        look: &Look,
        clock: &dyn Clock,
    ) -> Result<Self, CaseError> {
        let mut past = Self {
            before: None,
            trust: Grade::Proven,
            findings: Vec::new(),
            problems: Vec::new(),
            recorded: false,
        };
        let Some(store) = store(kept, sources, world)? else { return Ok(past) };
        past.trust = store.trust().min(kept.history_trust.unwrap_or(Grade::Proven));
        match store.read(Some(&look.issuer)).await {
            Ok(held) => {
                past.findings.extend(held.damage.map(|damage| damage.finding()));
                past.before = held.history;
            }
            // The wrong store: going on would hide a mistake in the command line.
            Err(error @ StoreError::AnotherIssuer { .. }) => return Err(error.into()),
            Err(error) => return Ok(past.without(&error)),
        }
        if let Some(history) = &past.before
            && let Err(error) = history.check(clock.wall(), SLACK, None)
        {
            past.findings.push(error.finding());
            past.before = None;
            past.problems.push(format!("nothing was added to the history: {error}"));
            return Ok(past);
        }
        if kept.read_only {
            return Ok(past);
        }
        let mut probe = past.before.clone().unwrap_or_else(|| History::new(&look.issuer));
        let Remembered { added, left_out } = remember(&mut probe, look);
        let missing = left_out.iter().map(|(source, why)| {
            format!("the {source} key set was not added to the history: {why}")
        });
        past.problems.extend(missing);
        if !added {
            if left_out.is_empty() {
                let why = "nothing was added to the history: no key set was read";
                past.problems.push(why.to_owned());
            }
            return Ok(past);
        }
        let added = store.add(&look.issuer, |history| _ = remember(history, look)).await;
        past.recorded = added.is_ok() && left_out.is_empty();
        past.problems.extend(match added {
            Ok(kept) => kept.map(|kept| {
                format!("the damaged file was replaced; its bytes are kept as {}", kept.display())
            }),
            Err(error) => Some(error.to_string()),
        });
        Ok(past)
    }

    fn without(mut self, error: &StoreError) -> Self {
        match believed(error) {
            // Damaged beyond its backup, or never one: the old bytes stay for whoever looks into it.
            Some(history) => {
                self.findings.push(history.finding());
                self.problems.push(format!("nothing was added to it: {error}"));
            }
            None => self.problems.push(error.to_string()),
        }
        self
    }
}

/// The history's own fault in a store's error.
fn believed(error: &StoreError) -> Option<&HistoryError> {
    match error {
        StoreError::File(HistoryFileError::Damaged { source, .. })
        | StoreError::ConfigMap(ConfigMapError::History { source, .. }) => Some(source),
        _ => None,
    }
}

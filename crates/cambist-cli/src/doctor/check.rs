//! A check: what it is called, what it looks at, and the function that judges.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::{App, Environment, Facts, Sidecar, Workload};

/// A check's name, which is never given to another one.
pub(crate) type Id = &'static str;

/// One check. Whatever is told of it, here or on the page of all checks, is in its row of the table.
pub(crate) struct Check {
    pub(super) id: Id,
    /// What is so when all is well.
    pub(super) title: &'static str,
    pub(super) looks_at: &'static str,
    /// When it fails, or warns.
    pub(super) fails: &'static str,
    /// What is done about it, whatever the case; a finding has the words for the case at hand.
    pub(super) remedy: &'static str,
    /// What makes it impossible to tell.
    pub(super) after: &'static [Id],
    pub(super) judge: Judge,
}

/// The function that judges, by what it looks at.
#[derive(Clone, Copy)]
pub(super) enum Judge {
    Environment(fn(&Environment) -> Judged),
    Workload(fn(&Workload) -> Judged),
    App(fn(&App) -> Judged),
    Sidecar(fn(&Sidecar) -> Judged),
}

/// What came of judging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// All is well, on this evidence.
    Ok(String),
    /// Something is worth knowing, and nothing fails of it.
    Warning(String, Fix),
    Failed(String, Fix),
    /// It fails, and would not if that check did not, or one of those that it comes `after`. If none of them
    /// fails, this one does.
    Because(Id, String, Fix),
    /// The same of something that is worth knowing: a warning if none of these checks fails.
    WarningBecause(Id, String, Fix),
    /// Nobody can tell, for this reason or because of one of the checks that it comes `after`.
    Unknown(String),
}

/// What to do. The words are all of it; what of them can be done by a program is beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fix {
    pub(crate) words: String,
    /// Variables to set, and to what.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) set: BTreeMap<String, String>,
    /// Variables to take away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unset: Vec<String>,
    /// Commands, of which one will do if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) commands: Vec<String>,
}

impl Fix {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    pub(super) fn set(name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        let set = BTreeMap::from([(name.to_owned(), value.clone())]);
        Self { words: format!("set {name}={value}"), set, ..Self::default() }
    }

    pub(super) fn unset(names: &[&str]) -> Self {
        let unset: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let words = format!("take {} out of this container's environment", unset.join(" and "));
        Self { words, unset, ..Self::default() }
    }

    pub(super) fn command(command: impl Into<String>) -> Self {
        let command = command.into();
        Self { words: format!("`{command}`"), commands: vec![command], ..Self::default() }
    }

    /// More words.
    #[must_use]
    pub(super) fn and(mut self, words: &str) -> Self {
        self.words += words;
        self
    }

    /// One that goes on with the words of this one.
    #[must_use]
    pub(super) fn joined(self, other: Self) -> Self {
        Self { words: self.words + &other.words, ..other }
    }

    /// One after the other.
    #[must_use]
    pub(super) fn then(mut self, other: Self) -> Self {
        if !self.words.is_empty() {
            self.words += "; ";
        }
        self.words += &other.words;
        self.set.extend(other.set);
        self.unset.extend(other.unset);
        self.commands.extend(other.commands);
        self
    }
}

impl Check {
    /// What it says to these facts; nothing if what it looks at is not there at all.
    fn judge(&self, facts: &Facts) -> Option<Judged> {
        match self.judge {
            Judge::Environment(judge) => Some(judge(&facts.environment)),
            Judge::Workload(judge) => facts.workload.as_ref().map(judge),
            Judge::App(judge) => facts.app.as_ref().map(judge),
            Judge::Sidecar(judge) => facts.sidecar.as_ref().map(judge),
        }
    }
}

/// A judgement once it is known what follows from what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    Judged(Judged),
    /// It is not told, because of that check.
    Silenced(Id),
}

/// All checks that have something to look at, each judged, with the consequences of failures silenced.
pub(super) fn resolve<'c>(
    checks: impl Iterator<Item = &'c Check>,
    facts: &Facts,
) -> Vec<(&'c Check, Resolved)> {
    let judged: Vec<_> = checks.filter_map(|check| Some((check, check.judge(facts)?))).collect();
    let of = |id: Id| judged.iter().find(|(check, _)| check.id == id);
    let failed = |id: Id| matches!(of(id), Some((_, Judged::Failed(..))));
    // What would be a consequence, and is none of anything that fails, is a failure of its own.
    let causes = |check: &Check, cause: Option<Id>| {
        let (own, after) = (check.id, check.after);
        cause.into_iter().chain(after.iter().copied()).filter(move |id| *id != own)
    };
    let fails = |id: Id| match of(id) {
        Some((_, Judged::Failed(..))) => true,
        Some((check, Judged::Because(cause, ..))) => !causes(check, Some(*cause)).any(failed),
        _ => false,
    };
    let resolved = judged.iter().map(|(check, judged)| {
        let cause = match judged {
            Judged::Because(cause, ..) | Judged::WarningBecause(cause, ..) => {
                causes(check, Some(*cause)).find(|cause| failed(cause))
            }
            Judged::Unknown(_) => causes(check, None).find(|cause| fails(cause)),
            _ => None,
        };
        let resolved = match (cause, judged.clone()) {
            (Some(cause), _) => Resolved::Silenced(cause),
            (None, Judged::Because(_, evidence, fix)) => {
                Resolved::Judged(Judged::Failed(evidence, fix))
            }
            (None, Judged::WarningBecause(_, evidence, fix)) => {
                Resolved::Judged(Judged::Warning(evidence, fix))
            }
            (None, judged) => Resolved::Judged(judged),
        };
        (*check, resolved)
    });
    resolved.collect()
}

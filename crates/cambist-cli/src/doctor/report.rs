//! What was found, for every form of output.

use serde::Serialize;

use super::check::{Fix, Id, Judged, Resolved, resolve};
use super::checks;
use super::facts::Facts;
use super::place::Place;

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    schema_version: u32,
    generator: &'static str,
    pub(crate) place: Place,
    pub(crate) checks: Vec<Told>,
    pub(crate) tally: Tally,
    pub(crate) exit_code: u8,
}

/// One check.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) id: Id,
    pub(crate) title: &'static str,
    pub(crate) result: Verdict,
    /// What was compared with what, or why it was skipped.
    pub(crate) evidence: String,
    /// The check that tells the cause, where this is a consequence.
    pub(crate) because: Option<Id>,
    pub(crate) fix: Option<Fix>,
    pub(crate) page: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl Verdict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) ok: usize,
    pub(crate) warning: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// A check's place on the page of all of them.
pub(super) fn address(id: Id) -> String {
    let page = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/doctor.md");
    format!("{page}#{}", id.to_ascii_lowercase())
}

impl Report {
    /// These facts, judged.
    pub(super) fn of(facts: &Facts) -> Self {
        let resolved = resolve(checks::all(), facts);
        let checks: Vec<_> = resolved
            .into_iter()
            .map(|(check, resolved)| {
                let (result, evidence, because, fix) = match resolved {
                    Resolved::Silenced(cause) => {
                        (Verdict::Skipped, format!("because {cause}"), Some(cause), None)
                    }
                    Resolved::Judged(Judged::Ok(so)) => (Verdict::Ok, so, None, None),
                    Resolved::Judged(
                        Judged::Warning(evidence, fix) | Judged::WarningBecause(_, evidence, fix),
                    ) => (Verdict::Warning, evidence, None, Some(fix)),
                    Resolved::Judged(
                        Judged::Failed(evidence, fix) | Judged::Because(_, evidence, fix),
                    ) => (Verdict::Failed, evidence, None, Some(fix)),
                    Resolved::Judged(Judged::Unknown(why)) => (Verdict::Skipped, why, None, None),
                };
                let (id, title) = (check.id, check.title);
                Told { id, title, result, evidence, because, fix, page: address(id) }
            })
            .collect();
        let mut tally = Tally::default();
        for told in &checks {
            *match told.result {
                Verdict::Ok => &mut tally.ok,
                Verdict::Warning => &mut tally.warning,
                Verdict::Failed => &mut tally.failed,
                Verdict::Skipped => &mut tally.skipped,
            } += 1;
        }
        Self {
            schema_version: 1,
            generator: concat!("cambist ", env!("CARGO_PKG_VERSION")),
            place: facts.place.clone(),
            checks,
            exit_code: u8::from(tally.failed > 0),
            tally,
        }
    }
}

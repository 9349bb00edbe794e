//! What keeps a workload from its tokens: collected, then judged check by check.
//!
//! `collect` looks and judges nothing; what it brings are plain values ([`facts`]). `checks` is a table of
//! functions over these, and [`check::resolve`] leaves out what only follows from something else.

mod az;
mod check;
mod checks;
mod collect;
pub(crate) mod facts;
mod place;
mod report;
mod settings;

pub(crate) use check::Fix;
pub(crate) use place::NothingToDo;
pub(crate) use report::{Report, Tally, Told, Verdict};

use crate::cli::doctor::Doctor;
use crate::output::layout::field;
use crate::world::World;

/// Looks at everything that there is to be looked at, and judges it.
pub(crate) async fn examine(args: &Doctor, world: &mut World<'_>) -> Result<Report, NothingToDo> {
    let facts = collect::collect(args, world).await?;
    Ok(Report::of(&facts))
}

/// What a check is about, for a reader; nothing if there is none of that name.
pub(crate) fn explained(id: &str, width: usize) -> Option<String> {
    let check = checks::all().find(|check| check.id.eq_ignore_ascii_case(id))?;
    let lines = [
        (check.id, check.title.to_owned()),
        ("looks at", check.looks_at.to_owned()),
        ("fails if", check.fails.to_owned()),
        ("do", check.remedy.to_owned()),
        ("page", report::address(check.id)),
    ];
    Some(lines.map(|(name, text)| field(name, &text, width)).concat())
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;

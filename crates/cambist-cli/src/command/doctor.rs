//! `cambist doctor`.

use crate::cli::doctor::{Doctor, Form};
use crate::doctor;
use crate::output;
use crate::output::layout;
use crate::text::plain;
use crate::world::{Outcome, USAGE, World};

pub(super) async fn run(args: &Doctor, world: &mut World<'_>) -> Outcome {
    if let Some(id) = &args.explain {
        return match doctor::explained(id, layout::width(world, false)) {
            Some(text) => Outcome::print(text),
            None => Outcome::fail(
                USAGE,
                format!("there is no check {:?}; docs/doctor.md has all of them", plain(id)),
            ),
        };
    }
    let report = match doctor::examine(args, world).await {
        Ok(report) => report,
        Err(error) => return Outcome::fail(USAGE, error),
    };
    let out = match args.output {
        Form::Table => {
            let color = output::color(args.color, false, world);
            output::doctor::table(&report, color, layout::width(world, false))
        }
        Form::Json => output::json(&report),
        Form::Junit => output::doctor::junit(&report, world.clock.wall()),
    };
    Outcome { out, code: report.exit_code, ..Outcome::default() }
}

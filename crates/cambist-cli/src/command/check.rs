//! `cambist issuer check`.

use crate::case;
use crate::cli::issuer::{Check, Format};
use crate::output::{self, file, layout};
use crate::report::Report;
use crate::text::for_flags;
use crate::world::{COULD_NOT_RUN, Outcome, World};

pub(super) async fn run(args: &Check, world: &World<'_>) -> Outcome {
    let case = match case::open(&args.sources, &args.kept, &args.policy, world).await {
        Ok(case) => case,
        Err(error) => return fail(&error),
    };
    let mut report = Report::of(&case, args.exit.severity);
    report.settle(&args.exit);
    let print = &args.print;
    let color = output::color(print.color, print.output_file.is_some(), world);
    let width = layout::width(world, print.output_file.is_some());
    let text = output::render(&report, print.output, color, width);
    let mut outcome = Outcome { code: report.exit_code, ..Outcome::default() };
    match &print.output_file {
        None => outcome.out = text,
        Some(path) => {
            if let Err(error) = file::write(path, text.as_bytes()) {
                return Outcome::fail(COULD_NOT_RUN, format!("{}: {error}", path.display()));
            }
        }
    }
    // Machine-readable forms are all that goes to standard output; a person still sees why.
    if print.output != Format::Table || print.output_file.is_some() {
        outcome.err = report
            .problems
            .iter()
            .map(|it| format!("warning: {}: {}\n", it.place, crate::text::plain(&it.detail)))
            .collect();
    }
    outcome
}

/// What cannot run is usage if the command line was at fault.
pub(super) fn fail(error: &case::CaseError) -> Outcome {
    use crate::collect::CollectError;
    let code = match error {
        case::CaseError::Policy(_)
        | case::CaseError::Collect(CollectError::NoIssuer | CollectError::Issuer(_)) => {
            crate::world::USAGE
        }
        _ => COULD_NOT_RUN,
    };
    Outcome::fail(
        code,
        match error {
            // Without a flag, the command reads that variable itself.
            case::CaseError::Collect(CollectError::NoIssuer) => error.to_string(),
            _ => for_flags(&error.to_string()),
        },
    )
}

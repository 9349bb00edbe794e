//! The commands: from arguments and a world to what is printed and the exit code.

use crate::cli::{Command, DeployCommand, Inspect, IssuerCommand, Plain, TokenCommand};
use crate::deploy;
use crate::manual;
use crate::output::json;
use crate::token::{self, Inspected};
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

mod check;
mod decisions;
mod diff;
mod doctor;
mod expect;
mod explain;
mod gate;
mod get;
mod history;
mod kid;
mod merge;
mod named;
mod needs_rotation;
mod observe;
mod plan;
mod schema;

/// Runs one command to its end.
pub(crate) async fn run(command: Command, world: &mut World<'_>) -> Outcome {
    match command {
        Command::Issuer(IssuerCommand::Check(args)) => check::run(&args, world).await,
        Command::Issuer(IssuerCommand::Observe(args)) => observe::run(&args, world).await,
        Command::Issuer(IssuerCommand::History(args)) => history::run(&args, world).await,
        Command::Issuer(IssuerCommand::Explain(args)) => explain::run(&args, world).await,
        Command::Issuer(IssuerCommand::Diff(args)) => diff::run(&args, world).await,
        Command::Issuer(IssuerCommand::NeedsRotation(args)) => {
            needs_rotation::run(&args, world).await
        }
        Command::Issuer(IssuerCommand::Plan(args)) => plan::run(&args, world).await,
        Command::Issuer(IssuerCommand::Gate(args)) => gate::run(&args, world).await,
        Command::Issuer(IssuerCommand::Expect(args)) => expect::run(&args, world).await,
        Command::Issuer(IssuerCommand::Merge(args)) => merge::run(&args, world).await,
        Command::Issuer(IssuerCommand::Kid(args)) => kid::run(&args),
        Command::Token(TokenCommand::Inspect(args)) => inspect(&args, world),
        Command::Token(TokenCommand::Get(args)) => get::run(&args, world).await,
        Command::Explain(args) => decisions::run(&args, world).await,
        Command::Deploy(DeployCommand::Inject(args)) => {
            Outcome::print(deploy::inject(&args.image, args.release, &args.audience))
        }
        // It looks at much at the same time: in a debug build, a thread's stack has no room for that beside the rest.
        Command::Doctor(args) => Box::pin(doctor::run(&args, world)).await,
        Command::Schema { name } => schema::run(name),
        Command::Completions { shell } => {
            let completions = manual::completions(shell, &crate::command());
            Outcome::print(String::from_utf8_lossy(&completions))
        }
        Command::Man { path } => manual_page(&path),
    }
}

fn inspect(args: &Inspect, world: &mut World<'_>) -> Outcome {
    let now = world.clock(args.now).wall();
    let read = token::read(args.file.as_deref(), world.stdin);
    match read.and_then(|token| Inspected::of(&token, now)) {
        Ok(inspected) => Outcome::print(match args.output {
            Plain::Table => inspected.table(),
            Plain::Json => json(&inspected.json()),
        }),
        Err(error) => Outcome::fail(COULD_NOT_RUN, error),
    }
}

fn manual_page(path: &[String]) -> Outcome {
    let mut program = crate::command().disable_help_subcommand(true);
    program.build();
    let mut command = &program;
    for name in path.iter().flat_map(|part| part.split(' ')).filter(|name| !name.is_empty()) {
        match command.find_subcommand(name) {
            Some(found) => command = found,
            None => {
                return Outcome::fail(
                    USAGE,
                    format!("{} has no subcommand {name:?}", command.get_name()),
                );
            }
        }
    }
    match manual::page(&program, command) {
        Ok(page) => Outcome::print(String::from_utf8_lossy(&page)),
        Err(error) => Outcome::fail(COULD_NOT_RUN, error),
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod issuer_tests;
#[cfg(test)]
mod rotation_tests;
#[cfg(test)]
mod tests;

//! The `cambist` command: looks at tokens and issuers, and prints what puts the sidecar into a cluster.
//!
//! How old is the key that signs a cluster's service-account tokens, and what proves it? The model is
//! `cambist_key_age`; here are the collectors of evidence, the stores of its history, and the
//! reports. Each command is a function of its arguments and a world (environment, clock, network)
//! that returns what to print and the exit code.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::Arc;

use cambist::SystemClock;
use cambist::env::Process;
use cambist::transport::Transport;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

mod about;
mod case;
mod cli;
mod collect;
mod command;
mod deploy;
mod doctor;
mod exit;
mod key;
mod kubernetes;
pub mod manual;
mod output;
mod policy;
#[cfg(test)]
mod rehearsal;
mod report;
mod store;
mod straight;
#[cfg_attr(unix, path = "system/unix.rs")]
#[cfg_attr(windows, path = "system/windows.rs")]
mod system;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod token;
mod world;

use cli::Cli;
use world::{COULD_NOT_RUN, Outcome, USAGE, World};

/// The command line: what there is to ask for, and how.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The program: parses the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do about a standard error that is closed.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(USAGE),
            };
        }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(async {
                let mut stderr = io::stderr();
                let watched = stderr.is_terminal();
                let mut world = World {
                    env: &Process,
                    clock: Arc::new(SystemClock),
                    connect: &Transport::https,
                    stdin: &mut io::stdin(),
                    lines: &mut io::stdout(),
                    terminal: io::stdout().is_terminal(),
                    progress: watched.then_some(&mut stderr as &mut (dyn Write + Send)),
                    columns: terminal_size::terminal_size_of(io::stdout())
                        .map(|(columns, _)| columns.0.into()),
                    mount: None,
                };
                command::run(cli.command, &mut world).await
            });
            // A read that hangs on a dead file system must not keep the program alive.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Outcome::fail(COULD_NOT_RUN, format!("cannot start the runtime: {error}")),
    };
    say(&outcome)
}

fn say(outcome: &Outcome) -> ExitCode {
    let _ = io::stderr().write_all(outcome.err.as_bytes());
    let mut out = io::stdout().lock();
    match out.write_all(outcome.out.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(outcome.code),
        // A reader that has seen enough, such as `head`, is no failure of ours.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(outcome.code),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: cannot write the report: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

//! Benches of cambist: the sidecar against a bare hyper responder, and the credential within a
//! process against `azure_identity`'s. See `README.md` for the method.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a bench is a program that reports to a person")]

#[cfg(target_os = "linux")]
mod affinity;
mod args;
mod azure;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod identities;
mod in_process;
#[cfg(target_os = "linux")]
mod instructions;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod machine;
mod report;
#[cfg(target_os = "linux")]
mod response;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod sidecar;
#[cfg(target_os = "linux")]
mod start;
mod stats;
mod stopwatch;
#[cfg(target_os = "linux")]
mod versions;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Part};
use report::{Row, heading};

/// A floor does not hold.
const BELOW: u8 = 1;
/// Nothing could be judged.
const VOID: u8 = 2;

/// Runs the benches that the command line asks for; `hyper` is the reference server's program.
pub fn main(hyper: &Path) -> ExitCode {
    match run(&Args::parse(), hyper) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BELOW),
        Err(error) => {
            println!("the run is void: {error:#}");
            ExitCode::from(VOID)
        }
    }
}

/// Whether every floor holds.
fn run(args: &Args, hyper: &Path) -> anyhow::Result<bool> {
    if args.against.is_some() || args.instructions {
        return Ok(judge(&versions::compare(args, &http::prepare(args)?)?));
    }
    let serves = [Part::Http, Part::Start, Part::Identities].into_iter().any(|it| args.wants(it));
    let served = serves.then(|| http::prepare(args)).transpose()?;
    let mut rows = Vec::new();
    if args.wants(Part::InProcess) {
        rows.extend(in_process::compare(args)?);
    }
    if let Some(prepared) = served {
        if args.wants(Part::Start) {
            rows.extend(start::measure(args, &prepared)?);
        }
        if args.wants(Part::Http) {
            rows.extend(http::compare(args, &prepared, hyper)?);
        }
        if args.wants(Part::Identities) {
            rows.extend(identities::compare(args, &prepared)?);
        }
    }
    Ok(judge(&rows))
}

/// Prints the rows; whether every floor holds.
fn judge(rows: &[Row]) -> bool {
    println!("\n{}", heading());
    for row in rows {
        println!("{row}");
    }
    rows.iter().all(Row::holds)
}

/// Elsewhere than on Linux a process' CPU time is told otherwise, so there is nothing to compare.
#[cfg(not(target_os = "linux"))]
mod http {
    use std::path::Path;

    use crate::args::Args;
    use crate::report::Row;

    pub(crate) fn prepare(_: &Args) -> anyhow::Result<()> {
        println!("http: left out, because it is measured the way Linux tells it");
        Ok(())
    }

    pub(crate) fn compare(_: &Args, _: &(), _: &Path) -> anyhow::Result<Vec<Row>> {
        Ok(Vec::new())
    }
}

#[cfg(not(target_os = "linux"))]
mod identities {
    use crate::args::Args;
    use crate::report::Row;

    pub(crate) fn compare(_: &Args, _: &()) -> anyhow::Result<Vec<Row>> {
        Ok(Vec::new())
    }
}

#[cfg(not(target_os = "linux"))]
mod start {
    use crate::args::Args;
    use crate::report::Row;

    pub(crate) fn measure(_: &Args, _: &()) -> anyhow::Result<Vec<Row>> {
        Ok(Vec::new())
    }
}

#[cfg(not(target_os = "linux"))]
mod versions {
    use crate::args::Args;
    use crate::report::Row;

    pub(crate) fn compare(_: &Args, _: &()) -> anyhow::Result<Vec<Row>> {
        Ok(Vec::new())
    }
}

//! `manual DIR`: writes the manual pages and completions of both programs below a `share` directory, for a release.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "a program")]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [share] = &arguments[..] else {
        eprintln!("usage: manual DIR");
        return ExitCode::from(64);
    };
    let share = Path::new(share);
    for program in [cambist_cli::command(), cambist_sidecar::settings::command()] {
        if let Err(error) = cambist_cli::manual::write(&program, share) {
            eprintln!("cannot write below {}: {error}", share.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

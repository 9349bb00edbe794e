//! `cambist-sim`: see the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cambist_sim::main()
}

//! `cargo bench -p cambist-benches`: see `README.md`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo builds a bench's reference server with it, and tells only the bench where it is.
    cambist_benches::main(env!("CARGO_BIN_EXE_ref-hyper").as_ref())
}

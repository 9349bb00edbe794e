//! The sidecar program; all of it is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    cambist_sidecar::main()
}

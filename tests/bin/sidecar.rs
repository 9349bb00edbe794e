//! `cambist_sidecar::main`, for the tests to start.
fn main() -> impl std::process::Termination {
    cambist_sidecar::main()
}
